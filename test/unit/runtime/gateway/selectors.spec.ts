import assert from "node:assert/strict";
import { BlockList } from "node:net";

import fc from "fast-check";

import {
  Selection,
  selectorProblems,
  type FlowOpening,
  type FlowTuple,
} from "../../../../components/runtime/gateway/flows/selectors";
import type { TrafficSelector } from "../../../../components/mirror";

type Words = readonly [number, number, number, number];

const flow: FlowTuple = {
  family: 4,
  protocol: 6,
  client: [0, 0, 0, 0x0a080001],
  clientPort: 40_000,
  server: [0, 0, 0, 0x0a090001],
  serverPort: 8_080,
};
const opening: FlowOpening = {
  application: "http1",
  client: Buffer.from("GET / HTTP/1.1\r\n"),
  serverName: undefined,
  final: false,
};

function chosen(
  include: TrafficSelector[],
  exclude: TrafficSelector[] = [],
  seen: FlowOpening | undefined = opening,
): string {
  return new Selection(include, exclude).choose(flow, seen);
}

function textOf(family: 4 | 6, words: Words): string {
  const hex = words.map((word) => word.toString(16).padStart(8, "0")).join("");
  if (family === 6) return hex.match(/.{4}/g)!.join(":");
  return [24, 16, 8, 0].map((shift) => (words[3] >>> shift) & 0xff).join(".");
}

describe("gateway: selectors", () => {
  it("take a flow by its addresses as the standard library's lists do, in every width of a range", () => {
    const word = fc.nat(0xffffffff);
    const words = fc.tuple(word, word, word, word);
    const change = fc.record({ word: fc.nat(3), bit: fc.nat(31) });
    fc.assert(
      fc.property(fc.constantFrom<4 | 6>(4, 6), words, fc.nat(128), change, (family, base, wide, { word: at, bit }) => {
        const length = family === 4 ? wide % 33 : wide;
        const near = base.map((value, index) =>
          index === at ? (value ^ (1 << bit)) >>> 0 : value,
        ) as unknown as Words;
        const range = textOf(family, base);
        const list = new BlockList();
        list.addSubnet(range, length, family === 4 ? "ipv4" : "ipv6");
        for (const address of [base as Words, near]) {
          const value: Words = family === 4 ? [0, 0, 0, address[3]] : address;
          const other: Words = family === 4 ? [0, 0, 0, ~base[3] >>> 0] : [~base[0] >>> 0, 0, 0, 0];
          const expected = list.check(textOf(family, value), family === 4 ? "ipv4" : "ipv6") ? "yes" : "no";
          const cidr = `${range}/${length}`;
          const tuple = { ...flow, family };
          const from = { ...tuple, client: value, server: other };
          const to = { ...tuple, client: other, server: value };
          assert.equal(new Selection([{ sourceCidr: cidr }], []).choose(from, undefined), expected);
          assert.equal(new Selection([{ destinationCidr: cidr }], []).choose(to, undefined), expected);
          const elsewhere = { ...from, family: family === 4 ? (6 as const) : (4 as const) };
          assert.equal(new Selection([{ sourceCidr: cidr }], []).choose(elsewhere, undefined), "no");
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("take an address without a width for that address alone", () => {
    assert.equal(chosen([{ sourceCidr: "10.8.0.1" }]), "yes");
    assert.equal(chosen([{ sourceCidr: "10.8.0.2" }]), "no");
    const six: FlowTuple = { ...flow, family: 6, client: [0xfd000000, 0, 0, 1] };
    assert.equal(new Selection([{ sourceCidr: "fd00::1" }], []).choose(six, undefined), "yes");
    assert.equal(new Selection([{ sourceCidr: "fd00::2" }], []).choose(six, undefined), "no");
  });

  it("take a flow when every field fits, and any port of those that are named", () => {
    const fitting: TrafficSelector = {
      sourceCidr: "10.8.0.0/16",
      destinationCidr: "10.9.0.0/16",
      sourcePorts: ["1", "40000"],
      destinationPorts: ["80", "8000-8080"],
      protocol: "tcp",
    };
    assert.equal(chosen([fitting]), "yes");
    const misfits: TrafficSelector[] = [
      { sourceCidr: "10.9.0.0/16" },
      { destinationCidr: "10.8.0.0/16" },
      { sourcePorts: ["40001-65535"] },
      { destinationPorts: ["1-8079", "8081"] },
      { protocol: "udp" },
    ];
    for (const misfit of misfits) assert.equal(chosen([{ ...fitting, ...misfit }]), "no", JSON.stringify(misfit));
    for (const edge of ["8080", "8080-8081", "8079-8080"]) assert.equal(chosen([{ destinationPorts: [edge] }]), "yes");
    assert.equal(chosen([{ destinationPorts: [], protocol: "any" }]), "yes");
  });

  it("leave out what any exclusion fits, and otherwise carry what any inclusion fits, or all", () => {
    const [fits, other] = [{ destinationPorts: ["8080"] }, { destinationPorts: ["1"] }];
    assert.equal(chosen([], []), "yes");
    assert.equal(chosen([other], []), "no");
    assert.equal(chosen([other, fits], []), "yes");
    assert.equal(chosen([], [other]), "yes");
    assert.equal(chosen([fits], [other, fits]), "no");
  });

  it("wait for first bytes as long as these decide, and no longer", () => {
    const http: TrafficSelector = { application: "http1" };
    const unknown = { ...opening, application: "maybe" };
    const none = { ...opening, application: undefined };
    const told = (include: TrafficSelector[], exclude: TrafficSelector[] = []): string[] =>
      [undefined, unknown, opening, none].map((seen) => new Selection(include, exclude).choose(flow, seen));
    assert.deepEqual(told([http]), ["maybe", "maybe", "yes", "no"]);
    assert.deepEqual(told([], [http]), ["maybe", "maybe", "no", "yes"]);
    assert.deepEqual(told([{ destinationPorts: ["8080"] }, http]), ["yes", "yes", "yes", "yes"]);
    assert.deepEqual(told([{ ...http, destinationPorts: ["1"] }]), ["no", "no", "no", "no"]);
    assert.deepEqual(told([{ destinationPorts: ["1"] }], [http]), ["no", "no", "no", "no"]);
  });

  it("find bytes at their offset, and know when they can come no more", () => {
    const at = (payloadHex: string, payloadOffset: number | undefined, client: string, final = false): string =>
      chosen([{ payloadHex, ...(payloadOffset === undefined ? {} : { payloadOffset }) }], [], {
        ...opening,
        client: Buffer.from(client),
        final,
      });
    const hex = Buffer.from("abc").toString("hex");
    assert.deepEqual(
      [at(hex, undefined, "abcd"), at(hex, undefined, "xabc"), at(hex, 1, "xabc")],
      ["yes", "no", "yes"],
    );
    assert.deepEqual([at(hex, 2, "xxab"), at(hex, 2, "xxab", true), at(hex, 2, "xxax")], ["maybe", "no", "no"]);
    assert.deepEqual([at(hex, 9, ""), at(hex, 9, "", true)], ["maybe", "no"]);
    const both: TrafficSelector = { application: "http1", payloadHex: hex };
    const said = (application: string, client: string): string =>
      chosen([both], [], { ...opening, application, client: Buffer.from(client) });
    assert.deepEqual([said("http1", "abc"), said("maybe", "abc"), said("maybe", "x")], ["yes", "maybe", "no"]);
    assert.deepEqual([said("http1", "ab"), said("redis", "abc")], ["maybe", "no"]);
  });

  it("go by the name that is asked for, once it is known, in TCP alone", () => {
    const named = (serverName: string | undefined | null, tuple = flow): string =>
      new Selection([{ serverName: "*.example.com" }], []).choose(tuple, {
        ...opening,
        application: "tls",
        serverName,
      });
    assert.deepEqual([named("a.example.com"), named("example.org"), named(undefined)], ["yes", "no", "no"]);
    assert.equal(named(null), "maybe");
    assert.equal(named("a.example.com", { ...flow, protocol: 17 }), "no");
  });

  it("say how much of a flow they need to see", () => {
    const needs = (selector: TrafficSelector): unknown[] => {
      const { needsOpening, needsServerName, openingBytes } = new Selection([], [selector]);
      return [needsOpening, needsServerName, openingBytes];
    };
    const [, , least] = needs({ protocol: "tcp" });
    assert.deepEqual(needs({ protocol: "tcp" }), [false, false, least]);
    assert.deepEqual(needs({ application: "tls" }), [true, false, least]);
    assert.deepEqual(needs({ serverName: "a.b" }), [true, true, least]);
    assert.deepEqual(needs({ payloadHex: "0102", payloadOffset: 900 }), [true, false, 902]);
  });

  it("are refused field by field where they can mean nothing", () => {
    const wrong: [Record<string, unknown>, string[]][] = [
      [{ protocol: "icmp" }, ["protocol"]],
      [{ sourceCidr: "10.0.0.0/33", destinationCidr: "fd00::/129" }, ["sourceCidr", "destinationCidr"]],
      [
        { sourcePorts: ["0"], destinationPorts: ["1-65536", "9-8", "x", "7"] },
        ["sourcePorts", ...Array<string>(3).fill("destinationPorts")],
      ],
      [{ payloadOffset: 1 }, ["payloadOffset"]],
      [{ payloadHex: "abc" }, ["payloadHex"]],
      [{ payloadHex: "00".repeat(65) }, ["payloadHex"]],
      [{ application: "nothing" }, ["application"]],
      [{ sourceCidr: "10.0.0.1", destinationCidr: "fd00::1", sourcePorts: ["65535"], protocol: "any" }, []],
      [{ payloadHex: "00".repeat(64), payloadOffset: 3 }, []],
    ];
    for (const [selector, fields] of wrong) {
      const found = selectorProblems("include", [{}, selector as TrafficSelector]).map(({ path }) => path);
      assert.deepEqual(
        found,
        fields.map((field) => `include[1].${field}`),
        JSON.stringify(selector),
      );
    }
  });
});
