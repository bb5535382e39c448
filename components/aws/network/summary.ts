import { type FidelityItem, FidelityOutcome } from "../../network";

/** A few lines that say in numbers how a shadow differs from production, for a preview. */
export function fidelitySummary(fidelity: readonly FidelityItem[]): string {
  const counts = Object.values(FidelityOutcome).map((outcome) => {
    const items = fidelity.filter((item) => item.outcome === outcome);
    const kinds = new Map<string, number>();
    for (const { subject } of items) {
      const kind = kindOf(subject);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    const said = [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ");
    return items.length === 0 ? [] : [`${items.length} ${outcome}: ${said}`];
  });
  return ["fidelity, each line of it is in the output `fidelity`:", ...counts.flat()].join("\n  ");
}

/** `machines/web-1/userData` is about the user data of machines. */
function kindOf(subject: string): string {
  const [kind = "", , ...rest] = subject.split("/");
  const detail = rest.at(-1);
  return detail !== undefined && /^[a-zA-Z]+$/.test(detail) ? `${kind} (${detail})` : kind;
}
