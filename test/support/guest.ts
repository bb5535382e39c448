import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

import { quote, words } from "../../components/runtime/faults/commands";
import type { CommandResult } from "../../components/internal/exec";
import { repository } from "./engine";

const bootMilliseconds = 900_000;

/**
 * Time in there is counted in instructions and leaps over what is only waited for: what is measured does not depend on how
 * busy the host is. KVM is never used, because where it is offered no Debian kernel may run on it.
 */
const emulation = [
  ...["-machine", "q35", "-m", "512", "-accel", "tcg", "-cpu", "qemu64"],
  ...["-icount", "shift=0,sleep=off"],
];

/** What `tools/lib/guest.mjs` makes; skips the test where set-up has not made it, and fails under CI. */
export function guestFolderOr(skip: () => void): string {
  const recipe = join(repository, "tools", "guest");
  const hash = createHash("sha256").update("http://deb.debian.org/debian bookworm");
  for (const file of readdirSync(recipe).sort()) hash.update(readFileSync(join(recipe, file)));
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const folder = join(cache, "shadownet", `guest-${hash.digest("hex").slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  if (process.env.CI) throw new Error("there is no machine to boot; type: node tools/setup.mjs --tests");
  skip();
  return folder;
}

/** A Debian machine of its own kernel, without any network, in QEMU on any host; it goes with this process. */
export class Guest {
  private pending: Buffer[] = [];
  private wake: () => void = () => undefined;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly machine: ChildProcess,
    private readonly folder: string,
  ) {
    machine.stdout!.on("data", (data: Buffer) => {
      this.pending.push(data);
      this.wake();
    });
    machine.once("exit", () => this.wake());
  }

  /** Boots Debian's systemd, or the same machine without it. */
  static async boot(image: string, init: "systemd" | "plain"): Promise<Guest> {
    const folder = await mkdtemp(join(tmpdir(), "shadownet-machine-"));
    const first = init === "systemd" ? "" : " init=/usr/local/sbin/shadownet-init";
    const argv = [
      ...["--pdeathsig", "KILL", "qemu-system-x86_64", ...emulation],
      ...["-nodefaults", "-display", "none", "-no-reboot", "-serial", `file:${join(folder, "console")}`],
      ...["-kernel", join(image, "vmlinuz"), "-initrd", join(image, "initrd.img")],
      ...["-append", `root=/dev/vda rw console=ttyS0 quiet${first}`],
      ...["-drive", `file=${join(image, "root.img")},if=virtio,format=raw,snapshot=on`],
      ...["-device", "virtio-serial-pci", "-chardev", "stdio,id=agent,signal=off"],
      ...["-device", "virtserialport,chardev=agent,name=agent,nr=1"],
    ];
    const machine = spawn("setpriv", argv, { stdio: ["pipe", "pipe", "inherit"] });
    const guest = new Guest(machine, folder);
    try {
      await guest.within(bootMilliseconds, guest.line());
      return guest;
    } catch (error) {
      const said = await readFile(join(folder, "console"), "utf8").catch(() => "");
      await guest.close();
      throw new Error(`the machine did not start: ${said.slice(-2000)}`, { cause: error });
    }
  }

  /** Runs a command in the machine; one at a time. */
  execute = (argv: readonly string[], { stdin }: { stdin?: string } = {}): Promise<CommandResult> =>
    this.shell(stdin === undefined ? words([...argv]) : `printf %s ${quote(stdin)} | ${words([...argv])}`);

  /** Runs a shell text in the machine; what it leaves in the background goes on. */
  shell(text: string, milliseconds = 600_000): Promise<CommandResult> {
    const result = this.turn.then(() => this.within(milliseconds, this.exchange(text)));
    this.turn = result.catch(() => undefined);
    return result;
  }

  /** The same for a text that must succeed; returns what it printed. */
  async run(text: string, milliseconds?: number): Promise<string> {
    const { code, stdout, stderr } = await this.shell(text, milliseconds);
    if (code !== 0) throw new Error(`exit code ${code}: ${text.slice(0, 200)}\n${stdout}${stderr}`);
    return stdout;
  }

  async close(): Promise<void> {
    if (this.machine.exitCode === null && this.machine.signalCode === null) {
      const ended = once(this.machine, "exit");
      this.machine.kill("SIGKILL");
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private async exchange(text: string): Promise<CommandResult> {
    const data = Buffer.from(text);
    this.machine.stdin!.write(`${data.length}\n`);
    this.machine.stdin!.write(data);
    const [code, out, messages] = (await this.line()).split(" ").map(Number) as [number, number, number];
    const stdout = (await this.take(out)).toString();
    return { code, stdout, stderr: (await this.take(messages)).toString() };
  }

  private async line(): Promise<string> {
    for (;;) {
      const all = Buffer.concat(this.pending);
      const end = all.indexOf("\n");
      if (end < 0) {
        await this.more();
        continue;
      }
      this.pending = [all.subarray(end + 1)];
      return all.subarray(0, end).toString();
    }
  }

  private async take(length: number): Promise<Buffer> {
    for (;;) {
      const all = Buffer.concat(this.pending);
      if (all.length < length) {
        await this.more();
        continue;
      }
      this.pending = [all.subarray(length)];
      return all.subarray(0, length);
    }
  }

  private async more(): Promise<void> {
    if (this.machine.exitCode !== null) throw new Error(`QEMU ended with exit code ${this.machine.exitCode}`);
    if (this.machine.signalCode !== null) throw new Error(`QEMU was ended by ${this.machine.signalCode}`);
    await new Promise<void>((resolve) => (this.wake = resolve));
  }

  private async within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
    });
    return Promise.race([work, limit]).finally(() => clearTimeout(timer));
  }
}
