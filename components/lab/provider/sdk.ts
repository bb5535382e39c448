import * as pulumi from "@pulumi/pulumi";

import type { Experiment } from "../../experiment";
import type { MonitorSettings } from "../../monitor";
import type { LabGatewaySpec, LabMachineSpec, LabMirrorSpec, LabNetworkSpec, LabSubnetSpec } from "../kernel/specs";
import type { ShadowRecord } from "../shadowRecord";

type Options = pulumi.CustomResourceOptions;

/** A spec whose network's name may be another resource's output. */
type InNetwork<T> = Omit<T, "network"> & { network: pulumi.Input<string> };

/** The router, the switch and the folder of a lab network. */
export class Network extends pulumi.CustomResource {
  /** Its name on this host. */
  declare readonly network: pulumi.Output<string>;

  constructor(name: string, args: Omit<LabNetworkSpec, "owner"> & { record: ShadowRecord }, opts?: Options) {
    super("shadownetlab:index:Network", name, { ...args }, opts);
  }
}

/** One subnet of a lab network. */
export class Subnet extends pulumi.CustomResource {
  constructor(name: string, args: InNetwork<LabSubnetSpec>, opts?: Options) {
    super("shadownetlab:index:Subnet", name, { ...args }, opts);
  }
}

/** One machine of a lab network. */
export class Machine extends pulumi.CustomResource {
  constructor(name: string, args: InNetwork<LabMachineSpec>, opts?: Options) {
    super("shadownetlab:index:Machine", name, { ...args }, opts);
  }
}

/** The gateway of a shadow. */
export class Gateway extends pulumi.CustomResource {
  constructor(
    name: string,
    args: InNetwork<Omit<LabGatewaySpec, "vni">> & { vni: pulumi.Input<number> },
    opts?: Options,
  ) {
    super("shadownetlab:index:Gateway", name, { ...args }, opts);
  }
}

/** The rules that copy production's traffic to a shadow's gateway. */
export class Mirror extends pulumi.CustomResource {
  constructor(
    name: string,
    args: InNetwork<Omit<LabMirrorSpec, "vni">> & { vni: pulumi.Input<number> },
    opts?: Options,
  ) {
    super("shadownetlab:index:Mirror", name, { ...args }, opts);
  }
}

/** An experiment's definition. */
export class ExperimentDefinition extends pulumi.CustomResource {
  constructor(
    name: string,
    args: { network: pulumi.Input<string>; name: string; definition: Experiment },
    opts?: Options,
  ) {
    super("shadownetlab:index:Experiment", name, { ...args }, opts);
  }
}

/** A monitor's definition. */
export class MonitorDefinition extends pulumi.CustomResource {
  constructor(name: string, args: { network: pulumi.Input<string>; definition: MonitorSettings }, opts?: Options) {
    super("shadownetlab:index:Monitor", name, { ...args }, opts);
  }
}
