/**
 * Our extension of the MLS group context (type 0xF101): what kind of conversation a group is. Members agree on it by
 * MLS itself, and no commit may change it.
 *
 *     version u8 (1) | kind u8 (1 = direct) | generation u64 | predecessor 16, or zeros | account 16 | account 16, sorted
 */
import type { AccountId, GroupId } from '@securechat/wire';
import { ByteReader, ByteWriter, ID_BYTES, idBytes, idOf, SecureChatError } from '@securechat/wire';

const VERSION = 1;
const DIRECT = 1;
const CONTEXT_BYTES = 2 + 8 + 3 * ID_BYTES;

export interface DirectContext {
  readonly kind: 'direct';
  /** 1.. within the slot of the two identities. */
  readonly generation: number;
  /** The group this one follows. */
  readonly predecessor: GroupId | undefined;
  /** Sorted by their bytes. */
  readonly accounts: readonly [AccountId, AccountId];
}

export interface DirectContextInput {
  readonly generation: number;
  readonly predecessor: GroupId | undefined;
  readonly accounts: readonly [AccountId, AccountId];
}

/** SELF for two equal accounts. */
export function encodeDirectContext(input: DirectContextInput): Uint8Array<ArrayBuffer> {
  const [low, high] = sortedAccounts(input.accounts);
  if (low === high) throw new SecureChatError('SELF');
  return new ByteWriter(CONTEXT_BYTES)
    .u8(VERSION)
    .u8(DIRECT)
    .u64(input.generation)
    .raw(input.predecessor === undefined ? new Uint8Array(ID_BYTES) : idBytes(input.predecessor))
    .raw(idBytes(low))
    .raw(idBytes(high))
    .done();
}

/** Undefined for any other kind or version, and for anything not in canonical form. */
export function decodeDirectContext(bytes: Uint8Array): DirectContext | undefined {
  if (bytes.length !== CONTEXT_BYTES || bytes[0] !== VERSION || bytes[1] !== DIRECT) return undefined;
  const reader = new ByteReader(bytes.subarray(2));
  try {
    const generation = reader.u64();
    const predecessor = reader.raw(ID_BYTES);
    const accounts = [idOf<AccountId>(reader.raw(ID_BYTES)), idOf<AccountId>(reader.raw(ID_BYTES))] as const;
    const [low, high] = sortedAccounts(accounts);
    if (generation < 1 || low === high || low !== accounts[0]) return undefined;
    const isFirst = predecessor.every((byte) => byte === 0);
    return { kind: 'direct', generation, predecessor: isFirst ? undefined : idOf<GroupId>(predecessor), accounts };
  } catch (error) {
    if (error instanceof SecureChatError) return undefined;
    throw error;
  }
}

/** By their bytes: the order of base64url text is another. */
export function sortedAccounts([a, b]: readonly [AccountId, AccountId]): readonly [AccountId, AccountId] {
  return compareBytes(idBytes(a), idBytes(b)) <= 0 ? [a, b] : [b, a];
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (const [at, byte] of a.entries()) {
    const other = b[at] ?? 0;
    if (byte !== other) return byte - other;
  }
  return 0;
}
