import assert from "node:assert/strict";

import { diskCounters, trafficCounters } from "../../../components/lab/sampler";

describe("counters of a lab machine", () => {
  it("sums disk traffic over disks, of control groups of either version", () => {
    const first =
      "254:0 Read 4096\n254:0 Write 1000\n254:0 Sync 5096\n254:0 Total 5096\n8:0 Read 4\n8:0 Write 24\nTotal 5124\n";
    assert.deepEqual(diskCounters(first), { diskRead: 4100, diskWritten: 1024 });
    const second =
      "254:0 rbytes=4096 wbytes=1000 rios=1 wios=2 dbytes=9 dios=1\n8:0 rbytes=4 wbytes=24 rios=1 wios=1\n";
    assert.deepEqual(diskCounters(second), { diskRead: 4100, diskWritten: 1024 });
    assert.deepEqual(diskCounters(""), { diskRead: 0, diskWritten: 0 }, "nothing was read or written yet");
    assert.deepEqual(diskCounters(undefined), {}, "what cannot be read is no zero");
  });

  it("sums bytes, packets and drops over all cards but the loopback", () => {
    const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 999 999    0    9    0     0          0         0 999 999    0    9    0     0       0          0
  eth0: 1000 10    0    2    0     0          0         0 500 5    0    1    0     0       0          0
  eth1:    1  1    0    0    0     0          0         0   2 2    0    0    0     0       0          0
`;
    const sums = { bytesIn: 1001, packetsIn: 11, bytesOut: 502, packetsOut: 7, drops: 3 };
    assert.deepEqual(trafficCounters(table), sums);
  });
});
