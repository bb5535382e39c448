import * as ec2 from "@pulumi/aws/ec2";

import { type Site, child, made, tagsOf } from "./site";

/** The VPC with its ranges and subnets. */
export interface MadeVpc {
  vpc: ec2.Vpc;
  /** Subnets of the topology by name. */
  subnets: Map<string, ec2.Subnet>;
  endpointsSubnet: ec2.Subnet;
  /** The appliances' subnets by zone. */
  gatewaySubnets: Map<string, ec2.Subnet>;
  loadBalancerSubnets: Map<string, ec2.Subnet>;
}

/** Makes the VPC with production's ranges and the appliances' one, all subnets, AWS's resolver, an empty default group. */
export function makeVpc(site: Site): MadeVpc {
  const { name, plan } = site;
  const [primary = "", ...secondary] = plan.cidrs;
  const vpc = new ec2.Vpc(
    `${name}-vpc`,
    { cidrBlock: primary, enableDnsSupport: true, enableDnsHostnames: true, tags: tagsOf(site, "vpc") },
    child(site),
  );
  new ec2.DefaultSecurityGroup(
    `${name}-default-group`,
    { vpcId: vpc.id, tags: tagsOf(site, "default, empty") },
    child(site),
  );
  const ranges = [...secondary, plan.appliances.cidr].map(
    (cidrBlock) =>
      new ec2.VpcIpv4CidrBlockAssociation(`${name}-range-${cidrBlock}`, { vpcId: vpc.id, cidrBlock }, child(site)),
  );
  makeDhcp(site, vpc);
  const subnet = (label: string, cidrBlock: string, availabilityZoneId: string, role: string): ec2.Subnet =>
    new ec2.Subnet(
      `${name}-${label}`,
      {
        vpcId: vpc.id,
        cidrBlock,
        availabilityZoneId,
        mapPublicIpOnLaunch: false,
        tags: tagsOf(site, label, role),
      },
      child(site, ranges),
    );
  const { zones, endpointsCidr, endpointsZoneId } = plan.appliances;
  return {
    vpc,
    subnets: new Map(
      plan.subnets.map((own) => [own.name, subnet(`subnet-${own.name}`, own.cidr, own.zoneId, "network")]),
    ),
    endpointsSubnet: subnet("endpoints-subnet", endpointsCidr, endpointsZoneId, "network"),
    gatewaySubnets: new Map(
      zones.map(({ zoneId, gatewayCidr }) => [
        zoneId,
        subnet(`gateway-subnet-${zoneId}`, gatewayCidr, zoneId, "gateway"),
      ]),
    ),
    loadBalancerSubnets: new Map(
      zones.map(({ zoneId, loadBalancerCidr }) => [
        zoneId,
        subnet(`mirror-subnet-${zoneId}`, loadBalancerCidr, zoneId, "gateway"),
      ]),
    ),
  };
}

function makeDhcp(site: Site, vpc: ec2.Vpc): void {
  const options = new ec2.VpcDhcpOptions(
    `${site.name}-dhcp`,
    { ...site.plan.dhcp, domainNameServers: ["AmazonProvidedDNS"], tags: tagsOf(site, "dhcp") },
    child(site),
  );
  new ec2.VpcDhcpOptionsAssociation(`${site.name}-dhcp-use`, { vpcId: vpc.id, dhcpOptionsId: options.id }, child(site));
}

/** Makes the interface that each zone's default routes lead to; the zone's gateway takes it over when it boots. */
export function makeStandingInterfaces(
  site: Site,
  { gatewaySubnets }: MadeVpc,
  group: ec2.SecurityGroup,
): Map<string, ec2.NetworkInterface> {
  return new Map(
    site.plan.appliances.zones.map(({ zoneId, gatewayAddress }) => [
      zoneId,
      new ec2.NetworkInterface(
        `${site.name}-gateway-interface-${zoneId}`,
        {
          subnetId: made(gatewaySubnets, zoneId).id,
          privateIps: [gatewayAddress],
          securityGroups: [group.id],
          sourceDestCheck: false,
          description: `Where everything goes that leaves the machines of ${site.shadowName} in ${zoneId}`,
          tags: tagsOf(site, `gateway ${zoneId}`, "gateway"),
        },
        child(site),
      ),
    ]),
  );
}

/** Makes the route tables; gives back all of them, the appliances' one included. */
export function makeRoutes(
  site: Site,
  network: MadeVpc,
  gateways: ReadonlyMap<string, ec2.NetworkInterface>,
  interfaces: ReadonlyMap<string, ec2.NetworkInterface>,
): ec2.RouteTable[] {
  const { name, plan } = site;
  const table = (label: string, role: string): ec2.RouteTable =>
    new ec2.RouteTable(`${name}-${label}`, { vpcId: network.vpc.id, tags: tagsOf(site, label, role) }, child(site));
  const join = (label: string, subnet: ec2.Subnet, routeTable: ec2.RouteTable): unknown =>
    new ec2.RouteTableAssociation(
      `${name}-table-use-${label}`,
      { subnetId: subnet.id, routeTableId: routeTable.id },
      child(site),
    );
  const tables = plan.routeTables.map(({ key, subnets, routes }) => {
    const own = table(`table-${key}`, "network");
    subnets.forEach((subnet) => join(`subnet-${subnet}`, made(network.subnets, subnet), own));
    for (const { destination, gatewayZone, link } of routes) {
      const target = gatewayZone === undefined ? made(interfaces, link ?? "") : made(gateways, gatewayZone);
      new ec2.Route(
        `${name}-route-${key}-${destination}`,
        { routeTableId: own.id, destinationCidrBlock: destination, networkInterfaceId: target.id },
        child(site),
      );
    }
    return own;
  });
  const appliances = table("appliances-table", "gateway");
  join("endpoints", network.endpointsSubnet, appliances);
  for (const [zone, subnet] of network.gatewaySubnets) join(`gateway-${zone}`, subnet, appliances);
  for (const [zone, subnet] of network.loadBalancerSubnets) join(`mirror-${zone}`, subnet, appliances);
  return [...tables, appliances];
}

/** Makes the network ACLs, each on its subnets. */
export function makeAcls(site: Site, { vpc, subnets }: MadeVpc): void {
  for (const { name, subnets: own, ingress, egress } of site.plan.acls) {
    new ec2.NetworkAcl(
      `${site.name}-acl-${name}`,
      {
        vpcId: vpc.id,
        subnetIds: own.map((subnet) => made(subnets, subnet).id),
        ingress,
        egress,
        tags: tagsOf(site, `acl ${name}`),
      },
      child(site),
    );
  }
}
