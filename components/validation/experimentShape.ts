import { z } from "zod";

import {
  BlackholeMode,
  ConnectionState,
  DelayDistribution,
  Direction,
  DnsAnswer,
  type Experiment,
  FaultKind,
  MemoryMode,
  SignalSide,
} from "../experiment";
import { formed } from "./shape";
import { AclAction, IpProtocol, TrafficDirection } from "../topology";

const name = z.string().min(1);
const seconds = z.number().nonnegative();
const percent = z.number().min(0).max(100);
const chance = z.number().min(0).max(1);
const positive = z.number().positive();

const flow = z.strictObject({
  protocol: z.enum(IpProtocol).optional(),
  sourceCidr: z.string().optional(),
  destinationCidr: z.string().optional(),
  sourcePorts: z.string().optional(),
  destinationPorts: z.string().optional(),
  state: z.enum(ConnectionState).optional(),
});

const target = z.strictObject({ machine: name.optional(), link: name.optional(), flow: flow.optional() });

const directionValues = {
  delayMilliseconds: z.number().nonnegative().optional(),
  jitterMilliseconds: z.number().nonnegative().optional(),
  distribution: z.enum(DelayDistribution).optional(),
  percent: percent.optional(),
  burstP: chance.optional(),
  burstR: chance.optional(),
  burstH: chance.optional(),
  burstK: chance.optional(),
  bitsPerPacket: z.int().min(1).optional(),
  gap: z.int().min(1).optional(),
  bitsPerSecond: positive.optional(),
  burstBytes: z.int().min(1).optional(),
  mode: z.enum(BlackholeMode).optional(),
};

const faultParameters = {
  ...directionValues,
  direction: z.enum(Direction).optional(),
  egress: z.strictObject(directionValues).optional(),
  ingress: z.strictObject(directionValues).optional(),
  sharePercent: percent.optional(),
  memoryMode: z.enum(MemoryMode).optional(),
  processPattern: name.optional(),
  signal: name.optional(),
  intervalSeconds: positive.optional(),
  names: z.array(name).optional(),
  answer: z.enum(DnsAnswer).optional(),
  wrongAddress: z.string().optional(),
  staysDown: z.boolean().optional(),
  seed: z.int().min(0).optional(),
  probePackets: z.boolean().optional(),
  probeAddresses: z.array(name).min(1).optional(),
};

const probe = z.strictObject({
  name,
  signal: name,
  target: name.optional(),
  tolerance: z.strictObject({ minimum: z.number().optional(), maximum: z.number().optional() }),
});

const pulse = z.strictObject({
  initialDelaySeconds: seconds.optional(),
  activeSeconds: positive,
  dormantSeconds: positive,
  repeat: z.int().min(1),
  randomise: z.boolean().optional(),
});

const change = z.strictObject({
  machine: name.optional(),
  environment: z.record(formed(/^[A-Za-z_]\w*$/, "a variable name"), z.string()).optional(),
  workloadCommand: z.array(z.string()).min(1).optional(),
  image: name.optional(),
  cpus: positive.optional(),
  memoryMegabytes: positive.optional(),
  routes: z
    .array(z.strictObject({ destination: name, via: name.optional(), blackhole: z.boolean().optional() }))
    .min(1)
    .optional(),
  filterRules: z
    .array(
      z.strictObject({
        action: z.enum(AclAction),
        direction: z.enum(TrafficDirection),
        protocol: z.enum(IpProtocol),
        ports: name.optional(),
        cidrs: z.array(name).min(1).optional(),
      }),
    )
    .min(1)
    .optional(),
  keep: z.boolean().optional(),
});

const action = z.strictObject({
  ...faultParameters,
  fault: z.enum(FaultKind).optional(),
  target: target.optional(),
  durationSeconds: positive.optional(),
  pulse: pulse.optional(),
  startAfter: z.array(name).optional(),
  waitSeconds: positive.optional(),
  probe: probe.optional(),
  command: z.array(z.string()).min(1).optional(),
  objectiveSeconds: positive.optional(),
  change: change.optional(),
});

const stopCondition = z.strictObject({
  signal: name,
  target: name.optional(),
  side: z.enum(SignalSide).optional(),
  above: z.number().optional(),
  below: z.number().optional(),
  forSeconds: seconds.optional(),
});

/** The form of an experiment: fields and their types; what it means is checked by `validateExperiment`. */
export const experimentShape: z.ZodType<Experiment> = z.strictObject({
  title: z.string().optional(),
  hypothesis: z.strictObject({ title: z.string().optional(), probes: z.array(probe) }).optional(),
  actions: z.record(formed(/^[A-Za-z][\w-]{0,62}$/, "an action's name: letters, digits, hyphens"), action),
  stopConditions: z.array(stopCondition).optional(),
  blastRadius: z
    .strictObject({
      machines: z.int().min(0).optional(),
      percent: percent.optional(),
      links: z.int().min(0).optional(),
      durationSeconds: positive.optional(),
    })
    .optional(),
  schedule: z
    .strictObject({
      cron: z.string().optional(),
      rate: z.string().optional(),
      timeZone: z.string().optional(),
      jitterSeconds: seconds.optional(),
    })
    .optional(),
  analysis: z
    .strictObject({
      baselineSeconds: positive.optional(),
      settleSeconds: seconds.optional(),
      recoverySeconds: positive.optional(),
      marginPercent: positive.optional(),
      stepSeconds: positive.optional(),
    })
    .optional(),
});
