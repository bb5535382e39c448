import { createHash } from "node:crypto";

import { tryRun } from "../../internal/exec";
import type { AlarmTransition } from "./alarms";
import { wholeService } from "./recent";
import { describeThreshold } from "./thresholds";

/** Who is told of alarms. */
export interface NotifySettings {
  /** Web addresses that get Alertmanager's webhook message. Defaults to none. */
  urls?: string[];
  /** Command that gets the same message on its standard input. Defaults to none. */
  command?: string[];
}

/** Longest time that telling one receiver may take. */
const limitMilliseconds = 10_000;

/** Alertmanager's webhook message, version 4: what its receivers already understand. */
export interface AlertmanagerMessage {
  version: "4";
  groupKey: string;
  truncatedAlerts: number;
  status: "firing" | "resolved";
  receiver: string;
  groupLabels: Record<string, string>;
  commonLabels: Record<string, string>;
  commonAnnotations: Record<string, string>;
  externalURL: string;
  alerts: {
    status: "firing" | "resolved";
    labels: Record<string, string>;
    annotations: Record<string, string>;
    startsAt: string;
    /** The zero time while it fires. */
    endsAt: string;
    generatorURL: string;
    fingerprint: string;
  }[];
}

/** The message for one change of an alarm. An alarm without data is one that fires, with the reason in its labels. */
function alertmanagerMessage(network: string, { rule, ...alarm }: AlarmTransition): AlertmanagerMessage {
  const status = alarm.state === "resolved" ? "resolved" : "firing";
  const place = { signal: rule.signal, target: rule.target ?? wholeService, side: rule.side ?? "shadow" };
  const reason: Record<string, string> = alarm.state === "noData" ? { reason: "noData" } : {};
  const labels = { alertname: rule.name, severity: alarm.severity, network, ...place, ...reason };
  const value = alarm.value === undefined ? "" : `, now ${alarm.value.toPrecision(4)}`;
  const summary = alarm.state === "noData" ? `no data for ${describeThreshold(rule)}` : describeThreshold(rule) + value;
  const annotations = { summary };
  const identity = createHash("sha256").update(`${network}\n${rule.name}`).digest("hex").slice(0, 16);
  return {
    version: "4",
    groupKey: `{}:{alertname="${rule.name}"}`,
    truncatedAlerts: 0,
    status,
    receiver: "shadownet",
    groupLabels: { alertname: rule.name },
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: "",
    alerts: [
      {
        status,
        labels,
        annotations,
        startsAt: new Date(alarm.since).toISOString(),
        endsAt: status === "resolved" ? new Date(alarm.time).toISOString() : "0001-01-01T00:00:00Z",
        generatorURL: "",
        fingerprint: identity,
      },
    ],
  };
}

/** Tells webhooks and a command of alarms, in order, without holding anything up; a receiver that fails is reported. */
export class AlarmNotifier {
  private sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly network: string,
    private readonly settings: NotifySettings,
    private readonly onProblem: (problem: string) => void,
  ) {}

  tell(transition: AlarmTransition): void {
    const { urls = [], command } = this.settings;
    if (transition.state === "acknowledged" || (urls.length === 0 && command === undefined)) return;
    const text = JSON.stringify(alertmanagerMessage(this.network, transition));
    this.sending = this.sending.then(() => this.send(text));
  }

  /** Ends when everything told so far was sent or given up. */
  drain(): Promise<void> {
    return this.sending;
  }

  private async send(text: string): Promise<void> {
    const { urls = [], command } = this.settings;
    const receivers = urls.map((url) => this.guarded(url, () => post(url, text)));
    if (command !== undefined) receivers.push(this.guarded(command[0] ?? "", () => pipe(command, text)));
    await Promise.all(receivers);
  }

  private async guarded(receiver: string, send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (error) {
      this.onProblem(`${withoutSecrets(receiver)} was not told of an alarm: ${(error as Error).message}`);
    }
  }
}

async function post(url: string, body: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(limitMilliseconds) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it answered with status ${response.status}`);
}

async function pipe(command: string[], stdin: string): Promise<void> {
  const { code, stderr } = await tryRun(command, { stdin, timeoutMilliseconds: limitMilliseconds });
  if (code !== 0) throw new Error(`it ended with ${code}: ${stderr.trim().slice(0, 200)}`);
}

/** Webhook addresses often carry a token in their path or query; the journal shows only where they go. */
function withoutSecrets(receiver: string): string {
  return URL.canParse(receiver) ? new URL(receiver).origin : receiver;
}
