import assert from "node:assert/strict";

import fc from "fast-check";

import {
  addressBits,
  addressFamily,
  aggregateCidrs,
  canonicalAddress,
  canonicalCidr,
  cidrContains,
  cidrOf,
  cidrsOverlap,
  firstHost,
  formatAddress,
  formatCidr,
  hostCount,
  nextFreeAddress,
  parseAddress,
  parseCidr,
  prefixLength,
  rangeToCidrs,
  type Address,
  type AddressFamily,
  type Cidr,
} from "../../../components/internal/cidr";
import { ShadownetError } from "../../../components/internal/problems";

const family = fc.constantFrom<AddressFamily>(4, 6);
const address: fc.Arbitrary<Address> = family.chain((of) =>
  fc.bigInt({ min: 0n, max: (1n << BigInt(addressBits(of))) - 1n }).map((value) => ({ family: of, value })),
);
const cidr: fc.Arbitrary<Cidr> = address.chain((within) =>
  fc
    .integer({ min: 0, max: addressBits(within.family) })
    .map((length) => parseCidr(`${formatAddress(within)}/${length}`)!),
);

describe("cidr: addresses", () => {
  it("reads what it writes, for every address", () => {
    fc.assert(fc.property(address, (given) => assert.deepEqual(parseAddress(formatAddress(given)), given)));
  });

  it("writes IPv6 as the platform does", () => {
    const platform = (text: string): string => new URL(`http://[${text}]/`).hostname.slice(1, -1);
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        fc.pre(parseAddress(text)!.value >> 32n !== 0xffffn);
        assert.equal(canonicalAddress(text), platform(text));
      }),
    );
  });

  it("writes mapped addresses with dots", () => {
    assert.equal(canonicalAddress("::ffff:10.0.0.1"), "::ffff:10.0.0.1");
    assert.equal(canonicalAddress("::FFFF:a00:1"), "::ffff:10.0.0.1");
    assert.equal(canonicalAddress("::10.0.0.1"), "::a00:1");
  });

  it("takes only whole addresses", () => {
    for (const text of ["", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1/8", "fe80::1%eth0", "1::2::3", "x"]) {
      assert.equal(parseAddress(text), undefined, text);
      assert.equal(addressFamily(text), undefined, text);
    }
    assert.equal(addressFamily("10.0.0.1"), 4);
    assert.equal(addressFamily("::"), 6);
  });
});

describe("cidr: ranges", () => {
  it("reads what it writes, for every range", () => {
    fc.assert(fc.property(cidr, (given) => assert.deepEqual(parseCidr(formatCidr(given)), given)));
  });

  it("clears host bits", () => {
    assert.equal(canonicalCidr("10.1.2.3/20"), "10.1.0.0/20");
    assert.equal(canonicalCidr("FD00:0::5/64"), "fd00::/64");
    assert.equal(cidrOf("192.168.7.9", 24), "192.168.7.0/24");
    assert.equal(prefixLength("fd00::/48"), 48);
  });

  it("takes only ranges with a length that the family has", () => {
    for (const text of ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/08", "/8", "10.0.0.0/8/8"]) {
      assert.equal(parseCidr(text), undefined, text);
    }
    assert.throws(() => cidrContains("10.0.0.0", "10.0.0.1"), ShadownetError);
    assert.throws(() => cidrContains("10.0.0.0/8", "ten"), ShadownetError);
  });

  it("contains exactly the addresses whose prefix is its own", () => {
    fc.assert(
      fc.property(cidr, address, (range, given) => {
        const expected =
          range.family === given.family && parseCidr(`${formatAddress(given)}/${range.length}`)!.base === range.base;
        assert.equal(cidrContains(formatCidr(range), formatAddress(given)), expected);
      }),
    );
  });

  it("overlaps exactly when one contains the other", () => {
    fc.assert(
      fc.property(cidr, cidr, (first, second) => {
        const [a, b] = [formatCidr(first), formatCidr(second)];
        assert.equal(cidrsOverlap(a, b), cidrContains(a, b) || cidrContains(b, a));
        assert.equal(cidrsOverlap(a, b), cidrsOverlap(b, a));
      }),
    );
  });

  it("is contained in each of its wider ranges and overlaps them", () => {
    fc.assert(
      fc.property(cidr, fc.nat(), (range, seed) => {
        const wider = canonicalCidr(
          `${formatAddress({ family: range.family, value: range.base })}/${seed % (range.length + 1)}`,
        );
        assert.ok(cidrContains(wider, formatCidr(range)));
        assert.ok(cidrsOverlap(wider, formatCidr(range)));
      }),
    );
  });
});

describe("cidr: hosts", () => {
  it("starts after the network's own address", () => {
    assert.equal(firstHost("10.0.1.0/24"), "10.0.1.1");
    assert.equal(firstHost("fd00:1::/64"), "fd00:1::1");
    assert.equal(firstHost("10.0.1.4/31"), "10.0.1.4");
    assert.equal(firstHost("10.0.1.4/32"), "10.0.1.4");
    assert.equal(hostCount("10.0.1.0/24"), 254n);
    assert.equal(hostCount("10.0.1.0/31"), 2n);
  });

  it("gives each host address once, then none", () => {
    const taken: string[] = [];
    for (let free = nextFreeAddress("10.0.1.0/29", taken); free !== undefined;) {
      taken.push(free);
      free = nextFreeAddress("10.0.1.0/29", taken);
    }
    assert.deepEqual(
      taken,
      [1, 2, 3, 4, 5, 6].map((host) => `10.0.1.${host}`),
    );
  });

  it("gives a free address of the range whatever is taken", () => {
    const range = fc.constantFrom("10.0.1.0/28", "fd00::/124");
    const taken = fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 12 });
    fc.assert(
      fc.property(range, taken, (within, hosts) => {
        const base = parseCidr(within)!;
        const used = hosts.map((host) => formatAddress({ family: base.family, value: base.base + BigInt(host) }));
        const free = nextFreeAddress(within, used)!;
        assert.ok(cidrContains(within, free));
        assert.ok(!used.includes(free));
      }),
    );
  });
});

describe("cidr: lists of ranges", () => {
  const small = fc.array(
    fc
      .record({ host: fc.integer({ min: 0, max: 255 }), length: fc.integer({ min: 25, max: 32 }) })
      .map(({ host, length }) => canonicalCidr(`10.0.0.${host}/${length}`)),
    { maxLength: 20 },
  );
  const hosts = Array.from({ length: 256 }, (_, host) => `10.0.0.${host}`);
  const members = (cidrs: string[]): string[] =>
    hosts.filter((host) => cidrs.some((range) => cidrContains(range, host)));

  it("aggregates without changing what is inside, to the same text whatever the order", () => {
    fc.assert(
      fc.property(small, (cidrs) => {
        const aggregated = aggregateCidrs(cidrs);
        assert.deepEqual(members(aggregated), members(cidrs));
        assert.deepEqual(aggregateCidrs(cidrs.toReversed()), aggregated);
        assert.deepEqual(aggregateCidrs(aggregated), aggregated);
      }),
    );
    assert.deepEqual(aggregateCidrs(["::/0", "10.0.1.0/24", "10.0.0.0/24", "10.0.2.0/24"]), [
      "10.0.0.0/23",
      "10.0.2.0/24",
      "::/0",
    ]);
    assert.deepEqual(aggregateCidrs(["::/1", "8000::/1"]), ["::/0"]);
  });

  it("covers a span of addresses exactly", () => {
    const end = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(end, end, (a, b) => {
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        const cidrs = rangeToCidrs(`10.0.0.${first}`, `10.0.0.${last}`);
        assert.deepEqual(members(cidrs), hosts.slice(first, last + 1));
        assert.deepEqual(aggregateCidrs(cidrs), cidrs);
      }),
    );
  });
});
