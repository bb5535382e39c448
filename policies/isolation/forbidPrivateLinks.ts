import { forbidTypes } from "../rule";

export const rule = forbidTypes(
  "A shadow neither offers nor uses private links: VPC Lattice, resource gateways, service networks, managed endpoints.",
  "it is a private way between the shadow and something outside it",
  "leave it out; the endpoints that a shadow needs are plain ones with a policy of their own",
  [
    "aws:vpclattice/serviceNetworkVpcAssociation:ServiceNetworkVpcAssociation",
    "aws:vpclattice/serviceNetworkServiceAssociation:ServiceNetworkServiceAssociation",
    "aws:vpclattice/serviceNetworkResourceAssociation:ServiceNetworkResourceAssociation",
    "aws:vpclattice/resourceGateway:ResourceGateway",
    "aws:vpclattice/resourceConfiguration:ResourceConfiguration",
    "aws:vpclattice/targetGroup:TargetGroup",
    "aws:vpclattice/targetGroupAttachment:TargetGroupAttachment",
    "aws:vpc/endpointPrivateDns:EndpointPrivateDns",
    "aws:redshift/endpointAccess:EndpointAccess",
    "aws:redshift/endpointAuthorization:EndpointAuthorization",
    "aws:opensearch/vpcEndpoint:VpcEndpoint",
    "aws:opensearch/serverlessVpcEndpoint:ServerlessVpcEndpoint",
    "aws:msk/vpcConnection:VpcConnection",
    "aws:quicksight/vpcConnection:VpcConnection",
    "aws:apigateway/vpcLink:VpcLink",
    "aws:apigatewayv2/vpcLink:VpcLink",
    "aws:networkfirewall/vpcEndpointAssociation:VpcEndpointAssociation",
  ],
);
