import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run } from "../../components/internal/exec";
import { buildProduction, destroyNetwork } from "../../components/lab/production";
import { findLeftovers, foreignNetworks } from "../../components/lab/leftovers";
import { createGateway, deleteGateway } from "../../components/lab/kernel/gateway";
import { gatewayFiles } from "../../components/lab/kernel/gatewayProcess";
import { applianceNamespace } from "../../components/lab/kernel/names";
import { listNamespaces } from "../../components/lab/kernel/namespaces";
import { SampleBy } from "../../components/mirror";
import { explain } from "../../components/lab/provider/preparation";
import { buildPair, pairTopology, privateState, uniqueName } from "../support/labPair";

describe("bad moments of the lab", function () {
  this.timeout(120_000);

  it("says that the disk is full, and leaves nothing of what it had begun", async () => {
    const network = uniqueName("full");
    const folder = await mkdtemp(join(tmpdir(), "shadownet-full-"));
    const before = process.env.SHADOWNET_STATE;
    await run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]);
    try {
      process.env.SHADOWNET_STATE = join(folder, "state");
      const data = join(folder, "data");
      await mkdir(data);
      await run(["dd", "if=/dev/zero", `of=${join(data, "blob")}`, "bs=1M", "count=3"]);
      const machines = pairTopology.machines.map((each) => ({
        ...each,
        ...(each.name === "web-1" ? { workload: { command: ["sleep", "1000"] }, lab: { dataFolder: data } } : {}),
      }));
      const failure = await buildProduction({ ...pairTopology, machines }, network).then(
        () => undefined,
        (error: unknown) => error,
      );
      assert.match(explain(failure), /the disk that holds .*state is full .*free some space/);
      assert.deepEqual(await listNamespaces(`${network}.`), []);
      assert.deepEqual(await findLeftovers({ only: [network] }), []);
    } finally {
      await destroyNetwork(network);
      if (before === undefined) delete process.env.SHADOWNET_STATE;
      else process.env.SHADOWNET_STATE = before;
      await run(["umount", folder]);
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("says why a gateway whose socket cannot be made does not start, and leaves nothing of it", async () => {
    const network = uniqueName("port");
    const restore = await privateState();
    const remove = await buildPair(network, "shadow");
    try {
      // A folder where the control socket belongs cannot be taken away as an old socket is.
      await mkdir(join(gatewayFiles(network).control, "taken"), { recursive: true });
      await assert.rejects(createGateway(gatewaySpec(network)));
      assert.deepEqual(await listNamespaces(`${network}.@gateway`), []);
      await deleteGateway(network);
      await createGateway(gatewaySpec(network));
      assert.deepEqual(await listNamespaces(`${network}.@gateway`), [applianceNamespace(network, "gateway")]);
    } finally {
      await remove();
      assert.deepEqual(await findLeftovers({ only: [network] }), [], "its gateway's control groups are gone too");
      await restore();
    }
  });

  it("names the state folder of somebody else's network, and counts it for no leftover", async () => {
    const network = uniqueName("theirs");
    const restore = await privateState();
    const theirs = process.env.SHADOWNET_STATE!;
    const machines = pairTopology.machines.map((each) => ({ ...each, workload: { command: ["sleep", "1000"] } }));
    const remove = await buildPair(network, "production", { ...pairTopology, machines });
    const ours = await privateState();
    try {
      const foreign = (await foreignNetworks()).find((each) => each.network === network);
      assert.deepEqual(foreign, { network, namespaces: 4, stateFolder: theirs });
      assert.ok(!(await findLeftovers()).some((sentence) => sentence.includes(network)));
    } finally {
      await ours();
      process.env.SHADOWNET_STATE = theirs;
      await remove();
      await restore();
    }
  });
});

function gatewaySpec(network: string): Parameters<typeof createGateway>[0] {
  const traffic = { percent: 100, seed: 1, sampleBy: SampleBy.Flow, include: [], exclude: [] };
  return { network, vni: 7, ...traffic, shadowCidrs: ["10.90.1.0/24"], responseTimeoutSeconds: 5 };
}
