/** The shadow's side of one live flow, as the flow sees it. */
export interface FlowLink {
  /** Request bytes that wait here or in the socket. */
  readonly queuedBytes: number;
  /** Whether nothing waits and no connection is open. */
  readonly idle: boolean;
  /** The live client has ended its direction; `outstanding` says whether it still waits for an answer. */
  clientEnded(outstanding: boolean): void;
  /** Live's client has reset its connection; `outstanding` says whether it still waited for an answer. */
  reset(outstanding: boolean): void;
  /** Gives up what is open; `error` is what unanswered exchanges get. */
  close(error: string): void;
  /** Lets what was sent be answered, then closes. */
  abandon(): void;
  /**
   * Takes back what was not sent, returns how many messages that were, and closes when the rest is answered. With `all` it
   * also resets a connection that still holds something, and takes back what that had not answered.
   */
  shed(all: boolean): number;
  /** Called now and then. */
  tick(time: number): void;
}
