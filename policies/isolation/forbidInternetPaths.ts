import { forbidTypes } from "../rule";

export const rule = forbidTypes(
  "Nothing in a shadow leads to or from the internet: gateways, public addresses, edge services.",
  "a shadow has no way to the internet and none from it",
  "leave it out; the gateway's interface is the default route",
  [
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/internetGatewayAttachment:InternetGatewayAttachment",
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
    "aws:ec2/carrierGateway:CarrierGateway",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/natGatewayEipAssociation:NatGatewayEipAssociation",
    "aws:ec2/eip:Eip",
    "aws:ec2/eipAssociation:EipAssociation",
    "aws:ec2/vpcBlockPublicAccessExclusion:VpcBlockPublicAccessExclusion",
    "aws:ec2/defaultVpc:DefaultVpc",
    "aws:ec2/defaultSubnet:DefaultSubnet",
    "aws:globalaccelerator/endpointGroup:EndpointGroup",
    "aws:globalaccelerator/customRoutingEndpointGroup:CustomRoutingEndpointGroup",
    "aws:cloudfront/vpcOrigin:VpcOrigin",
    "aws:verifiedaccess/endpoint:Endpoint",
    "aws:lambda/functionUrl:FunctionUrl",
    "aws:transfer/server:Server",
  ],
);
