import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import { makeChange, listChanges, revertChange } from "../../components/lab/changes";
import {
  createMachine,
  crashMachine,
  machineStatus,
  readMachine,
  startMachine,
} from "../../components/lab/kernel/machine";
import { machineFolder } from "../../components/lab/kernel/names";
import { createNetwork } from "../../components/lab/kernel/network";
import type { LabMachineSpec } from "../../components/lab/kernel/specs";
import { createSubnet } from "../../components/lab/kernel/subnet";
import { planNetwork } from "../../components/lab/plan";
import { eventually, networkName, shop, useOwnState } from "./networkFixture";

const programs = ["sh", "cat", "sleep", "ls", "touch", "hostname"];

describe("lab: the image of a machine, rehearsed", function () {
  this.timeout(120_000);
  useOwnState();
  let network = "";
  let web: LabMachineSpec;
  let image = "";

  beforeEach(async () => {
    network = networkName();
    const plan = planNetwork(shop(), network, "shadow");
    await createNetwork(plan.network);
    for (const subnet of plan.subnets) await createSubnet(subnet);
    web = { ...plan.machines[0]!, workload: { command: ["sleep", "3600"] } };
    await createMachine(web);
    image = join(process.env.SHADOWNET_STATE!, "images", "release-2");
    await makeImage(image);
  });

  /** An image as a folder: a few programs with their libraries, and a file that tells it from everything else. */
  async function makeImage(folder: string): Promise<void> {
    for (const program of programs) {
      const path = (await run(["sh", "-c", `readlink -f "$(command -v ${program})"`])).trim();
      const libraries = (await run(["ldd", path])).matchAll(/(\/\S+) \(0x/g);
      for (const source of [path, ...[...libraries].map(([, library]) => library!)]) {
        const target = join(folder, source === path ? `/bin/${program}` : source);
        await mkdir(dirname(target), { recursive: true });
        await copyFile(source, target);
        await chmod(target, 0o755);
      }
    }
    await writeFile(join(folder, "release"), "two\n");
  }

  async function inside(...argv: string[]): Promise<string> {
    const { pid } = (await machineStatus(network, "web-1"))!;
    const { stdout, stderr } = await tryRun(["nsenter", "--target", String(pid), "--all", "--", ...argv]);
    return stdout + stderr;
  }

  it("starts the machine with the image's files, its own data, names and network, and gives all of it back", async () => {
    await writeFile(join(machineFolder(network, "web-1"), "data", "kept"), "of the machine\n");
    const change = await makeChange(network, { machine: "web-1", image });
    assert.equal(change.summary, `web-1: image ${image}`);
    assert.equal(await inside("/bin/cat", "/release"), "two\n");
    assert.equal(await inside("/bin/cat", "/srv/kept"), "of the machine\n");
    assert.match(await inside("/bin/cat", "/etc/hosts"), /127\.0\.0\.1 localhost/);
    assert.equal(await inside("/bin/hostname"), "web-1\n");
    assert.match(await inside("/bin/cat", "/proc/net/dev"), /eth0/);
    assert.match(await inside("/bin/ls", "/"), /^(?!.*\bhome\b)/s, "nothing of the host's own files is there");
    await inside("/bin/sh", "-c", "echo written > /release; echo more > /srv/more");
    assert.equal(await readFile(join(image, "release"), "utf8"), "two\n", "the image itself is only read");

    await crashMachine(network, "web-1");
    await startMachine(network, "web-1");
    const kept = async (): Promise<boolean> => (await inside("/bin/cat", "/release")) === "written\n";
    await eventually("a machine that starts again keeps what it wrote", kept);

    await revertChange(network, change.id);
    assert.equal(await inside("sh", "-c", "test -e /release || echo gone; cat /srv/more"), "gone\nmore\n");
    assert.equal(existsSync(join(machineFolder(network, "web-1"), "image")), false);
    assert.deepEqual((await readMachine(network, "web-1"))!.workload, web.workload);
    assert.deepEqual(await listChanges(network), []);
  });

  it("starts another program of the image, and stays so when it is to be kept", async () => {
    const workloadCommand = ["/bin/sh", "-c", "echo started > /srv/sign; exec sleep 3600"];
    const change = await makeChange(network, { machine: "web-1", image, workloadCommand, keep: true });
    assert.equal(await readFile(join(machineFolder(network, "web-1"), "data", "sign"), "utf8"), "started\n");
    assert.deepEqual(await listChanges(network), []);
    await revertChange(network, change.id);
    assert.equal(await inside("/bin/cat", "/release"), "two\n");
  });

  it("is refused where there is none, and what does not start is taken back at once", async () => {
    const missing = makeChange(network, { machine: "web-1", image: "/nowhere/release-3" });
    await assert.rejects(
      missing,
      /image "\/nowhere\/release-3" is no folder on this host; unpack the image into a folder/,
    );
    const empty = join(process.env.SHADOWNET_STATE!, "images", "empty");
    await mkdir(empty, { recursive: true });
    await assert.rejects(makeChange(network, { machine: "web-1", image: empty }), /web-1.*(sleep|exec|start)/s);
    assert.equal((await machineStatus(network, "web-1"))!.running, true);
    assert.equal(await inside("sh", "-c", "test -e /release || echo gone"), "gone\n");
    assert.deepEqual(await listChanges(network), []);
  });
});
