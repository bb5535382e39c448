import assert from "node:assert/strict";

import { DescribeVpcsCommand, CreateVpcCommand, EC2Client } from "@aws-sdk/client-ec2";

import { useMoto } from "../../support/moto";

describe("moto, the tests' stand-in for AWS's API", () => {
  const moto = useMoto();

  it("answers the SDK and forgets when it is reset", async () => {
    const client = new EC2Client({ endpoint: moto.url, region: moto.region, credentials: moto.credentials });
    const { Vpc } = await client.send(new CreateVpcCommand({ CidrBlock: "10.9.0.0/16" }));
    const named = { Filters: [{ Name: "vpc-id", Values: [Vpc!.VpcId!] }] };
    assert.equal((await client.send(new DescribeVpcsCommand(named))).Vpcs!.length, 1);
    await moto.reset();
    assert.equal((await client.send(new DescribeVpcsCommand(named))).Vpcs!.length, 0);
    client.destroy();
  });
});
