import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";

import { run, tryRun } from "../../components/internal/exec";
import { compile } from "../../components/runtime/faults/compile";
import type { FaultPlan } from "../../components/runtime/faults/plan";
import { renderScript } from "../../components/runtime/faults/script";
import { capabilitySets } from "../unit/runtime/faults/scenarios";
import { eventually } from "./faultsBed";

/** Nothing that runs in here can write anything of the host's: private folders, everything else read-only. */
const sealed = `set -e
mount --make-rprivate /
for folder in /run /tmp /var /root; do mount -t tmpfs none $folder; done
mount -o remount,bind,ro /
mkdir -p /run/lock /run/systemd/system
ip link set lo up
ip link add sn0 type veth peer name sn1
ip link set sn0 up
ip link set sn1 up`;

const initOf: Record<"at" | "systemd-run", string> = {
  at: `${sealed}
mkdir -p /var/spool/cron/atjobs /var/spool/cron/atspool
echo 0 >/var/spool/cron/atjobs/.SEQ
chown -R daemon:daemon /var/spool/cron/*
chmod 1770 /var/spool/cron/*
rmdir /run/systemd/system /run/systemd
atd
exec sleep 600`,
  // Stand-ins for the targets that every service waits for, so that the manager starts nothing of the host's.
  "systemd-run": `${sealed}
for target in sysinit basic shutdown nothing; do
  printf '[Unit]\\nDefaultDependencies=no\\n' >/run/systemd/system/$target.target
done
export container=shadownet SYSTEMD_UNIT_PATH=/run/systemd/system
exec /lib/systemd/systemd --system --log-target=null --unit=nothing.target`,
};

const readyWhen: Record<"at" | "systemd-run", string> = {
  at: "kill -0 $(cat /run/atd.pid)",
  "systemd-run": "systemctl is-active nothing.target",
};

/** A machine of its own as far as a fault can tell: processes, mounts, network, and the program that keeps time. */
class SealedMachine {
  private constructor(
    private readonly child: ChildProcess,
    private readonly pid: string,
  ) {}

  static async make(init: string): Promise<SealedMachine> {
    const apart = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"];
    const child = spawn("unshare", [...apart, "sh", "-c", init], { stdio: "ignore" });
    let pid = "";
    await eventually(async () => {
      pid = (await readFile(`/proc/${child.pid!}/task/${child.pid!}/children`, "utf8").catch(() => "")).trim();
      return pid !== "" && (await tryRun(SealedMachine.argv(pid, ["ip", "link", "show", "sn1", "up"]))).stdout !== "";
    }, "the sealed machine is up");
    return new SealedMachine(child, pid);
  }

  private static argv(pid: string, argv: string[]): string[] {
    return ["nsenter", "--target", pid, "--mount", "--pid", "--net", "--ipc", "--uts", "--wd=/", ...argv];
  }

  run(argv: string[], stdin?: string): Promise<string> {
    return run(SealedMachine.argv(this.pid, argv), { stdin });
  }

  async works(text: string): Promise<boolean> {
    return (await tryRun(SealedMachine.argv(this.pid, ["sh", "-c", text]))).code === 0;
  }

  async isUp(): Promise<boolean> {
    return (await this.run(["ip", "-o", "link", "show", "sn0", "up"])) !== "";
  }

  close(): void {
    this.child.kill("SIGKILL");
  }
}

/** Ended by the watcher alone, so that nothing else can be what ends it. */
function cut(durationSeconds: number): FaultPlan {
  const link = { name: "sn0", device: "sn0", side: "machine" as const, addresses: [] };
  const target = { kind: "link" as const, name: "sn0", machines: [], links: [link], exempt: [] };
  return compile({ kind: "linkDown", id: "cut", durationSeconds }, target, capabilitySets["relay"]!);
}

describe("who keeps the time of a fault", function () {
  this.timeout(120_000);

  for (const timer of ["at", "systemd-run"] as const) {
    it(`is ${timer} where there is one, and it ends the fault when nobody else is left`, async () => {
      const machine = await SealedMachine.make(initOf[timer]);
      try {
        await eventually(() => machine.works(readyWhen[timer]), `${timer} is ready`);
        await machine.run(["tee", "/run/fault.sh"], renderScript(cut(2), { heartbeats: false }));
        const said = await machine.run(["sh", "/run/fault.sh", "start"]);
        assert.match(said, new RegExp(`"event":"armed","timer":"${timer}"`));
        assert.equal(await machine.isUp(), false);
        if (timer === "systemd-run") {
          assert.match(await machine.run(["systemctl", "is-active", "shadownet-fault-cut"]), /^active/);
        }
        await eventually(() => machine.isUp(), "the link is up again");
        await eventually(
          async () =>
            (await machine.run(["sh", "/run/fault.sh", "status"])).includes('"event":"ended","reason":"timer"'),
          "the fault has ended by its timer",
        );
        await machine.run(["sh", "/run/fault.sh", "stop"]);
        const processes = await machine.run(["ps", "-e", "-o", "args="]);
        assert.ok(!processes.includes("fault.sh"), processes);
      } finally {
        machine.close();
      }
    });
  }
});
