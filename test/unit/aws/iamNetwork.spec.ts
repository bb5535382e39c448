import assert from "node:assert/strict";

import type { IamDocument, IamStatement } from "../../../components/aws/iam/document";
import {
  endpointPolicy,
  flowLogPolicy,
  keyPolicy,
  machinePolicy,
  machineTrust,
  permissionsBoundary,
  s3EndpointPolicy,
} from "../../../components/aws/iam/network";
import { planEndpoints } from "../../../components/aws/network/endpoints";

const place = {
  partition: "aws",
  region: "eu-central-1",
  accountId: "444455556666",
  shadowName: "shop-dev",
  bucketName: "shadownet-444455556666-0123456789abcdef",
};
const boundary = permissionsBoundary(place);
const services = planEndpoints(place.region).filter(({ type }) => type === "Interface");

const documents: Record<string, IamDocument> = {
  machineTrust: machineTrust(),
  machinePolicy: machinePolicy(place),
  flowLogPolicy: flowLogPolicy("arn:aws:logs:eu-central-1:444455556666:log-group:/shadownet/shop-dev/flow"),
  s3EndpointPolicy: s3EndpointPolicy(place, ["shop-artifacts"]),
  keyPolicy: keyPolicy(place),
  permissionsBoundary: boundary,
  ...Object.fromEntries(services.map(({ service }) => [`endpoint ${service}`, endpointPolicy(place, service)])),
};

/** Statements that name no single action or resource, each with why that cannot be otherwise. */
const excused: Record<string, string> = {
  "keyPolicy/AccountRules": "a key whose account cannot rule it can never be deleted again; IAM decides who may",
};

/** Statements on all resources: what they allow knows none, or a condition narrows it. */
const onEverything: Record<string, string> = {
  "machinePolicy/BeSteered": "the agent's own calls know no resources",
  "machinePolicy/PublishMetrics": "metrics have no ARN; the namespace is a condition",
  "flowLogPolicy/FindGroup": "looking for groups knows no resources",
  "permissionsBoundary/WithoutResources": "the actions of this list know no resources",
  "permissionsBoundary/CapacityOfOwnRolesAndGroups":
    "whose instances are refused is a condition; AWS knows no resource",
  "permissionsBoundary/NoOtherAccountsBuckets": "it denies",
  "keyPolicy/AccountRules": "in a key's policy, * is the key itself",
  "keyPolicy/DisksAndDatabases": "in a key's policy, * is the key itself",
  "keyPolicy/Logs": "in a key's policy, * is the key itself",
};

const all = Object.entries(documents).flatMap(([name, { Statement }]) =>
  Statement.map((statement): [string, IamStatement] => [`${name}/${statement.Sid}`, statement]),
);

describe("the IAM documents of a shadow's network", () => {
  it("have a well-formed statement for each purpose, within AWS's limits", () => {
    for (const [name, document] of Object.entries(documents)) {
      assert.equal(document.Version, "2012-10-17");
      const sids = document.Statement.map(({ Sid }) => Sid);
      assert.equal(new Set(sids).size, sids.length, name);
      assert.ok(
        sids.every((sid) => /^[A-Za-z0-9]+$/.test(sid)),
        name,
      );
      for (const { Action } of document.Statement) {
        assert.ok(Action.length > 0 && Action.every((action) => /^[a-z0-9-]+:[A-Za-z*]+$/.test(action)), name);
        assert.equal(new Set(Action).size, Action.length, `${name} names an action twice`);
      }
    }
    assert.ok(JSON.stringify(boundary).length < 6144, "a managed policy has at most 6,144 characters");
    assert.ok(JSON.stringify(documents.s3EndpointPolicy).length < 20480);
  });

  it("name every action, but for the excused", () => {
    const wild = all.filter(([, { Action }]) => Action.some((action) => action.includes("*"))).map(([name]) => name);
    assert.deepEqual(wild, Object.keys(excused));
  });

  it("name the resources, or say why there are none", () => {
    const broad = all.filter(([, { Resource = [] }]) => Resource.includes("*")).map(([name]) => name);
    assert.deepEqual(broad.filter((name) => !name.startsWith("endpoint ")).sort(), Object.keys(onEverything).sort());
  });

  it("let anybody through an endpoint only with a role of the shadow, or to read AWS's own buckets", () => {
    const open = all.filter(([, { Principal }]) => Principal?.AWS === "*");
    const unbound = open.filter(([, { Condition }]) => Condition === undefined).map(([name]) => name);
    assert.deepEqual(unbound, ["s3EndpointPolicy/BucketsOfAws"]);
    const own = documents.s3EndpointPolicy!.Statement.find(({ Sid }) => Sid === "OwnBuckets")!;
    assert.deepEqual(
      own.Resource!.filter((arn) => !arn.endsWith("/*")),
      ["arn:aws:s3:::shadownet-444455556666-0123456789abcdef", "arn:aws:s3:::shop-artifacts"],
    );
  });

  it("give no role what its boundary would take away, and no way to another role", () => {
    const bounded = boundary.Statement.filter(({ Effect }) => Effect === "Allow").flatMap(({ Action }) => Action);
    for (const name of ["machinePolicy", "flowLogPolicy"]) {
      const given = documents[name]!.Statement.flatMap(({ Action }) => Action);
      assert.deepEqual(
        given.filter((action) => !bounded.includes(action)),
        [],
        name,
      );
    }
    assert.ok(bounded.every((action) => !/^(sts|iam|organizations):/.test(action) || action === "iam:PassRole"));
    assert.ok(
      bounded.every((action) => !/:(Create(Route|Vpc|Internet|Nat|Transit)|Accept|Attach(Internet|Vpn))/.test(action)),
    );
  });
});
