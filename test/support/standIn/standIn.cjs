// A stand-in for the aws provider under the real engine, for tests only. It keeps what it is given, adds the outputs that
// programs depend on, and calls no cloud. It validates nothing: what passes here may still be refused by AWS.
// STANDIN_LOG names a file that gets one JSON line for each call, STANDIN_ACCOUNT the account that all is in; else it is
// the one that the tests' topologies were captured in.
"use strict";
const { createHash } = require("node:crypto");
const { appendFileSync } = require("node:fs");

const grpc = require("@grpc/grpc-js");
const { Empty } = require("google-protobuf/google/protobuf/empty_pb");
const { Struct } = require("google-protobuf/google/protobuf/struct_pb");
const { PluginInfo } = require("@pulumi/pulumi/proto/plugin_pb");
const { ResourceProviderService } = require("@pulumi/pulumi/proto/provider_grpc_pb");
const rpc = require("@pulumi/pulumi/proto/provider_pb");

const version = "7.48.0";
const account = process.env.STANDIN_ACCOUNT ?? "111122223333";
const region = "eu-central-1";
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const limit = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

const digest = (text, length) => createHash("sha256").update(text).digest("hex").slice(0, length);
const kebab = (text) => text.replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase();
const typeOf = (urn) => urn.split("::")[2].split("$").at(-1);
const shortType = (type) => kebab(type.split(":").at(-1));

/** Outputs beside the inputs, by type. */
const outputs = {
  "aws:ec2/vpc:Vpc": (id) => ({
    defaultSecurityGroupId: `sg-${digest(id, 17)}`,
    defaultNetworkAclId: `acl-${digest(id, 17)}`,
    defaultRouteTableId: `rtb-${digest(id, 17)}`,
    mainRouteTableId: `rtb-${digest(id, 17)}`,
    ownerId: account,
  }),
  "aws:ec2/instance:Instance": (id, inputs) => ({
    primaryNetworkInterfaceId: `eni-${digest(id, 17)}`,
    privateIp: inputs.privateIp ?? "10.0.0.10",
    instanceState: "running",
    availabilityZone: `${region}a`,
  }),
  "aws:ec2/networkInterface:NetworkInterface": (id, inputs) => ({
    privateIp: inputs.privateIps?.[0] ?? `100.64.0.${10 + (parseInt(digest(id, 4), 16) % 200)}`,
    macAddress: "02:00:00:00:00:01",
  }),
  "aws:ec2/subnet:Subnet": (id, inputs) => ({ availabilityZone: inputs.availabilityZone ?? `${region}a` }),
  "aws:ec2/launchTemplate:LaunchTemplate": () => ({ latestVersion: 1, defaultVersion: 1 }),
  "aws:ec2/vpcEndpoint:VpcEndpoint": (id) => ({
    prefixListId: `pl-${digest(id, 8)}`,
    networkInterfaceIds: [],
    state: "available",
  }),
  "aws:ec2/vpcEndpointService:VpcEndpointService": (id) => ({
    serviceName: `com.amazonaws.vpce.${region}.vpce-svc-${digest(id, 17)}`,
    availabilityZones: [`${region}a`],
  }),
  "aws:lb/loadBalancer:LoadBalancer": (id, inputs) => ({
    arnSuffix: `${inputs.loadBalancerType === "gateway" ? "gwy" : "app"}/${inputs.name ?? id}/${digest(id, 16)}`,
    dnsName: `internal-${id}.${region}.elb.amazonaws.com`,
    zoneId: "Z215JYRZR1TBD5",
  }),
  "aws:lb/targetGroup:TargetGroup": (id) => ({ arnSuffix: `targetgroup/${id}/${digest(id, 16)}` }),
  "aws:s3/bucket:Bucket": (id, inputs) => ({
    bucket: inputs.bucket ?? id,
    bucketRegionalDomainName: `${id}.s3.${region}.amazonaws.com`,
  }),
  "aws:route53/zone:Zone": (id) => ({ zoneId: id }),
  "aws:rds/instance:Instance": (id) => ({
    address: `${id}.${region}.rds.amazonaws.com`,
    endpoint: `${id}:5432`,
    port: 5432,
  }),
  "aws:rds/cluster:Cluster": (id) => ({
    endpoint: `${id}.${region}.rds.amazonaws.com`,
    readerEndpoint: `${id}.ro`,
    port: 5432,
  }),
  "aws:iam/role:Role": (id, inputs) => ({
    name: inputs.name ?? id,
    uniqueId: digest(id, 20),
    arn: `arn:aws:iam::${account}:role${inputs.path ?? "/"}${inputs.name ?? id}`,
  }),
  "aws:iam/instanceProfile:InstanceProfile": (id, inputs) => ({ name: inputs.name ?? id }),
  "aws:kms/key:Key": (id) => ({ keyId: id }),
  "aws:cloudwatch/logGroup:LogGroup": (id, inputs) => ({ name: inputs.name ?? id }),
  "aws:cloudwatch/metricAlarm:MetricAlarm": (id, inputs) => ({ name: inputs.name ?? id }),
  "aws:cloudwatch/dashboard:Dashboard": (id, inputs) => ({
    dashboardArn: `arn:aws:cloudwatch::${account}:dashboard/${inputs.dashboardName ?? id}`,
  }),
  "aws:ssm/parameter:Parameter": (id, inputs) => ({ name: inputs.name ?? id, version: 1 }),
  "aws:ssm/document:Document": (id, inputs) => ({ name: inputs.name ?? id, latestVersion: "1" }),
  "aws:autoscaling/group:Group": (id, inputs) => ({ name: inputs.name ?? id }),
};

/** Properties whose change makes the real provider replace; only those that tests look at. */
const replacing = {
  "aws:ec2/vpc:Vpc": ["cidrBlock"],
  "aws:ec2/subnet:Subnet": ["cidrBlock", "vpcId", "availabilityZone", "availabilityZoneId"],
  "aws:ec2/instance:Instance": ["ami", "subnetId", "privateIp", "networkInterfaces", "primaryNetworkInterface"],
  "aws:ec2/networkInterface:NetworkInterface": ["subnetId"],
  "aws:ec2/trafficMirrorSession:TrafficMirrorSession": ["networkInterfaceId"],
  "aws:ec2/trafficMirrorFilterRule:TrafficMirrorFilterRule": ["trafficMirrorFilterId"],
  "aws:ssm/parameter:Parameter": ["name"],
  "aws:fis/experimentTemplate:ExperimentTemplate": ["tags"],
};

const functions = {
  "aws:index/getCallerIdentity:getCallerIdentity": () => ({
    accountId: account,
    arn: `arn:aws:iam::${account}:root`,
    id: account,
    userId: "u",
  }),
  "aws:index/getRegion:getRegion": () => ({
    name: region,
    region,
    id: region,
    description: "stand-in",
    endpoint: `ec2.${region}.amazonaws.com`,
  }),
  "aws:index/getPartition:getPartition": () => ({
    partition: "aws",
    id: "aws",
    dnsSuffix: "amazonaws.com",
    reverseDnsPrefix: "com.amazonaws",
  }),
  "aws:ec2/getAmi:getAmi": (args) => ({
    ...args,
    id: `ami-${digest("ami", 17)}`,
    imageId: `ami-${digest("ami", 17)}`,
    architecture: "x86_64",
  }),
  "aws:ssm/getParameter:getParameter": (args) => ({
    ...args,
    id: args.name,
    type: "String",
    value: `ami-${digest(args.name, 17)}`,
    version: 1,
  }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": () => ({
    id: region,
    names: ["a", "b", "c"].map((zone) => region + zone),
    zoneIds: [1, 2, 3].map((zone) => `euc1-az${zone}`),
  }),
};

function note(entry) {
  if (process.env.STANDIN_LOG !== undefined) appendFileSync(process.env.STANDIN_LOG, `${JSON.stringify(entry)}\n`);
}

const plain = (struct) => struct?.toJavaScript() ?? {};
const structOf = (value) => Struct.fromJavaScript(JSON.parse(JSON.stringify(value)));

function stateOf(type, id, inputs, preview) {
  const service = type.split(/[:/]/)[1];
  const made = {
    arn: `arn:aws:${service}:${region}:${account}:${shortType(type)}/${id}`,
    region,
    ...outputs[type]?.(id, inputs),
    ...(inputs.tags === undefined ? {} : { tagsAll: inputs.tags }),
  };
  const added = preview ? Object.fromEntries(Object.keys(made).map((key) => [key, unknown])) : made;
  return { ...added, ...inputs };
}

const on = (respond) => (call, callback) => {
  Promise.resolve()
    .then(() => respond(call.request))
    .then(
      (response) => callback(null, response),
      (error) => callback({ code: grpc.status.UNKNOWN, details: error.message }),
    );
};

const handlers = {
  handshake: on(() => new rpc.ProviderHandshakeResponse()),
  getPluginInfo: on(() => new PluginInfo().setVersion(version)),
  getSchema: on(() => new rpc.GetSchemaResponse().setSchema(JSON.stringify({ name: "aws", version }))),
  checkConfig: on((request) => new rpc.CheckResponse().setInputs(request.getNews())),
  diffConfig: on(() => new rpc.DiffResponse().setChanges(rpc.DiffResponse.DiffChanges.DIFF_NONE)),
  configure: on(() => new rpc.ConfigureResponse().setSupportspreview(true)),
  check: on((request) => new rpc.CheckResponse().setInputs(request.getNews())),
  diff: on((request) => {
    const [before, after] = [plain(request.getOldInputs()), plain(request.getNews())];
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    const changed = keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
    const { DIFF_NONE, DIFF_SOME } = rpc.DiffResponse.DiffChanges;
    const replaces = changed.filter((key) => replacing[typeOf(request.getUrn())]?.includes(key));
    return new rpc.DiffResponse()
      .setChanges(changed.length === 0 ? DIFF_NONE : DIFF_SOME)
      .setDiffsList(changed)
      .setReplacesList(replaces);
  }),
  create: on((request) => {
    const [urn, preview] = [request.getUrn(), request.getPreview()];
    const [type, inputs] = [typeOf(urn), plain(request.getProperties())];
    const id = `${shortType(type)}-${digest(urn, 17)}`;
    note({ operation: "create", preview, urn, type, inputs });
    return new rpc.CreateResponse()
      .setId(preview ? "" : id)
      .setProperties(structOf(stateOf(type, id, inputs, preview)));
  }),
  read: on((request) =>
    new rpc.ReadResponse().setId(request.getId()).setInputs(request.getInputs()).setProperties(request.getProperties()),
  ),
  update: on((request) => {
    const [urn, preview] = [request.getUrn(), request.getPreview()];
    const [type, inputs] = [typeOf(urn), plain(request.getNews())];
    note({ operation: "update", preview, urn, type, inputs });
    return new rpc.UpdateResponse().setProperties(structOf(stateOf(type, request.getId(), inputs, preview)));
  }),
  delete: on((request) => {
    note({ operation: "delete", urn: request.getUrn(), type: typeOf(request.getUrn()) });
    return new Empty();
  }),
  invoke: on((request) => {
    const [token, args] = [request.getTok(), plain(request.getArgs())];
    note({ operation: "invoke", token, args });
    if (functions[token] === undefined) throw new Error(`the stand-in for aws has no function ${token}`);
    return new rpc.InvokeResponse().setReturn(structOf(functions[token](args)));
  }),
  cancel: on(() => new Empty()),
  attach: on(() => new Empty()),
  getMapping: on(() => new rpc.GetMappingResponse()),
  getMappings: on(() => new rpc.GetMappingsResponse()),
};

const server = new grpc.Server(limit);
server.addService(ResourceProviderService, handlers);
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${port}\n`);
});
// The engine holds standard input: when it is gone, however it went, so is the stand-in.
process.stdin.on("end", () => process.exit(0)).resume();
