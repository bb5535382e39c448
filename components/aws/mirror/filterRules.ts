import { formatCidr, parseCidr } from "../../internal/cidr";
import type { TrafficSelector } from "../../mirror";
import { parsePortRange } from "../../validation/portRanges";
import { type Area, areaCovers, type Block, mergeAreas } from "./areas";

/** First and last port. */
export interface PortSpan {
  first: number;
  last: number;
}

/** What one pair of filter rules matches, from the client to the server. */
export interface FilterMatch {
  /** Protocol number, 6 or 17; left out for all. Ports need one. */
  protocol?: number;
  sourceCidr: string;
  destinationCidr: string;
  sourcePorts?: PortSpan;
  destinationPorts?: PortSpan;
}

/** One rule of a mirror filter. */
export interface FilterRule extends FilterMatch {
  /** Part of the rule's name: its place, so that a changed selector changes the rule where it stands. */
  slot: string;
  direction: "ingress" | "egress";
  action: "accept" | "reject";
  number: number;
}

/** A mirror filter, and how it differs from what was asked; the gateways' own selectors stay exact. */
export interface FilterPlan {
  rules: FilterRule[];
  /** Sentences about what the filter copies beyond what was asked, because it has room for ten rules only. */
  broadened: string[];
}

/** Rules in one filter, both directions together; not adjustable. */
export const mostFilterRules = 10;

const mostPairs = mostFilterRules / 2;
const highestPort = 65_535;
const protocolNumbers: Partial<Record<string, number>> = { tcp: 6, udp: 17 };
const everybody = "0.0.0.0/0";

/**
 * The filter for what is to be copied: never more than ten rules, and never less than what was asked. Each match takes
 * two rules, one a direction, so that answers are copied too. Matches beyond five are merged, the nearest first; what is
 * excluded is rejected where room is left, and else by the gateways.
 */
export function filterRules(include: readonly TrafficSelector[], exclude: readonly TrafficSelector[]): FilterPlan {
  const asked = include.flatMap(matchesOf).map(areaOf);
  const distinct = mergeAreas(asked, Infinity);
  const accepted = mergeAreas(distinct, mostPairs).map(matchOf);
  const rejected: FilterMatch[] = [];
  const left: string[] = [];
  exclude.forEach((selector, index) => {
    const matches = matchesOf(selector);
    const exact = !looksInside(selector) && matches.length > 0;
    if (exact && accepted.length + rejected.length + matches.length <= mostPairs) rejected.push(...matches);
    else left.push(`exclude[${index}] is applied by the gateways, not by the filter`);
  });
  const merged =
    accepted.length < distinct.length
      ? [`${distinct.length} matches are merged into ${accepted.length} that copy more; the gateways drop the rest`]
      : [];
  return {
    rules: [...pairs("reject", rejected, 10), ...pairs("accept", accepted, 100)],
    broadened: [...merged, ...insideOnly(include), ...left],
  };
}

/** The matches of a selector; none when it speaks of IPv6 or of a protocol that is not replayed. */
export function matchesOf(selector: TrafficSelector): FilterMatch[] {
  const { sourceCidr = everybody, destinationCidr = everybody, serverName } = selector;
  const protocol = serverName === undefined ? (selector.protocol ?? "any") : "tcp";
  if ([sourceCidr, destinationCidr].some((cidr) => parseCidr(cidr)?.family !== 4)) return [];
  const sources = spansOf(selector.sourcePorts);
  const destinations = spansOf(selector.destinationPorts);
  const ports = selector.sourcePorts !== undefined || selector.destinationPorts !== undefined;
  const number = protocolNumbers[protocol];
  const protocols = number !== undefined ? [number] : ports ? [6, 17] : [undefined];
  return protocols.flatMap((one) =>
    sources.flatMap((sourcePorts) =>
      destinations.map((destinationPorts) => ({
        ...(one === undefined ? {} : { protocol: one }),
        sourceCidr,
        destinationCidr,
        ...(sourcePorts === undefined ? {} : { sourcePorts }),
        ...(destinationPorts === undefined ? {} : { destinationPorts }),
      })),
    ),
  );
}

/** Whether everything that the second match takes is taken by the first. */
export function covers(wide: FilterMatch, narrow: FilterMatch): boolean {
  return areaCovers(areaOf(wide), areaOf(narrow));
}

function spansOf(ports: readonly string[] | undefined): (PortSpan | undefined)[] {
  if (ports === undefined) return [undefined];
  return ports.flatMap((text) => parsePortRange(text) ?? []);
}

function areaOf({ protocol = 0, sourceCidr, destinationCidr, sourcePorts, destinationPorts }: FilterMatch): Area {
  return {
    protocol,
    source: blockOf(sourceCidr),
    destination: blockOf(destinationCidr),
    sourceFirst: sourcePorts?.first ?? 0,
    sourceLast: sourcePorts?.last ?? highestPort,
    destinationFirst: destinationPorts?.first ?? 0,
    destinationLast: destinationPorts?.last ?? highestPort,
  };
}

function blockOf(cidr: string): Block {
  const { base, length } = parseCidr(cidr)!;
  return { base: Number(base), length };
}

function matchOf(area: Area): FilterMatch {
  const { protocol, source, destination, sourceFirst, sourceLast, destinationFirst, destinationLast } = area;
  const cidr = ({ base, length }: Block): string => formatCidr({ family: 4, base: BigInt(base), length });
  const all = (first: number, last: number): boolean => first === 0 && last === highestPort;
  return {
    ...(protocol === 0 ? {} : { protocol }),
    sourceCidr: cidr(source),
    destinationCidr: cidr(destination),
    ...(all(sourceFirst, sourceLast) ? {} : { sourcePorts: { first: sourceFirst, last: sourceLast } }),
    ...(all(destinationFirst, destinationLast)
      ? {}
      : { destinationPorts: { first: destinationFirst, last: destinationLast } }),
  };
}

function insideOnly(include: readonly TrafficSelector[]): string[] {
  return include.flatMap((selector, index) =>
    looksInside(selector)
      ? [`include[${index}] looks inside flows, which the filter cannot; it copies all of its addresses and ports`]
      : [],
  );
}

function looksInside({ application, payloadHex, serverName }: TrafficSelector): boolean {
  return application !== undefined || payloadHex !== undefined || serverName !== undefined;
}

function pairs(action: FilterRule["action"], matches: readonly FilterMatch[], firstNumber: number): FilterRule[] {
  return matches.flatMap((match, index) => {
    const rule = { action, number: firstNumber + index };
    const slot = (direction: string): string => `${action}-${index + 1}-${direction}`;
    return [
      { ...match, ...rule, slot: slot("ingress"), direction: "ingress" as const },
      { ...reversed(match), ...rule, slot: slot("egress"), direction: "egress" as const },
    ];
  });
}

function reversed({ sourceCidr, destinationCidr, sourcePorts, destinationPorts, ...rest }: FilterMatch): FilterMatch {
  return {
    ...rest,
    sourceCidr: destinationCidr,
    destinationCidr: sourceCidr,
    ...(destinationPorts === undefined ? {} : { sourcePorts: destinationPorts }),
    ...(sourcePorts === undefined ? {} : { destinationPorts: sourcePorts }),
  };
}
