import { join } from "node:path";

import { runExperiments } from "../../../../components/runtime/runner/run";
import { FakeDriver } from "../../../support/fakeDriver";
import { VirtualClock } from "../../../support/virtualClock";
import { slowApp } from "./support";

/** A run in a process of its own, to be killed: time stands still once its fault is on. */
class FrozenClock extends VirtualClock {
  frozen = false;

  override sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return this.frozen ? new Promise((resolve) => setTimeout(resolve, 600_000)) : super.sleep(milliseconds, signal);
  }
}

const root = process.argv[2]!;
const clock = new FrozenClock();
void runExperiments({
  driver: new FakeDriver(clock),
  clock,
  folder: join(root, "runs", "run-1"),
  stateFolder: join(root, "state"),
  experiments: { slow: slowApp() },
  onProgress: ({ event }) => {
    if (event?.kind !== "fault-started") return;
    clock.frozen = true;
    process.stdout.write("fault-started\n");
  },
});
