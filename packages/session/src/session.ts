/**
 * An established session: records in both directions.
 *
 *     record := kind u8 (0x10, or 0x11: the last under its key) | ciphertext | tag 16
 *
 * ChaCha20-Poly1305. Nonce: 4 zero bytes | counter u64. Associated data: kind u8 | counter u64. The counter is never sent:
 * a record that is missing, repeated, out of order, from the other direction or from another session does not open.
 */
import { AEAD_TAG_BYTES, chacha20poly1305, wipe } from '@securechat/crypto';
import { limits, SecureChatError } from '@securechat/wire';
import { transportFrames } from './frames.ts';
import type { SessionKeys } from './keys.ts';
import { mixedKeys, nextRecordKey } from './keys.ts';
import { mixedTranscript } from './transcript.ts';

export const RECORD_OVERHEAD_BYTES = 1 + AEAD_TAG_BYTES;

export interface SessionStart {
  readonly role: 'client' | 'server';
  /** Owned by the session from here on. */
  readonly keys: SessionKeys;
  readonly transcript: Uint8Array;
  /** Monotonic or wall clock, ms; only differences count. */
  readonly nowMs: number;
  /** Default: `recordsPerKeyMax` of the limits. Both sides must agree. */
  readonly recordsPerKey?: number;
}

/** Mutable for speed: one object per connection, one key and counter per direction. */
export class Session {
  readonly #role: 'client' | 'server';
  readonly #recordsPerKey: number;
  readonly #sending: Direction;
  readonly #receiving: Direction;
  #chain: Uint8Array;
  #transcript: Uint8Array;
  #frameBytesMax: number = limits.frameBytesBeforeAuthMax.value;
  #dead = false;

  constructor(start: SessionStart) {
    this.#role = start.role;
    this.#recordsPerKey = start.recordsPerKey ?? limits.recordsPerKeyMax.value;
    this.#transcript = start.transcript;
    this.#chain = start.keys.chain;
    this.#sending = new Direction(start.keys[start.role], start.nowMs);
    this.#receiving = new Direction(start.keys[start.role === 'client' ? 'server' : 'client'], start.nowMs);
    wipe(start.keys.confirm);
  }

  /** Hash of all that the keys are bound to, 32 bytes; a mix replaces it. */
  get transcript(): Uint8Array {
    return this.#transcript;
  }

  /** True after a record that did not open, and after `wipe`. */
  get dead(): boolean {
    return this.#dead;
  }

  /** The largest transport frame from here on, both ways: 8 KiB before attach, 96 KiB after. */
  allow(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax;
  }

  /**
   * The plaintext as one or more records, each at most one transport frame; to be sent in order. Keys renew themselves
   * when due. CONNECTION_LOST on a dead session.
   */
  seal(plaintext: Uint8Array, nowMs: number): Uint8Array[] {
    if (this.#dead) throw new SecureChatError('CONNECTION_LOST');
    const pieceBytes = this.#frameBytesMax - RECORD_OVERHEAD_BYTES;
    if (plaintext.length <= pieceBytes) return [this.#sealRecord(plaintext, nowMs)];
    const records: Uint8Array[] = [];
    for (let at = 0; at < plaintext.length; at += pieceBytes)
      records.push(this.#sealRecord(plaintext.subarray(at, at + pieceBytes), nowMs));
    return records;
  }

  #sealRecord(plaintext: Uint8Array, nowMs: number): Uint8Array {
    const direction = this.#sending;
    const last = direction.counter === this.#recordsPerKey - 1 || tooOld(direction, nowMs);
    const kind = last ? transportFrames.lastRecord : transportFrames.record;
    numberNext(kind, direction.counter);
    const { key } = direction;
    const record = chacha20poly1305.seal({ key, nonce, aad, plaintext, headBytes: 1 });
    record[0] = kind;
    if (last) direction.renew(nowMs);
    else direction.counter += 1;
    return record;
  }

  /**
   * The plaintext of the next record (may be empty). Undefined for anything else: the session is dead then and its keys
   * are gone; close without saying why. Open records one by one: a mix between two of them changes the keys.
   */
  open(frame: Uint8Array): Uint8Array | undefined {
    if (this.#dead) return undefined;
    const plaintext = this.#openRecord(frame);
    if (plaintext === undefined) this.wipe();
    return plaintext;
  }

  #openRecord(frame: Uint8Array): Uint8Array | undefined {
    if (frame.length < RECORD_OVERHEAD_BYTES || frame.length > this.#frameBytesMax) return undefined;
    const kind = frame[0];
    const last = kind === transportFrames.lastRecord;
    if (!last && kind !== transportFrames.record) return undefined;
    const direction = this.#receiving;
    if (!last && direction.counter >= this.#recordsPerKey - 1) return undefined;
    numberNext(kind, direction.counter);
    const { key } = direction;
    const plaintext = chacha20poly1305.open({ key, nonce, aad, ciphertext: frame.subarray(1) });
    if (plaintext === undefined) return undefined;
    // The sender watches the age of its key; here only the order counts.
    if (last) direction.renew(direction.bornMs);
    else direction.counter += 1;
    return plaintext;
  }

  /**
   * Replaces the keys of both directions by ones that also need `secret` and that are bound to `extra`. Both sides must
   * do it between the same two records: the side that speaks last under the old keys right after sealing that record,
   * the other right after opening it, and neither may have anything else under way. The caller wipes `secret`.
   */
  mixBoth(secret: Uint8Array, extra: Uint8Array, nowMs: number): void {
    if (this.#dead) throw new SecureChatError('CONNECTION_LOST');
    this.#transcript = mixedTranscript(this.#transcript, extra);
    const keys = mixedKeys(this.#chain, secret, this.#transcript);
    wipe(this.#chain, keys.confirm);
    this.#chain = keys.chain;
    this.#sending.replace(keys[this.#role], nowMs);
    this.#receiving.replace(keys[this.#role === 'client' ? 'server' : 'client'], nowMs);
  }

  /** True when the next sealed record will be the last under its key; an idle side may seal an empty one to get there. */
  rekeyDue(nowMs: number): boolean {
    return this.#sending.counter === this.#recordsPerKey - 1 || tooOld(this.#sending, nowMs);
  }

  /** Forgets all keys; the session is dead. */
  wipe(): void {
    this.#dead = true;
    wipe(this.#chain, this.#sending.key, this.#receiving.key);
  }
}

/** Of the record that is sealed or opened now: shared by all sessions, since neither waits for anything. */
const nonce = new Uint8Array(12);
const aad = new Uint8Array(9);
const nonceView = new DataView(nonce.buffer);
const aadView = new DataView(aad.buffer);

/** The counter stays below 2^20, so 32 of its 64 bits move. */
function numberNext(kind: number, counter: number): void {
  nonceView.setUint32(8, counter);
  aadView.setUint8(0, kind);
  aadView.setUint32(5, counter);
}

function tooOld(direction: Direction, nowMs: number): boolean {
  return nowMs - direction.bornMs >= limits.recordKeyAgeMsMax.value;
}

class Direction {
  key: Uint8Array;
  counter = 0;
  bornMs: number;

  constructor(key: Uint8Array, nowMs: number) {
    this.key = key;
    this.bornMs = nowMs;
  }

  renew(nowMs: number): void {
    this.replace(nextRecordKey(this.key), nowMs);
  }

  replace(key: Uint8Array, nowMs: number): void {
    wipe(this.key);
    this.key = key;
    this.counter = 0;
    this.bornMs = nowMs;
  }
}
