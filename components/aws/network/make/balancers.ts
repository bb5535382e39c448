import * as ec2 from "@pulumi/aws/ec2";
import * as lb from "@pulumi/aws/lb";
import type * as pulumi from "@pulumi/pulumi";

import type { PlannedBalancer, PlannedListener, PlannedTargetGroup } from "../planTypes";
import { type Site, child, made, physicalName, tagsOf } from "./site";

/** The load balancers by name, and their target groups by key. */
export interface MadeBalancers {
  balancers: Map<string, lb.LoadBalancer>;
  targetGroups: Map<string, lb.TargetGroup>;
}

/** What load balancers are made of. */
export interface BalancerParts {
  vpc: ec2.Vpc;
  subnets: ReadonlyMap<string, ec2.Subnet>;
  groups: ReadonlyMap<string, ec2.SecurityGroup>;
  instances: ReadonlyMap<string, ec2.Instance>;
  /** They take addresses of their own, which must not be those of machines. */
  interfaces: ReadonlyMap<string, ec2.NetworkInterface>;
  certificateArn?: pulumi.Input<string>;
}

/** Makes the load balancers, all of them internal, with listeners, rules, target groups and registrations. */
export function makeBalancers(site: Site, parts: BalancerParts): MadeBalancers {
  const targetGroups = new Map<string, lb.TargetGroup>();
  const balancers = new Map<string, lb.LoadBalancer>();
  for (const planned of site.plan.balancers) {
    const balancer = makeBalancer(site, planned, parts);
    balancers.set(planned.name, balancer);
    for (const group of planned.targetGroups) targetGroups.set(group.key, makeTargets(site, group, parts));
    for (const listener of planned.listeners) makeListener(site, listener, balancer, targetGroups, parts);
  }
  return { balancers, targetGroups };
}

function makeBalancer(site: Site, planned: PlannedBalancer, parts: BalancerParts): lb.LoadBalancer {
  const { name, type, subnets, securityGroups } = planned;
  return new lb.LoadBalancer(
    `${site.name}-balancer-${name}`,
    {
      name: physicalName(site, `${name}-${type}`, 32),
      internal: true,
      loadBalancerType: type,
      subnets: subnets.map((subnet) => made(parts.subnets, subnet).id),
      ...(securityGroups.length === 0
        ? {}
        : { securityGroups: securityGroups.map((group) => made(parts.groups, group).id) }),
      enableDeletionProtection: false,
      tags: tagsOf(site, name),
    },
    child(site, [...parts.interfaces.values()]),
  );
}

function makeTargets(site: Site, group: PlannedTargetGroup, parts: BalancerParts): lb.TargetGroup {
  const { key, port, protocol, protocolVersion, targetType, healthCheck, targets } = group;
  const identity = [key, port, protocol, protocolVersion ?? "", targetType].join("-");
  const targetGroup = new lb.TargetGroup(
    `${site.name}-targets-${key}`,
    {
      name: physicalName(site, identity, 32),
      vpcId: parts.vpc.id,
      port,
      protocol,
      ...(protocolVersion === undefined ? {} : { protocolVersion }),
      targetType,
      healthCheck: { enabled: true, ...healthCheck },
      tags: tagsOf(site, key),
    },
    child(site),
  );
  for (const { machine, port: own, address } of targets) {
    new lb.TargetGroupAttachment(
      `${site.name}-target-${key}/${machine}/${own}`,
      {
        targetGroupArn: targetGroup.arn,
        targetId: address ?? made(parts.instances, machine).id,
        port: own,
      },
      child(site),
    );
  }
  return targetGroup;
}

/** What a listener or rule does: it forwards, or says that there is nothing behind it. */
function actionOf(targetGroup: string | undefined, groups: ReadonlyMap<string, lb.TargetGroup>): Action {
  if (targetGroup !== undefined) return { type: "forward", targetGroupArn: made(groups, targetGroup).arn };
  const messageBody = "not carried over to the shadow";
  return { type: "fixed-response", fixedResponse: { contentType: "text/plain", messageBody, statusCode: "503" } };
}

interface Action {
  type: string;
  targetGroupArn?: pulumi.Output<string>;
  fixedResponse?: { contentType: string; messageBody: string; statusCode: string };
}

function makeListener(
  site: Site,
  planned: PlannedListener,
  balancer: lb.LoadBalancer,
  groups: ReadonlyMap<string, lb.TargetGroup>,
  { certificateArn }: BalancerParts,
): void {
  const { key, port, protocol, targetGroup, rules } = planned;
  const endsTls = protocol === "HTTPS" || protocol === "TLS";
  const listener = new lb.Listener(
    `${site.name}-listener-${key}`,
    {
      loadBalancerArn: balancer.arn,
      port,
      protocol,
      ...(endsTls && certificateArn !== undefined ? { certificateArn } : {}),
      defaultActions: [actionOf(targetGroup, groups)],
      tags: tagsOf(site, key),
    },
    child(site),
  );
  for (const { key: own, priority, paths, hosts, targetGroup: target } of rules) {
    new lb.ListenerRule(
      `${site.name}-listener-rule-${own}`,
      {
        listenerArn: listener.arn,
        priority,
        conditions: [
          ...(paths.length === 0 ? [] : [{ pathPattern: { values: paths } }]),
          ...(hosts.length === 0 ? [] : [{ hostHeader: { values: hosts } }]),
        ],
        actions: [actionOf(target, groups)],
        tags: tagsOf(site, own),
      },
      child(site),
    );
  }
}
