import type * as pulumi from "@pulumi/pulumi";

import { shadowTag } from "../shadow";
import type { PlannedTemplate, ResourceReference } from "./model";

/** What only AWS knows, for the places of a template that need it. */
export interface TemplateBindings {
  shadowName: pulumi.Input<string>;
  vpcId: pulumi.Input<string>;
  /** The parameters of every document, as JSON. */
  documentParameters: pulumi.Input<string>;
  documentArn: (key: string) => pulumi.Input<string>;
  /** ARNs of alarms in one text, with commas between them. */
  alarmArns: (keys: readonly string[]) => pulumi.Input<string>;
  resourceArn: (reference: ResourceReference) => pulumi.Input<string>;
}

/** A key with its value. */
interface Pair {
  key: string;
  value: pulumi.Input<string>;
}

/** An action as FIS takes it. */
export interface RenderedAction {
  name: string;
  actionId: string;
  description: string;
  parameters: Pair[];
  target?: { key: string; value: string };
  startAfters?: string[];
}

/** A target as FIS takes it. */
export interface RenderedTarget {
  name: string;
  resourceType: string;
  selectionMode: string;
  resourceArns?: pulumi.Input<string>[];
  resourceTags?: Pair[];
  filters?: { path: string; values: pulumi.Input<string>[] }[];
}

/** Actions and targets of a template as FIS takes them. Instances are aimed at by tag and VPC, never by tag alone. */
export function renderTemplate(
  { actions, targets }: PlannedTemplate,
  bindings: TemplateBindings,
): {
  actions: RenderedAction[];
  targets: RenderedTarget[];
} {
  return {
    actions: actions.map(({ name, actionId, description, parameters, target, startAfter, document, alarms }) => {
      const all: Record<string, pulumi.Input<string>> = { ...parameters };
      if (document !== undefined) {
        all.documentArn = bindings.documentArn(document);
        all.documentParameters = bindings.documentParameters;
      }
      if (alarms !== undefined) all.alarmArns = bindings.alarmArns(alarms);
      return {
        name,
        actionId,
        description,
        parameters: Object.keys(all)
          .sort()
          .map((key) => ({ key, value: all[key]! })),
        ...(target === undefined ? {} : { target: { key: target.key, value: target.name } }),
        ...(startAfter.length === 0 ? {} : { startAfters: startAfter }),
      };
    }),
    targets: targets.map(({ name, resourceType, tags, filters, references }) => ({
      name,
      resourceType,
      selectionMode: "ALL",
      ...(references.length > 0
        ? { resourceArns: references.map((reference) => bindings.resourceArn(reference)) }
        : {
            resourceTags: [
              { key: shadowTag, value: bindings.shadowName },
              ...Object.entries(tags).map(([key, value]) => ({ key, value })),
            ],
          }),
      ...(resourceType === "aws:ec2:instance"
        ? { filters: [{ path: "VpcId", values: [bindings.vpcId] }, ...filters] }
        : {}),
    })),
  };
}
