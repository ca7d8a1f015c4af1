/**
 * One sender's chain of message keys (RFC 9420 §9.1), read out of order within a window. A value: a step gives another
 * ratchet and names what it used up.
 */
import { AEAD_NONCE_BYTES } from '../crypto/hpke.ts';
import { deriveTreeSecret } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';

export interface MessageKey {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

export interface Ratchet {
  /** The generation that `secret` gives. */
  readonly generation: number;
  readonly secret: Uint8Array;
  /** Keys passed over, ascending by generation. */
  readonly skipped: ReadonlyMap<number, MessageKey>;
}

/** Bounds of work and memory that a sender can cause. */
export interface Window {
  /** How many generations behind the newest a key is kept. */
  readonly backMax: number;
  /** How many generations a message may be ahead. */
  readonly forwardMax: number;
}

export interface RatchetStep {
  readonly ratchet: Ratchet;
  readonly key: MessageKey;
  /** In no use once the new ratchet is stored and the message is done. */
  readonly wipe: readonly Uint8Array[];
}

const GENERATION_MAX = 2 ** 32 - 1;
const none: ReadonlyMap<number, MessageKey> = new Map();

export function ratchetOf(secret: Uint8Array): Ratchet {
  return { generation: 0, secret, skipped: none };
}

/** The next key, for sending. */
export function advance(suite: Suite, ratchet: Ratchet): RatchetStep {
  if (ratchet.generation >= GENERATION_MAX) throw new MlsError('limit', 'generations of an epoch');
  const key = keyAt(suite, ratchet);
  const secret = nextSecret(suite, ratchet);
  return {
    ratchet: { ...ratchet, generation: ratchet.generation + 1, secret },
    key,
    wipe: [ratchet.secret, key.key, key.nonce],
  };
}

/** The key of any generation within the window: `replayed`, `too-old`, `too-far-ahead`. */
export function seek(suite: Suite, ratchet: Ratchet, input: { generation: number; window: Window }): RatchetStep {
  const { generation, window } = input;
  if (generation < ratchet.generation) return takeSkipped(ratchet, generation, window);
  if (generation - ratchet.generation > window.forwardMax) throw new MlsError('too-far-ahead');
  if (generation >= GENERATION_MAX) throw new MlsError('limit', 'generations of an epoch');
  const oldest = generation + 1 - window.backMax;
  const skipped = new Map<number, MessageKey>();
  const wipe: Uint8Array[] = [];
  for (const [at, key] of ratchet.skipped) {
    if (at >= oldest) skipped.set(at, key);
    else wipe.push(key.key, key.nonce);
  }
  let at = ratchet;
  while (at.generation < generation) {
    if (at.generation >= oldest) skipped.set(at.generation, keyAt(suite, at));
    const secret = nextSecret(suite, at);
    wipe.push(at.secret);
    at = { generation: at.generation + 1, secret, skipped };
  }
  const step = advance(suite, { ...at, skipped });
  return { ...step, wipe: [...wipe, ...step.wipe] };
}

function takeSkipped(ratchet: Ratchet, generation: number, window: Window): RatchetStep {
  const key = ratchet.skipped.get(generation);
  if (key === undefined)
    throw new MlsError(generation < ratchet.generation - window.backMax ? 'too-old' : 'replayed', 'generation');
  const skipped = new Map(ratchet.skipped);
  skipped.delete(generation);
  return { ratchet: { ...ratchet, skipped }, key, wipe: [key.key, key.nonce] };
}

function keyAt(suite: Suite, { secret, generation }: Ratchet): MessageKey {
  return {
    key: deriveTreeSecret(suite, { secret, label: 'key', generation, length: suite.keyBytes }),
    nonce: deriveTreeSecret(suite, { secret, label: 'nonce', generation, length: AEAD_NONCE_BYTES }),
  };
}

function nextSecret(suite: Suite, { secret, generation }: Ratchet): Uint8Array {
  return deriveTreeSecret(suite, { secret, label: 'secret', generation, length: suite.hashBytes });
}

export function* secretsOfRatchet(ratchet: Ratchet): Generator<Uint8Array> {
  yield ratchet.secret;
  for (const { key, nonce } of ratchet.skipped.values()) {
    yield key;
    yield nonce;
  }
}
