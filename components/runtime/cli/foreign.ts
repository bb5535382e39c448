import type { ForeignNetwork } from "../../lab/leftovers";

/** What people should know of a network that this state folder does not know. */
export function foreignSentence({ network, namespaces, stateFolder }: ForeignNetwork): string {
  const what = `network "${network}" with ${namespaces} namespaces`;
  return stateFolder === undefined
    ? `${what} is of another state folder, or of one that was deleted; nothing runs in it that says which`
    : `${what} belongs to another state folder, ${stateFolder}`;
}

/** How somebody removes such a network. */
export function foreignCure({ network, stateFolder }: ForeignNetwork): string {
  return stateFolder === undefined
    ? `if nobody needs it: for n in $(ls /run/netns | grep '^sn\\.${network}\\.'); do ip netns del "$n"; done`
    : `if nobody needs it: SHADOWNET_STATE=${stateFolder} shadownet down`;
}
