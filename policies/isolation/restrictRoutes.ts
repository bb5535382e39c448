import type { Finding, Props, Rule } from "../rule";
import { isGiven, objects } from "../values";

const ways = [
  "gatewayId",
  "natGatewayId",
  "transitGatewayId",
  "vpcPeeringConnectionId",
  "coreNetworkArn",
  "egressOnlyGatewayId",
  "carrierGatewayId",
  "localGatewayId",
  "odbNetworkArn",
];
const cure = "lead it to the gateway's interface, or leave the route out";

function routeProblems(path: string, route: Props): Finding[] {
  return ways.flatMap((way): Finding[] => {
    const value = route[way];
    if (!isGiven(value) || value === "local") return [];
    return [
      { property: path + way, value, reason: "routes of a shadow lead to its gateway's interface or nowhere", cure },
    ];
  });
}

export const rule: Rule = {
  description:
    "Routes lead to an interface or an endpoint inside the shadow, never to a gateway, a peer or another network.",
  types: [
    "aws:ec2/route:Route",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/defaultRouteTable:DefaultRouteTable",
    "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation",
  ],
  checks: [
    ...ways.map((way) => (props: Props) => routeProblems("", { [way]: props[way] })),
    ({ routes }) => objects(routes).flatMap((route, r) => routeProblems(`routes[${r}].`, route)),
    ({ propagatingVgws }) =>
      isGiven(propagatingVgws)
        ? [{ property: "propagatingVgws", value: propagatingVgws, reason: "a VPN gateway would write routes", cure }]
        : [],
  ],
};
