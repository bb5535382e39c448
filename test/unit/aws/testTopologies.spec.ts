import assert from "node:assert/strict";

import { networkProblems } from "../../../components/lab/network";
import { validateTopology } from "../../../components/topologySchema";
import { hostileAws, smallAws, threeZoneAws } from "../../support/awsTopologies";

describe("AWS topologies that tests share", () => {
  for (const topology of [smallAws, threeZoneAws, hostileAws]) {
    it(`"${topology.name}" is a valid topology file`, () => {
      assert.deepEqual(validateTopology(JSON.parse(JSON.stringify(topology))), []);
    });
  }

  it("a network in AWS may lie in the appliances' default range; its shadow in the lab may not", () => {
    const problems = networkProblems({ topology: hostileAws }).map(({ path }) => path);
    assert.deepEqual(problems, ["topology.networks[0].cidrs[4]", "topology.networks[0].subnets[4].cidr"]);
  });

  it("have the numbers that tests count on", () => {
    assert.equal(smallAws.machines.length, 3);
    assert.equal(threeZoneAws.machines.length, 60);
    assert.equal(threeZoneAws.networks[0]!.subnets.length, 12);
    assert.equal(threeZoneAws.aws!.zones.length, 3);
  });
});
