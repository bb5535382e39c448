import type { PolicyResource } from "@pulumi/policy";

import type { Finding, Rule, StackFinding } from "../rule";
import { isGiven, texts } from "../values";

const service = "aws:ec2/vpcEndpointService:VpcEndpointService";
const principal = "aws:ec2/vpcEndpointServiceAllowedPrinciple:VpcEndpointServiceAllowedPrinciple";
const accepter = "aws:ec2/vpcEndpointConnectionAccepter:VpcEndpointConnectionAccepter";
const cure = "offer one service on the Gateway Load Balancer, with acceptance, to production's account alone";

function principalProblems(property: string, arns: readonly string[], accounts: readonly string[]): Finding[] {
  return arns.flatMap((arn): Finding[] => {
    const account = /^arn:aws[a-z-]*:iam::(\d{12}):/.exec(arn)?.[1];
    if (account === undefined) return [{ property, value: arn, reason: "it is not one account's principal", cure }];
    if (accounts.length === 0 || accounts.includes(account)) return [];
    return [{ property, value: arn, reason: `allowed are the accounts ${accounts.join(", ")}`, cure }];
  });
}

export const rule: Rule = {
  description:
    "The one service that a shadow offers is its Gateway Load Balancer's, accepted by hand, for production's account.",
  types: [service, principal],
  config: {
    properties: {
      productionAccounts: {
        type: "array",
        items: { type: "string", pattern: "^[0-9]{12}$" },
        default: [],
        description: "Accounts that may send copies of packets. Empty: any single account that is named.",
      },
    },
  },
  checks: [
    (props): Finding[] =>
      ["networkLoadBalancerArns", "supportedRegions", "privateDnsName"].flatMap((property): Finding[] =>
        isGiven(props[property])
          ? [
              {
                property,
                value: props[property],
                reason: "only a Gateway Load Balancer may be offered, in one region",
                cure,
              },
            ]
          : [],
      ),
    ({ acceptanceRequired }, { type }): Finding[] =>
      type !== service || acceptanceRequired === true
        ? []
        : [
            {
              property: "acceptanceRequired",
              value: acceptanceRequired,
              reason: "anybody allowed could connect",
              cure,
            },
          ],
    (props, { config }): Finding[] => {
      const accounts = config.productionAccounts as string[];
      return [
        ...principalProblems("allowedPrincipals", texts(props.allowedPrincipals), accounts),
        ...principalProblems("principalArn", texts(props.principalArn), accounts),
      ];
    },
  ],
  checkStack: ({ shadow }) => {
    const services = shadow.filter(({ type }) => type === service);
    const perShadow = new Map<string, PolicyResource[]>();
    for (const one of services) {
      const owner = one.parent?.urn ?? "";
      perShadow.set(owner, [...(perShadow.get(owner) ?? []), one]);
    }
    const surplus = [...perShadow.values()].flatMap((list) => list.slice(1));
    const foreign = shadow.filter(
      ({ type, propertyDependencies }) =>
        (type === accepter || type === principal) &&
        !(propertyDependencies.vpcEndpointServiceId ?? []).some((one) => services.includes(one)),
    );
    return [
      ...surplus.map((resource): StackFinding => ({
        resource,
        property: "type",
        value: service,
        reason: "a shadow offers one",
        cure,
      })),
      ...foreign.map((resource): StackFinding => ({
        resource,
        property: "vpcEndpointServiceId",
        reason: "it belongs to another service than the shadow's own",
        cure,
      })),
    ];
  },
};
