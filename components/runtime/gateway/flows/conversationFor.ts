import type { Conversation, FlowContext } from "../compare/conversation";
import { framingOf } from "../compare/framings";
import { Http1Conversation } from "../compare/http1Conversation";
import { RawConversation } from "../compare/rawConversation";

/** What is known of a flow when its conversation begins. */
export interface FlowOpening {
  /** Undefined where its first bytes tell nothing. */
  application: string | undefined;
  /** Some of the client's first bytes are lost. */
  holeInOpening: boolean;
  serverSpoke: boolean;
}

/** The conversation of a flow that is not HTTP/2, whose connection to the shadow is of another kind. */
export function conversationFor(
  flow: FlowContext,
  { application, holeInOpening, serverSpoke }: FlowOpening,
): Conversation {
  const unknown = application === undefined && holeInOpening && serverSpoke;
  const searching = application === undefined && !unknown && (flow.midStream || holeInOpening);
  if (application === "http1" || searching) return new Http1Conversation(flow);
  const framing = framingOf(application);
  const midStream = flow.midStream && framing?.sessionless === true;
  return new RawConversation(flow, { index: 0, afterUpgrade: false, application, framing, unknown, midStream });
}
