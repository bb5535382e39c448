import type { GatewayConfig } from "../../runtime/gateway/config";
import type { GatewayBasis, GatewaySettings } from "../mirror/plan";
import { gatewayPorts } from "./names";

/** What a gateway instance is told once, as a file beside its archive. */
export interface GatewayBoot {
  shadowName: string;
  region: string;
  /** Name of the parameter with the {@link GatewaySettings}. */
  settingsParameter: string;
  /** Name of the parameter that opens and closes the intake. */
  intakeParameter: string;
  /** What comes in: `geneve` from a load balancer, `vxlan` from production's mirror itself. */
  intake: "geneve" | "vxlan";
  basis: GatewayBasis;
}

/** Where a gateway instance has its files and addresses. */
export interface GatewayPlace {
  /** Address of the instance's own interface. */
  primaryAddress: string;
  /** Address of the zone's standing interface; left out where it is not attached. */
  standingAddress?: string;
  /** Folder of what may be lost at a reboot. */
  runFolder: string;
  /** Folder of the samples. */
  dataFolder: string;
}

/** Files of a gateway instance. */
export function gatewayFilesOf({
  runFolder,
  dataFolder,
}: GatewayPlace): Record<"config" | "pid" | "control" | "samples", string> {
  return {
    config: `${runFolder}/config.json`,
    pid: `${runFolder}/gateway.pid`,
    control: `${runFolder}/gateway.sock`,
    samples: `${dataFolder}/samples.ndjson`,
  };
}

/** The configuration of the gateway process for these settings; it starts closed, and the agent opens it. */
export function gatewayConfigOf(boot: GatewayBoot, settings: GatewaySettings, place: GatewayPlace): GatewayConfig {
  const { basis } = boot;
  const files = gatewayFilesOf(place);
  const address = boot.intake === "geneve" ? place.primaryAddress : (place.standingAddress ?? place.primaryAddress);
  return {
    intake: `${boot.intake}:${address}:${gatewayPorts[boot.intake]}`,
    percent: settings.percent,
    seed: settings.seed,
    sampleBy: settings.sampleBy,
    include: settings.include ?? basis.include,
    exclude: [...settings.exclude, ...basis.exclude],
    source: basis.source,
    ...(basis.source === "original" ? { ownAddressFor: basis.shadowCidrs } : {}),
    stats: `${place.runFolder}/stats.json`,
    samples: files.samples,
    control: files.control,
    startClosed: true,
    responseTimeoutSeconds: basis.responseTimeoutSeconds,
    metrics: `${place.primaryAddress}:${gatewayPorts.health}`,
  };
}
