import { within } from "./clock";
import { RunEnded } from "./control";
import type { RunContext } from "./context";

const probeLimit = 120_000;

/**
 * Tries to leave the shadow. A breach closes the intake before anything else happens and ends the run as a failure; so
 * does a probe that finds nothing to try, because it proves nothing.
 */
export async function checkContainment({ driver, control, writer, intake }: RunContext, when: string): Promise<void> {
  const findings = await within(probeLimit, "the containment probe", driver.probeContainment());
  if (findings.length === 0) {
    throw new RunEnded(
      "failed",
      "the containment probe tried nothing, so nothing is proven about the shadow's isolation",
    );
  }
  const breaches = findings.filter(({ reached }) => reached);
  const places = new Set(findings.map(({ from }) => from)).size;
  if (breaches.length === 0) {
    const message = `${when}: none of ${findings.length} attempts from ${places} places left the shadow`;
    writer.event("containment-held", message);
    return;
  }
  const list = breaches.map(({ from, attempt, detail }) => `${from} reached ${attempt} (${detail})`);
  const message = `the shadow is not contained: ${list.join("; ")}`;
  const ended = control.end(new RunEnded("failed", message, "fail"));
  writer.event("containment-breach", `${when}: ${message}`, { findings: breaches });
  await intake.breach();
  writer.event("intake-closed", "the intake was closed because of the breach");
  throw ended;
}
