/**
 * A state of `@securechat/mls` as the port hands it about, and in storage.
 *
 *     base, pending := version u8 (1) | engine u8 (2) | the library's record
 *
 * Engine 1 was ts-mls: its states are not read any more.
 */
import { wipe } from '@securechat/crypto';
import type { Advanced as MlsAdvanced, GroupState as MlsState, PendingCommit } from '@securechat/mls';
import {
  decodeParts,
  decodePending,
  encodeBase,
  encodeMessageKeys,
  encodePending,
  MlsError,
  secretsOf,
  sharesBase,
} from '@securechat/mls';
import { concatBytes, SecureChatError } from '@securechat/wire';
import type { Advanced, GroupState, MlsEngine, PackedState } from '../engine.ts';
import { provider } from './provider.ts';

const VERSION = 1;
const ENGINE = 2;
const HEADER = Uint8Array.of(VERSION, ENGINE);

class Held {
  readonly mls: MlsState;
  /** Among what is wiped: zero makes the state refuse, before a zeroed key can be used as one. */
  readonly alive: Uint8Array = Uint8Array.of(1);
  /** Hash of the base it was last packed with or unpacked from. */
  baseHash: Uint8Array | undefined;

  constructor(mls: MlsState, baseHash?: Uint8Array) {
    this.mls = mls;
    this.baseHash = baseHash;
  }
}

export function hold(state: MlsState, baseHash?: Uint8Array): GroupState {
  return new Held(state, baseHash) as unknown as GroupState;
}

function held(state: GroupState): Held {
  const inside: unknown = state;
  if (!(inside instanceof Held)) throw new SecureChatError('INTERNAL', { text: 'A group state of another engine.' });
  if (inside.alive[0] !== 1) throw new SecureChatError('INTERNAL', { text: 'A group state was used after its end.' });
  return inside;
}

/** INTERNAL for a state that was wiped. */
export function mlsOf(state: GroupState): MlsState {
  return held(state).mls;
}

export function advanced(before: GroupState, { state, wipe: spent }: MlsAdvanced): Advanced {
  return { state: hold(state), epoch: epochOf(state), wipe: [held(before).alive, ...spent] };
}

export function epochOf({ context }: MlsState): number {
  return Number(context.epoch);
}

export const pack: MlsEngine['pack'] = (state, stored) => {
  const own = held(state);
  const there = stored === undefined ? undefined : held(stored);
  const known = there?.baseHash;
  if (there !== undefined && known !== undefined && sharesBase(there.mls, own.mls)) {
    own.baseHash = known;
    return { base: undefined, messageKeys: encodeMessageKeys(own.mls, known) };
  }
  const { record, hash } = encodeBase(own.mls);
  own.baseHash = hash;
  return { base: withHeader(record), messageKeys: encodeMessageKeys(own.mls, hash) };
};

export const unpack: MlsEngine['unpack'] = ({ base, messageKeys }: PackedState) => {
  const { state, hash } = reading(() => decodeParts(provider, { base: withoutHeader(base), messageKeys }));
  return hold(state, hash);
};

export const discard: MlsEngine['discard'] = (state) => {
  const inside: unknown = state;
  if (inside instanceof Held) wipe(...secretsOf(inside.mls), inside.alive);
};

export function packPending(pending: PendingCommit): Uint8Array {
  return withHeader(encodePending(pending));
}

/** PROFILE_DAMAGED, SCHEMA_NEWER. */
export function unpackPending(bytes: Uint8Array): PendingCommit {
  return reading(() => decodePending(provider, withoutHeader(bytes)));
}

function withHeader(record: Uint8Array): Uint8Array {
  const bytes = concatBytes(HEADER, record);
  wipe(record);
  return bytes;
}

function withoutHeader(bytes: Uint8Array): Uint8Array {
  const [version = 0, engine = 0] = bytes;
  if (version > VERSION || engine > ENGINE) throw new SecureChatError('SCHEMA_NEWER');
  if (version !== VERSION || engine !== ENGINE) throw new SecureChatError('PROFILE_DAMAGED');
  return bytes.subarray(HEADER.length);
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof MlsError) throw new SecureChatError('PROFILE_DAMAGED', {}, { cause });
    throw cause;
  }
}
