/**
 * The safety number: what two people compare to know that nobody stands between them (docs/protocol/conversations.md).
 * Equal on both sides and in every client; it changes when one of the identities changes.
 *
 *     part(p) := vec16 user name (UTF-8) | account id 16 | SHA-256 of the identity SPKI 32
 *     data    := "securechat/safety v1" | vec16 server fingerprint | part(low) | part(high)     by account id
 *     h       := SHA-512(data), then 5,199 times h := SHA-512(h | data)
 *
 * Digits: the first 60 bytes of h, five at a time, big-endian modulo 100,000: twelve groups of five digits.
 */
import type { AccountCertificate } from '@securechat/crypto';
import { sha512 } from '@securechat/crypto';
import type { AccountId, Fingerprint } from '@securechat/wire';
import { ByteWriter, concatBytes, idBytes, SecureChatError } from '@securechat/wire';
import { sortedAccounts } from './group-context.ts';

const LABEL = 'securechat/safety v1';
/** Makes a forged pair of identities with equal digits that much dearer to search for. */
const ROUNDS = 5200;
const GROUPS = 12;
const GROUP_BYTES = 5;

/** What of a person goes in. */
export interface SafetyPart {
  readonly account: AccountId;
  readonly username: string;
  /** SHA-256 of the identity's SPKI, 32 bytes. */
  readonly identityHash: Uint8Array;
}

export interface SafetyNumber {
  /** Twelve groups of five digits, separated by spaces. */
  readonly digits: string;
  /** All of h (64 bytes): what a QR code carries. */
  readonly hash: Uint8Array;
}

export function safetyPart(certificate: AccountCertificate): SafetyPart {
  const { account, username, identity } = certificate;
  return { account, username, identityHash: identity.spkiHash };
}

/** About 10 ms. SELF for twice the same account. */
export function safetyNumber(server: Fingerprint, a: SafetyPart, b: SafetyPart): SafetyNumber {
  if (a.account === b.account) throw new SecureChatError('SELF');
  const [low] = sortedAccounts([a.account, b.account]);
  const writer = new ByteWriter(256).raw(new TextEncoder().encode(LABEL)).text16(server);
  for (const part of low === a.account ? [a, b] : [b, a])
    writer.text16(part.username).raw(idBytes(part.account)).raw(part.identityHash);
  const data = writer.done();
  let hash = sha512(data);
  for (let round = 1; round < ROUNDS; round += 1) hash = sha512(concatBytes(hash, data));
  return { digits: digitsOf(hash), hash };
}

function digitsOf(hash: Uint8Array): string {
  const view = new DataView(hash.buffer, hash.byteOffset);
  const groups = Array.from({ length: GROUPS }, (_, group) => {
    const at = group * GROUP_BYTES;
    const value = view.getUint8(at) * 2 ** 32 + view.getUint32(at + 1);
    return String(value % 100_000).padStart(5, '0');
  });
  return groups.join(' ');
}
