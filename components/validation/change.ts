import type { RehearsedRoute, RehearsedRule, ShadowChange } from "../experiment";
import { addressFamily, parseCidr } from "../internal/cidr";
import type { Problem } from "../internal/problems";

/** How to come to an image that a machine of the lab can have. */
export const imageCure =
  "unpack the image into a folder, for example `docker export` of a container of it with `tar -x`, and give its absolute path";

/** What is wrong with the image, routes and filter rules of a rehearsed change; an empty list when nothing is. */
export function changeWithoutTopologyProblems(path: string, { image, routes, filterRules }: ShadowChange): Problem[] {
  return [
    ...imageProblems(`${path}.image`, image),
    ...(routes ?? []).flatMap((route, index) => routeProblems(`${path}.routes[${index}]`, route)),
    ...(filterRules ?? []).flatMap((rule, index) => ruleProblems(`${path}.filterRules[${index}]`, rule)),
  ];
}

/** Commas, colons and spaces would mean something else to the kernel's overlay. */
function imageProblems(path: string, image: string | undefined): Problem[] {
  if (image === undefined || /^\/[\w./@+-]*$/.test(image)) return [];
  const reason = `"${image}" is no absolute path of letters, digits and . _ - / @ +; images are folders on the lab's host: ${imageCure}`;
  return [{ path, reason }];
}

function routeProblems(path: string, { destination, via, blackhole }: RehearsedRoute): Problem[] {
  const problems = rangeProblems(`${path}.destination`, destination);
  if ((via === undefined) === (blackhole !== true)) {
    problems.push({ path, reason: "leads nowhere or two ways; give either `via` or `blackhole: true`" });
  }
  if (via === undefined) return problems;
  const family = addressFamily(via);
  if (family === undefined) problems.push({ path: `${path}.via`, reason: `"${via}" is no IPv4 or IPv6 address` });
  else if (problems.length === 0 && family !== addressFamily(destination.split("/")[0]!)) {
    problems.push({ path: `${path}.via`, reason: `${via} and ${destination} are of different families` });
  }
  return problems;
}

function ruleProblems(path: string, { protocol, ports, cidrs }: RehearsedRule): Problem[] {
  const problems = (cidrs ?? []).flatMap((cidr, index) => rangeProblems(`${path}.cidrs[${index}]`, cidr));
  if (ports === undefined) return problems;
  const [from, to = from] = ports.split("-").map(Number);
  const isRange = /^\d+(-\d+)?$/.test(ports) && from! >= 1 && from! <= to! && to! <= 65_535;
  if (!isRange)
    problems.push({ path: `${path}.ports`, reason: `"${ports}" is no port or range such as 80 or 8000-8010` });
  if (protocol === "icmp") problems.push({ path: `${path}.ports`, reason: "icmp has no ports; leave them out" });
  return problems;
}

function rangeProblems(path: string, cidr: string): Problem[] {
  if (cidr.includes("/") && parseCidr(cidr) !== undefined) return [];
  return [{ path, reason: `"${cidr}" is no range such as 10.0.1.0/24 or fd00:1::/64` }];
}
