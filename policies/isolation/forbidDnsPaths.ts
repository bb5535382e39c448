import { forbidTypes } from "../rule";

export const rule = forbidTypes(
  "A shadow shares no names with production: no foreign zones, no resolver endpoints and rules, no DNS profiles.",
  "names are a way out, and production's own zones must not answer in a shadow",
  "copy the records into a private zone of the shadow's own",
  [
    "aws:route53/zoneAssociation:ZoneAssociation",
    "aws:route53/vpcAssociationAuthorization:VpcAssociationAuthorization",
    "aws:route53/resolverEndpoint:ResolverEndpoint",
    "aws:route53/resolverRuleAssociation:ResolverRuleAssociation",
    "aws:route53/profilesAssociation:ProfilesAssociation",
    "aws:route53/profilesResourceAssociation:ProfilesResourceAssociation",
  ],
);
