import { productionRole, roleTag, shadowTag } from "../components/aws/shadow";
import type { Props } from "./rule";
import { known } from "./values";

/** On which side a resource stands: the shadow, what a shadow adds to production, or neither. */
export type Side = "shadow" | "production" | "none";

const productionComponent = "shadownet:index:AwsMirrorSources";

/** Side of a resource, from the components above it and, where it has them, from its tags. */
export function sideOf(urn: string, props: Props): Side {
  const chain = urn.split("::")[2]?.split("$").slice(0, -1) ?? [];
  if (chain.includes(productionComponent)) return "production";
  if (chain.some((type) => type.startsWith("shadownet:index:Aws"))) return "shadow";
  const tags = tagsOf(props);
  if (tags[shadowTag] === undefined) return "none";
  return tags[roleTag] === productionRole ? "production" : "shadow";
}

/** Tags of a resource, the provider's default ones among them. Tags of which not even the keys are known read as none. */
export function tagsOf(props: Props): Record<string, string> {
  try {
    const tags = (props.tagsAll ?? props.tags) as Record<string, string> | undefined;
    return tags === undefined
      ? {}
      : Object.fromEntries(Object.keys(tags).map((key) => [key, textOf(known(tags, key))]));
  } catch {
    return {};
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
