import { BodyDigest } from "../body";
import type { Exchange, ExchangeLog, Side } from "../exchangeLog";
import { contentOf, FrameFlag, FrameType, type Frame } from "./frames";
import { fieldOf, HeaderBlocks, type HeaderBlock } from "./headerBlocks";

const wholeNumber = /^\d{1,9}$/;

/** Reads the responses of one side of an HTTP/2 connection and gives them, by stream, to the exchanges that wait. */
export class Http2Responses {
  /** Exchanges by their stream whose response has not ended. */
  readonly waiting = new Map<number, Exchange>();
  /** Set when the direction can no longer be read. */
  broken = false;
  private readonly blocks = new HeaderBlocks();

  constructor(
    private readonly which: "live" | "shadow",
    private readonly log: ExchangeLog,
    /** Told of the final response to a request that does not wait here. */
    private readonly unasked: (stream: number) => void = () => undefined,
  ) {}

  /** Takes one frame of the server. */
  take(frame: Frame, time: number): void {
    if (HeaderBlocks.takes(frame)) {
      const block = this.blocks.push(frame);
      if (this.blocks.broken) this.broken = true;
      else if (block !== undefined && !block.promised) this.takeHead(block, time);
    } else if (frame.type === FrameType.Data) this.takeBody(frame, time);
    else if (frame.type === FrameType.ResetStream) this.fail(frame.stream, "reset");
  }

  /** No response will come any more. */
  failAll(error: string): void {
    for (const stream of [...this.waiting.keys()]) this.fail(stream, error);
  }

  /** No response will come on this stream. */
  fail(stream: number, error: string): void {
    const exchange = this.waiting.get(stream);
    if (exchange === undefined) return;
    this.waiting.delete(stream);
    this.log.settle(exchange, this.sideOf(exchange), error);
  }

  private takeHead({ stream, fields, endStream }: HeaderBlock, time: number): void {
    const exchange = this.waiting.get(stream);
    const status = Number(fieldOf(fields, ":status") ?? "0");
    if (exchange === undefined) {
      if (status >= 200) this.unasked(stream);
      return;
    }
    const side = this.sideOf(exchange);
    const grpcStatus = fieldOf(fields, "grpc-status") ?? "";
    if (wholeNumber.test(grpcStatus)) side.grpcStatus = Number(grpcStatus);
    if (status >= 200 && side.status === undefined) {
      side.status = status;
      side.firstByte = time;
      side.body = new BodyDigest(this.log.bodies, /[/+]json\b/i.test(fieldOf(fields, "content-type") ?? ""));
    }
    if (endStream) this.end(stream, exchange, time);
  }

  private takeBody(frame: Frame, time: number): void {
    const exchange = this.waiting.get(frame.stream);
    if (exchange === undefined) return;
    const content = contentOf(frame);
    if (content === undefined) this.broken = true;
    else this.sideOf(exchange).body?.add(content, 0, content.length);
    if ((frame.flags & FrameFlag.EndStream) !== 0) this.end(frame.stream, exchange, time);
  }

  private end(stream: number, exchange: Exchange, time: number): void {
    const side = this.sideOf(exchange);
    side.end = time;
    this.waiting.delete(stream);
    this.log.settle(exchange, side, side.status === undefined ? "malformed" : undefined);
  }

  private sideOf(exchange: Exchange): Side {
    return this.which === "live" ? exchange.live : exchange.shadow;
  }
}
