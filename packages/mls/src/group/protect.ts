/** Sending: signed content under the keys of the current epoch (RFC 9420 §6.2, §6.3). */
import type { Entropy } from '../crypto/provider.ts';
import type { AuthenticatedContent } from '../framing/authenticated-content.ts';
import { encodeMessage } from '../framing/message.ts';
import type { Padding } from '../framing/private-message.ts';
import { protect, unpadded } from '../framing/private-message.ts';
import { membershipTag } from '../framing/public-message.ts';
import { encodeGroupContext } from '../schedule/group-context.ts';
import { takeNext } from '../schedule/secret-tree.ts';
import type { GroupState } from './state.ts';

export interface ProtectContentInput {
  readonly message: AuthenticatedContent;
  readonly padding: Padding | undefined;
  readonly entropy: Entropy;
}

/** The message for the wire, and the state whose next message takes another key. */
export function protectContent(
  state: GroupState,
  { message, padding = unpadded, entropy }: ProtectContentInput,
): { readonly state: GroupState; readonly bytes: Uint8Array; readonly wipe: readonly Uint8Array[] } {
  const { suite, context, secrets } = state;
  if (message.format === 'public') {
    const tag = membershipTag(suite, {
      message,
      context: encodeGroupContext(context),
      membershipKey: secrets.membership,
    });
    const publicMessage = { message, membershipTag: tag };
    return { state, bytes: encodeMessage({ kind: 'public-message', publicMessage }), wipe: [] };
  }
  const kind = message.content.body.kind === 'application' ? 'application' : 'handshake';
  const key = takeNext(state.secretTree, { leaf: state.ownLeaf, kind });
  const privateMessage = protect(suite, { message, key, senderDataSecret: secrets.senderData, padding, entropy });
  const bytes = encodeMessage({ kind: 'private-message', privateMessage });
  return { state: { ...state, secretTree: key.tree }, bytes, wipe: key.wipe };
}
