import { Signal } from "../../monitor";

/** How a signal of machines is read from CloudWatch. */
export interface MachineReading {
  namespace: string;
  /** Metrics that are added up. */
  metricNames: string[];
  statistic: string;
  /** True for sums that are divided by the period. */
  perSecond: boolean;
  /** True when it grows with the traffic, so that the shadow's is compared with its share of live's. */
  growsWithTraffic: boolean;
}

const rate = (...metricNames: string[]): MachineReading => ({
  namespace: "AWS/EC2",
  metricNames,
  statistic: "Sum",
  perSecond: true,
  growsWithTraffic: true,
});

/** Memory and drops are what CloudWatch's agent publishes, by the instance's id alone. */
const ofAgent = (metricNames: string[], statistic: string, perSecond: boolean): MachineReading => ({
  namespace: "CWAgent",
  metricNames,
  statistic,
  perSecond,
  growsWithTraffic: false,
});

const readings: Partial<Record<string, MachineReading>> = {
  [Signal.Cpu]: { ...rate("CPUUtilization"), statistic: "Average", perSecond: false },
  [Signal.Memory]: ofAgent(["mem_used"], "Average", false),
  [Signal.NetworkIn]: rate("NetworkIn"),
  [Signal.NetworkOut]: rate("NetworkOut"),
  [Signal.PacketsIn]: rate("NetworkPacketsIn"),
  [Signal.PacketsOut]: rate("NetworkPacketsOut"),
  [Signal.NetworkDrops]: ofAgent(["net_drop_in", "net_drop_out"], "Sum", true),
  [Signal.DiskRead]: rate("EBSReadBytes"),
  [Signal.DiskWrite]: rate("EBSWriteBytes"),
};

/** How a signal of machines is read; undefined for signals of the service and of the mirror. */
export function machineReadingOf(signal: string): MachineReading | undefined {
  return readings[signal];
}

/** Seconds between two data points of an instance, with detailed monitoring. */
export const machineStepSeconds = 60;
