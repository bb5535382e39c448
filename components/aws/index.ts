export {
  AwsShadowEnvironment,
  type AwsShadowEnvironmentArgs,
  type AwsShadowEnvironmentOptions,
  type AwsExperimentDefinition,
} from "./environment";
export { AwsFaultExperiment, type AwsFaultExperimentArgs } from "./experiment";
export { AwsApi, AwsFaultKind, type AwsFaultAction } from "./experiment/awsActions";
export { AwsMonitor, type AwsMonitorArgs } from "./monitor";
export type { AwsFaultBand } from "./monitor/dashboard";
export { AwsTrafficMirror, type AwsTrafficMirrorArgs, type AwsTrafficMirrorOptions } from "./mirror";
export { AwsMirrorTargetMode, type AwsMirrorSettings } from "./mirror/settings";
export { AwsShadowNetwork, type AwsShadowNetworkArgs } from "./network";
export type { FirstBootRule } from "./network/firstBoot";
export { applianceCidr, experimentTag, machineTag, productionRole, roleTag, shadowTag } from "./shadow";
export type { AwsShadowReference, AwsShadowZone } from "./shadow";
export { awsShadowTopology } from "./network/shadowTopology";
export type { ShadowSettings, ShadowTopology } from "../shadowScaling";
export * from "../experiment";
export * from "../mirror";
export * from "../monitor";
export * from "../network";
export * from "../topology";
export * from "../topologyAws";
export { parseTopology, readTopology, topologyJsonSchema, validateTopology } from "../topologySchema";
export { experimentJsonSchema, validateExperiment } from "../validation/experiment";
export { validateMirror } from "../validation/mirror";
export { validateMonitor } from "../validation/monitor";
