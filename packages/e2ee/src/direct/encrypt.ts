/** A message of ours in a direct conversation. */
import type { Entropy } from '@securechat/crypto';
import { wipe } from '@securechat/crypto';
import type { GroupId } from '@securechat/wire';
import { defaultLimits, SecureChatError } from '@securechat/wire';
import type { ContentDraft } from '../content.ts';
import { encodeContent } from '../content.ts';
import type { OwnDevice } from '../credential.ts';
import type { Advanced, GroupState, MlsEngine } from '../engine.ts';
import { chainData } from './chain-data.ts';

/** What a step of ours on an existing conversation needs. */
export interface ConversationInput {
  readonly engine: MlsEngine;
  readonly me: OwnDevice;
  readonly group: GroupId;
  readonly state: GroupState;
  readonly entropy: Entropy;
}

export interface EncryptedContent extends Advanced {
  /** The payload of a `message` submit. */
  readonly ciphertext: Uint8Array;
}

/** TEXT_TOO_LONG, TOO_LARGE. The chain number must be the next of this device and group, or that of a refused one. */
export function encryptContent(
  input: ConversationInput & { readonly chainNumber: number; readonly content: ContentDraft },
): EncryptedContent {
  const { engine, me, state, entropy, chainNumber } = input;
  const plaintext = encodeContent({ ...input.content, chainNumber });
  const aad = chainData(input.group, chainNumber);
  const encrypted = engine.encrypt({ state, signing: me.signing, aad, plaintext, entropy });
  wipe(plaintext);
  if (encrypted.ciphertext.length > defaultLimits.messageBytesMax) throw new SecureChatError('TOO_LARGE');
  return encrypted;
}
