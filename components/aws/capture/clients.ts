import { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { RDSClient } from "@aws-sdk/client-rds";
import { Route53Client } from "@aws-sdk/client-route-53";
import { fromNodeProviderChain } from "@aws-sdk/credential-providers";

import { noCredentials } from "./failures";

/** Where and as whom AWS is called. */
export interface AwsAccess {
  /** Region. Defaults to that of the environment or of the profile. */
  region?: string;
  /** Profile of the shared configuration files. Defaults to the environment's. */
  profile?: string;
  /** Address that all calls go to instead of AWS's, for local stand-ins. Defaults to AWS's. */
  endpointUrl?: string;
}

/** The clients of the services that capture reads. */
export interface AwsClients {
  ec2: EC2Client;
  balancing: ElasticLoadBalancingV2Client;
  databases: RDSClient;
  scaling: AutoScalingClient;
  names: Route53Client;
  /** Region that the clients use. */
  region(): Promise<string>;
  /** Closes the connections. */
  close(): void;
}

/** Attempts of one call, the first among them; the SDK waits longer before each and slows down when it is throttled. */
const attempts = 8;

/** Makes the clients; `onCall` hears of each call by its action in policies, for example `ec2:DescribeVpcs`. */
export function makeClients(access: AwsAccess, onCall: (action: string) => void): AwsClients {
  const { region, profile, endpointUrl } = access;
  const config = {
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(endpointUrl === undefined ? {} : { endpoint: endpointUrl }),
    credentials: credentialsOf(profile),
    maxAttempts: attempts,
    retryMode: "adaptive",
  };
  const ec2 = heard(new EC2Client(config), "ec2", onCall);
  const clients = {
    ec2,
    balancing: heard(new ElasticLoadBalancingV2Client(config), "elasticloadbalancing", onCall),
    databases: heard(new RDSClient(config), "rds", onCall),
    scaling: heard(new AutoScalingClient(config), "autoscaling", onCall),
    names: heard(new Route53Client(config), "route53", onCall),
  };
  return {
    ...clients,
    region: () => ec2.config.region(),
    close: () => Object.values(clients).forEach((client) => client.destroy()),
  };
}

function credentialsOf(profile: string | undefined): ReturnType<typeof fromNodeProviderChain> {
  const provide = fromNodeProviderChain(profile === undefined ? {} : { profile });
  return async (properties) => {
    try {
      return await provide(properties);
    } catch (error) {
      throw noCredentials(profile, error as Error);
    }
  };
}

type AnyClient = EC2Client | ElasticLoadBalancingV2Client | RDSClient | AutoScalingClient | Route53Client;

/** The part of a client's stack that is the same for all of them. */
interface InitialSteps {
  add(
    step: <Input, Output>(
      next: (args: Input) => Promise<Output>,
      context: { commandName?: string },
    ) => (args: Input) => Promise<Output>,
    options: { step: "initialize"; name: string },
  ): void;
}

function heard<Client extends AnyClient>(client: Client, service: string, onCall: (action: string) => void): Client {
  (client.middlewareStack as unknown as InitialSteps).add(
    (next, { commandName = "" }) =>
      (args) => {
        onCall(`${service}:${commandName.replace(/Command$/, "")}`);
        return next(args);
      },
    { step: "initialize", name: "shadownetCalls" },
  );
  return client;
}
