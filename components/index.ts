/** What other languages' SDKs see: the components of every back end. TypeScript users import one back end instead. */
export { LabShadowEnvironment, LabShadowNetwork, LabTrafficMirror, LabFaultExperiment, LabMonitor } from "./lab";
export { AwsShadowEnvironment, AwsShadowNetwork, AwsTrafficMirror, AwsFaultExperiment, AwsMonitor } from "./aws";
