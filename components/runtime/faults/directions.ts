import type { DirectionValues, FaultParameters } from "../../experiment";
import type { Way } from "./match";

/** Values of a direction by name. */
type DirectionValue = keyof DirectionValues;

/** Says the same in another way: a direction that gives one of these puts the fault's own ones of the other list aside. */
const otherForm: [DirectionValue[], DirectionValue[]] = [["percent"], ["burstP", "burstR", "burstH", "burstK"]];

/** The ways that a fault is on. */
export function waysOf({ direction = "both" }: Pick<FaultParameters, "direction">): Way[] {
  return direction === "both" ? ["egress", "ingress"] : [direction];
}

/** A fault as it is on one way: what that direction says in place of the fault's own values. */
export function onWay<T extends FaultParameters>(fault: T, way: Way): T {
  const { egress, ingress, ...common } = fault;
  const own = given((way === "egress" ? egress : ingress) ?? {});
  const kept = Object.entries(common).filter(([name]) => !putAside(own).includes(name as DirectionValue));
  return { ...Object.fromEntries(kept), ...own } as T;
}

/** The ways whose values are asked for, counted and judged one by one; none when one set of values holds for all. */
export function separateWays(fault: FaultParameters): Way[] {
  const ways = waysOf(fault);
  return ways.length > 1 && ways.some((way) => fault[way] !== undefined) ? ways : [];
}

/** The same fault as the other end of the link sees it. */
export function fromOtherEnd<T extends FaultParameters>({ direction, egress, ingress, ...common }: T): T {
  const other = direction === "egress" ? "ingress" : direction === "ingress" ? "egress" : direction;
  return { ...common, ...given({ direction: other, egress: ingress, ingress: egress }) } as T;
}

/** Name of a counter that counts one way alone. */
export function counterOf(name: string, way: Way): string {
  return `${name}${way === "egress" ? "Egress" : "Ingress"}`;
}

/** The counters of one way, under the names that they have where one set of values holds for all. */
export function countersOf(way: Way, counters: Record<string, number>): Record<string, number> {
  const suffix = counterOf("", way);
  const own = Object.entries(counters).filter(([name]) => name.endsWith(suffix));
  const shared = Object.entries(counters).filter(([name]) => !/(Egress|Ingress)$/.test(name));
  return Object.fromEntries([
    ...shared,
    ...own.map(([name, value]) => [name.slice(0, -suffix.length), value] as const),
  ]);
}

/** What the other end of the link calls egress is ingress here. */
export function countersFromOtherEnd(counters: Record<string, number>): Record<string, number> {
  const renamed = (name: string): string =>
    name.replace(/(Egress|Ingress)$/, (way) => (way === "Egress" ? "Ingress" : "Egress"));
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [renamed(name), value]));
}

function putAside(own: DirectionValues): DirectionValue[] {
  const [share, bursts] = otherForm;
  const says = (names: DirectionValue[]): boolean => names.some((name) => own[name] !== undefined);
  return [...(says(share) ? bursts : []), ...(says(bursts) ? share : [])];
}

function given<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
