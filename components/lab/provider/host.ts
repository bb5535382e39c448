import { fstatSync } from "node:fs";

import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import * as engine from "@pulumi/pulumi/proto/engine_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { type JavaScriptValue, Struct } from "google-protobuf/google/protobuf/struct_pb";

import { type ResourceContext, type ResourceKind, fieldFailures } from "./resource";
import { type Properties, differences, equal, isIgnored, plain, topLevel, unknown } from "./values";

/** A resource plugin: its name, version and the types of resources it has. */
export interface Plugin {
  name: string;
  version: string;
  /** Schema of the package, as JSON. */
  schema: string;
  kinds: Record<string, ResourceKind>;
  /** The message for the user of an error. */
  explain(error: unknown): string;
}

const messageLimit = 400 * 1024 * 1024;
const options = { "grpc.max_receive_message_length": messageLimit, "grpc.max_send_message_length": messageLimit };

/** Serves a plugin on the engine's protocol: prints the port it listens on, and ends when the engine ends. */
export function serve(plugin: Plugin, engineAddress: string | undefined): void {
  const server = new grpc.Server(options);
  server.addService(ResourceProviderService, handlers(plugin, logger(engineAddress)));
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    process.stdout.write(`${port}\n`);
  });
  // The engine holds our standard input: when it is gone, however it went, so are we.
  if (engineAddress !== undefined && fstatSync(0).isFIFO()) {
    process.stdin.on("end", () => process.exit(0)).resume();
  }
}

type Log = (urn: string, severity: "debug" | "info" | "warning" | "error", message: string) => void;

/** One message at a time, so that they arrive in order. */
function logger(address: string | undefined): Log {
  if (address === undefined) return () => undefined;
  const client = new EngineClient(address, grpc.credentials.createInsecure(), options);
  let last = Promise.resolve();
  return (urn, severity, message) => {
    last = last.then(
      () =>
        new Promise((resolve) => {
          const request = new engine.LogRequest();
          request.setUrn(urn);
          request.setSeverity(engine.LogSeverity[severity.toUpperCase() as "INFO"]);
          request.setMessage(message);
          client.log(request, () => resolve());
        }),
    );
  };
}

/** Answers one kind of call; what it throws becomes the call's error. */
function answer<Q, R>(plugin: Plugin, respond: (request: Q) => R | Promise<R>): grpc.handleUnaryCall<Q, R> {
  return (call, callback) => {
    Promise.resolve()
      .then(() => respond(call.request))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback({ code: grpc.status.UNKNOWN, details: plugin.explain(error) }),
      );
  };
}

function properties(struct: Struct | undefined): Properties {
  return plain(struct?.toJavaScript() ?? {}) as Properties;
}

function structOf(value: Properties): Struct {
  return Struct.fromJavaScript(JSON.parse(JSON.stringify(value)) as Record<string, JavaScriptValue>);
}

function handlers(plugin: Plugin, log: Log): grpc.UntypedServiceImplementation {
  const kindOf = (urn: string): ResourceKind => {
    const type = urn.split("::")[2]!.split("$").at(-1)!;
    const kind = plugin.kinds[type];
    if (kind === undefined) throw new Error(`${plugin.name} has no resource type ${type}`);
    return kind;
  };
  const contextOf = (urn: string): ResourceContext => ({ urn, log: (severity, text) => log(urn, severity, text) });
  const on = <Q, R>(respond: (request: Q) => R | Promise<R>): grpc.handleUnaryCall<Q, R> => answer(plugin, respond);
  return {
    handshake: on(() => {
      const response = new rpc.ProviderHandshakeResponse();
      response.setAcceptSecrets(true);
      return response;
    }),
    getPluginInfo: on(() => {
      const response = new PluginInfo();
      response.setVersion(plugin.version);
      return response;
    }),
    getSchema: on(() => {
      const response = new rpc.GetSchemaResponse();
      response.setSchema(plugin.schema);
      return response;
    }),
    checkConfig: on((request: rpc.CheckRequest) => {
      const response = new rpc.CheckResponse();
      response.setInputs(request.getNews());
      return response;
    }),
    diffConfig: on(() => {
      const response = new rpc.DiffResponse();
      response.setChanges(rpc.DiffResponse.DiffChanges.DIFF_NONE);
      return response;
    }),
    configure: on(() => {
      const response = new rpc.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      return response;
    }),
    check: on((request: rpc.CheckRequest) => check(kindOf(request.getUrn()), request)),
    diff: on((request: rpc.DiffRequest) => diff(kindOf(request.getUrn()), request)),
    create: on((request: rpc.CreateRequest) => create(kindOf(request.getUrn()), contextOf(request.getUrn()), request)),
    read: on((request: rpc.ReadRequest) => read(kindOf(request.getUrn()), request)),
    update: on((request: rpc.UpdateRequest) => update(kindOf(request.getUrn()), contextOf(request.getUrn()), request)),
    delete: on(async (request: rpc.DeleteRequest) => {
      await kindOf(request.getUrn()).delete(properties(request.getProperties()));
      return new Empty();
    }),
    invoke: on((request: rpc.InvokeRequest) => {
      throw new Error(`${plugin.name} has no function ${request.getTok()}`);
    }),
    cancel: on(() => new Empty()),
    attach: on(() => new Empty()),
    getMapping: on(() => new rpc.GetMappingResponse()),
    getMappings: on(() => new rpc.GetMappingsResponse()),
  };
}

function check(kind: ResourceKind, request: rpc.CheckRequest): rpc.CheckResponse {
  const given = properties(request.getNews());
  const wrongTypes = fieldFailures(kind, given, unknown);
  const { inputs = given, failures = [] } = wrongTypes.length > 0 ? {} : (kind.check?.(given) ?? {});
  const response = new rpc.CheckResponse();
  response.setInputs(structOf(inputs));
  response.setFailuresList(
    [...wrongTypes, ...failures].map(({ property, reason }) => {
      const failure = new rpc.CheckFailure();
      failure.setProperty(property);
      failure.setReason(reason);
      return failure;
    }),
  );
  return response;
}

const differenceKinds = {
  add: [rpc.PropertyDiff.Kind.ADD, rpc.PropertyDiff.Kind.ADD_REPLACE],
  delete: [rpc.PropertyDiff.Kind.DELETE, rpc.PropertyDiff.Kind.DELETE_REPLACE],
  update: [rpc.PropertyDiff.Kind.UPDATE, rpc.PropertyDiff.Kind.UPDATE_REPLACE],
} as const;

function diff(kind: ResourceKind, request: rpc.DiffRequest): rpc.DiffResponse {
  const ignored = request.getIgnorechangesList();
  const found = differences(properties(request.getOldInputs()), properties(request.getNews())).filter(
    ({ path }) => !isIgnored(path, ignored),
  );
  const response = new rpc.DiffResponse();
  for (const difference of found) {
    const replaces = kind.replaceOn.includes(topLevel(difference.path));
    const property = new rpc.PropertyDiff();
    property.setKind(differenceKinds[difference.kind][replaces ? 1 : 0]);
    property.setInputdiff(true);
    response.getDetaileddiffMap().set(difference.path, property);
  }
  const changed = [...new Set(found.map(({ path }) => topLevel(path)))];
  const { DIFF_NONE, DIFF_SOME } = rpc.DiffResponse.DiffChanges;
  response.setHasdetaileddiff(true);
  response.setChanges(found.length === 0 ? DIFF_NONE : DIFF_SOME);
  response.setDiffsList(changed);
  response.setReplacesList(changed.filter((property) => kind.replaceOn.includes(property)));
  // Names on the host are taken once only: the old one goes before the new one comes.
  response.setDeletebeforereplace(true);
  return response;
}

async function create(
  kind: ResourceKind,
  context: ResourceContext,
  request: rpc.CreateRequest,
): Promise<rpc.CreateResponse> {
  const inputs = properties(request.getProperties());
  if (!request.getPreview()) await kind.create(inputs, context);
  const response = new rpc.CreateResponse();
  response.setId(request.getPreview() ? "" : kind.id(inputs));
  response.setProperties(structOf(inputs));
  return response;
}

async function read(kind: ResourceKind, request: rpc.ReadRequest): Promise<rpc.ReadResponse> {
  const known = properties(request.getInputs());
  const found = await kind.read(request.getId(), known);
  const response = new rpc.ReadResponse();
  // An empty id says that the resource is gone.
  if (found === undefined) return response;
  const inputs = equal(found, known) ? known : found;
  response.setId(request.getId());
  response.setInputs(structOf(inputs));
  response.setProperties(structOf(inputs));
  return response;
}

async function update(
  kind: ResourceKind,
  context: ResourceContext,
  request: rpc.UpdateRequest,
): Promise<rpc.UpdateResponse> {
  const inputs = properties(request.getNews());
  if (!request.getPreview()) await kind.update(properties(request.getOldInputs()), inputs, context);
  const response = new rpc.UpdateResponse();
  response.setProperties(structOf(inputs));
  return response;
}
