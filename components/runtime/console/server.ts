import swagger from "@fastify/swagger";
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import {
  type ZodTypeProvider,
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from "fastify-type-provider-zod";

import { type Problem, ProblemsError, ShadownetError } from "../../internal/problems";
import { Gatekeeper } from "./access";
import type { Controller } from "./controller";
import { httpStatus } from "./errors";
import { controlRoutes } from "./routes/control";
import { runRoutes } from "./routes/runs";
import { shadowRoutes } from "./routes/shadows";

declare module "fastify" {
  interface FastifyContextConfig {
    /** True for what needs no token. */
    open?: boolean;
  }
}

/** A Fastify server whose routes take their types from zod. */
export type Api = FastifyInstance<
  import("node:http").Server,
  import("node:http").IncomingMessage,
  import("node:http").ServerResponse,
  import("fastify").FastifyBaseLogger,
  ZodTypeProvider
>;

/** What {@link buildServer} needs. */
export interface ServerOptions {
  controller: Controller;
  token: string;
  version: string;
  /** Names with port under which it is reached, in lower case, for example `127.0.0.1:7425`. */
  hosts: () => ReadonlySet<string>;
}

/** The controller's HTTP API, not yet listening. */
export async function buildServer({ controller, token, version, hosts }: ServerOptions): Promise<Api> {
  const server = fastify({ bodyLimit: 1024 * 1024, requestTimeout: 60_000, forceCloseConnections: true });
  const api: Api = server.withTypeProvider<ZodTypeProvider>();
  api.setValidatorCompiler(validatorCompiler);
  api.setSerializerCompiler(serializerCompiler);
  api.setErrorHandler(answerError);
  api.setNotFoundHandler((request, reply) => {
    const message = `there is nothing at ${request.method} ${request.url.split("?")[0]}; /openapi.json lists what is`;
    return sendError(reply, 404, "no-such-route", message, []);
  });
  const gatekeeper = new Gatekeeper(token, hosts);
  api.addHook("onRequest", async (request, reply) => {
    const refusal = gatekeeper.refusal(request.headers, request.routeOptions.config.open === true);
    reply.header("x-content-type-options", "nosniff");
    if (refusal === undefined) return;
    if (refusal.status === 401) reply.header("www-authenticate", 'Bearer realm="shadownet"');
    await sendError(reply, refusal.status, refusal.code, refusal.message, []);
  });
  await api.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "shadownet controller", version },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  });
  controlRoutes(api, controller, version);
  shadowRoutes(api, controller);
  runRoutes(api, controller);
  return api;
}

function answerError(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const problems = error.validation.map(({ instancePath, message = "is wrong" }) => ({
      path: pathText(error.validationContext, instancePath),
      reason: message.charAt(0).toLowerCase() + message.slice(1),
    }));
    const list = problems.map(({ path, reason }) => `${path}: ${reason}`).join("; ");
    return sendError(reply, 400, "bad-input", `the request is refused: ${list}`, problems);
  }
  if (error instanceof ShadownetError) {
    const problems = error instanceof ProblemsError ? error.problems : [];
    return sendError(reply, httpStatus(error), error.code, error.message, problems);
  }
  const status = error.statusCode ?? 500;
  const code = status < 500 ? "bad-request" : "internal-error";
  return sendError(reply, status, code, error.message, []);
}

/** `/experiments/0` of the body becomes `experiments[0]`; of the address and the query it keeps the part's name. */
function pathText(context: string | undefined, instancePath: string): string {
  const steps = instancePath.split("/").filter((step) => step !== "");
  const inside = steps.reduce((path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : `${path}.${step}`), "");
  const plain = inside.replace(/^\./, "");
  if (context === "body" || context === undefined) return plain === "" ? "body" : plain;
  return plain === "" ? context : `${context}.${plain}`;
}

function sendError(
  reply: FastifyReply,
  status: number,
  code: string,
  message: string,
  problems: Problem[],
): FastifyReply {
  return reply
    .code(status)
    .type("application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send({ error: { code, message, problems } });
}
