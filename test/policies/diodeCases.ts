import type { PolicyCase } from "./policyCase";

const rule = "isolation-require-diode";

/** Changes after which gateways could send copies back. */
export const diodeCases: readonly PolicyCase[] = [
  {
    rule,
    title: "gateways could send packets back",
    set: { name: "diode", props: { egress: [{ ruleNo: 1, action: "allow", protocol: "-1" }] } },
    expect: { resource: "gateways", property: "vpcZoneIdentifiers" },
  },
  {
    rule,
    title: "another subnet has the diode, the gateways' has not",
    set: { name: "diode", props: { subnetIds: ["subnet-1"] }, from: { subnetIds: ["front"] } },
    expect: { resource: "gateways", property: "vpcZoneIdentifiers" },
  },
  {
    rule,
    title: "nothing says where gateways stand, and no network ACL is a diode",
    remove: "gateways",
    set: { name: "diode", props: { egress: [{ ruleNo: 1, action: "allow", protocol: "-1" }] } },
    expect: { resource: "gwlb", property: "networkAcl" },
  },
];
