import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const support = join(__dirname);

/** Rooms of the bed: the instance, AWS around it (metadata, endpoints, load balancer), and the shadow's network. */
type Room = "instance" | "aws" | "shadow";

const wiring = (name: (room: Room) => string): string => `set -e
for room in ${name("instance")} ${name("aws")} ${name("shadow")}; do ip netns add $room; ip -n $room link set lo up; done
ip link add primary address 02:00:00:00:00:20 netns ${name("instance")} type veth peer name primary netns ${name("aws")}
ip link add standing address 02:00:00:00:00:99 netns ${name("instance")} type veth peer name standing netns ${name("shadow")}
ip -n ${name("instance")} address add 100.64.0.20/24 dev primary
ip -n ${name("instance")} link set primary up
ip -n ${name("aws")} link set primary up
ip -n ${name("aws")} address add 100.64.0.1/24 dev primary
ip -n ${name("aws")} address add 100.64.1.5/32 dev lo
ip -n ${name("aws")} address add 169.254.169.254/32 dev lo
ip -n ${name("instance")} route add default via 100.64.0.1
ip -n ${name("shadow")} link set standing up
ip -n ${name("shadow")} address add 100.64.0.1/24 dev standing
ip -n ${name("shadow")} address add 10.20.10.11/32 dev lo
ip -n ${name("shadow")} route add default via 100.64.0.10 dev standing`;

/** What the instance sees as its own disk: folders of the bed, so that nothing of this computer is touched. */
const mounts = `set -e
mount --make-rprivate /
mount -t tmpfs none /run
mount -t tmpfs none /var/lib
mkdir -p /run/shadownet /var/lib/shadownet
cp -a /etc "$FAKE_FOLDER/etc"
mkdir -p "$FAKE_FOLDER/etc/systemd/system"
mount --bind "$FAKE_FOLDER/etc" /etc
mount --bind "$FAKE_FOLDER/opt" /opt
mount --bind "$FAKE_FOLDER/run" /run/shadownet
mount --bind "$FAKE_FOLDER/lib" /var/lib/shadownet`;

/** An instance in a network namespace that boots by user data, with stand-ins for everything of AWS around it. */
export class BootBed {
  readonly folder = mkdtempSync(join(tmpdir(), "aws-boot-"));
  private readonly peers: ChildProcess[] = [];

  constructor() {
    chmodSync(this.folder, 0o755);
    for (const name of ["opt", "run", "lib", "bucket"]) mkdirSync(join(this.folder, name));
    execFileSync("bash", ["-c", wiring((room) => this.roomName(room))]);
    for (const room of ["aws", "shadow"] as const) {
      const program = [process.execPath, join(support, "peers.cjs"), room, this.folder];
      const stdio = ["pipe", "inherit", "inherit"] as const;
      this.peers.push(spawn("ip", ["netns", "exec", this.roomName(room), ...program], { stdio: [...stdio] }));
    }
  }

  /** Puts a file into the bucket. */
  put(bucket: string, key: string, content: Buffer | string): void {
    mkdirSync(join(this.folder, "bucket", bucket), { recursive: true });
    writeFileSync(join(this.folder, "bucket", bucket, key), content);
  }

  setParameters(values: Record<string, string>): void {
    writeFileSync(join(this.folder, "parameters.json"), JSON.stringify(values));
  }

  /** Runs the user data as the instance's root to its end; returns its exit code and what it said. */
  boot(userData: string): { status: number | null; output: string } {
    const script = join(this.folder, "user-data.sh");
    writeFileSync(script, userData);
    const path = `${support}:${process.env.PATH ?? ""}`;
    const { status, stdout, stderr } = spawnSync(
      "ip",
      [
        "netns",
        "exec",
        this.roomName("instance"),
        "unshare",
        "--mount",
        "bash",
        "-c",
        `${mounts}\nexec bash ${script}`,
      ],
      {
        encoding: "utf8",
        timeout: 120_000,
        env: {
          PATH: path,
          FAKE_FOLDER: this.folder,
          AWS_ENDPOINT_URL: "http://100.64.1.5:9999",
          NODE_NO_WARNINGS: "1",
        },
      },
    );
    return { status, output: `${stdout}${stderr}` };
  }

  /** Sends a datagram from the load balancer's address. */
  send(packet: Buffer, address: string, port: number): void {
    this.tell({ packet: packet.toString("base64"), address, port });
  }

  /** Asks for a page from the load balancer's address; the answer is a line of `pages.ndjson`. */
  get(url: string): void {
    this.tell({ url });
  }

  /** Runs a command in a room and returns what it says. */
  run(room: Room, ...command: string[]): string {
    return execFileSync("ip", ["netns", "exec", this.roomName(room), ...command], { encoding: "utf8" });
  }

  /** The lines of a file that a stand-in writes. */
  lines<T>(file: string): T[] {
    const text = this.read(file);
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as T);
  }

  read(file: string): string {
    const path = join(this.folder, file);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  remove(): void {
    for (const pid of this.read("pids").split("\n").map(Number)) {
      if (pid > 1 && existsSync(`/proc/${pid}`)) process.kill(pid, "SIGKILL");
    }
    for (const peer of this.peers) peer.kill("SIGKILL");
    for (const room of ["instance", "aws", "shadow"] as const) spawnSync("ip", ["netns", "del", this.roomName(room)]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private tell(what: unknown): void {
    this.peers[0]!.stdin!.write(`${JSON.stringify(what)}\n`);
  }

  private roomName(room: Room): string {
    return `snboot-${process.pid}-${room}`;
  }
}
