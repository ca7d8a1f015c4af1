/**
 * Reading and writing of fixed binary layouts: big-endian integers, and byte strings behind a length (`vec16`, `vec32`).
 * The reader never trusts a length: what does not fit is MALFORMED, and so is anything left over at `end`.
 */
import { SecureChatError } from './codes.ts';

/** Big-endian, without a DataView: making one costs more than all that a frame needs of it. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** The caller has checked that there are four bytes. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

const utf8 = new TextEncoder();

export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  constructor(capacityBytes = 256) {
    this.#bytes = new Uint8Array(capacityBytes);
  }

  #room(count: number): number {
    const at = this.#at;
    const end = at + count;
    if (end > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      bigger.set(this.#bytes.subarray(0, at));
      this.#bytes = bigger;
    }
    this.#at = end;
    return at;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }
  u16(value: number): this {
    const at = this.#room(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }
  u32(value: number): this {
    const at = this.#room(4);
    writeU32(this.#bytes, at, value);
    return this;
  }
  /** A safe integer as 64 bits. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new SecureChatError('INTERNAL', { text: 'Not an unsigned safe integer.' });
    const at = this.#room(8);
    writeU32(this.#bytes, at, Math.floor(value / 2 ** 32));
    writeU32(this.#bytes, at + 4, value >>> 0);
    return this;
  }
  raw(value: Uint8Array): this {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }
  /** At most 65,535 bytes behind their length. */
  vec16(value: Uint8Array): this {
    if (value.length > 0xffff) throw new SecureChatError('TOO_LARGE');
    return this.u16(value.length).raw(value);
  }
  vec32(value: Uint8Array): this {
    return this.u32(value.length).raw(value);
  }
  text16(value: string): this {
    return this.vec16(utf8.encode(value));
  }
  /** The bytes written so far, owned by the caller. Not copied where the capacity was exact: a later write moves away. */
  done(): Uint8Array<ArrayBuffer> {
    return this.#at === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#at);
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at)
      throw new SecureChatError('MALFORMED', { text: 'A structure ends too early.' });
    this.#at = at + count;
    return at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
  u8(): number {
    return this.#bytes[this.#take(1)] ?? 0;
  }
  u16(): number {
    const at = this.#take(2);
    return ((this.#bytes[at] ?? 0) << 8) | (this.#bytes[at + 1] ?? 0);
  }
  u32(): number {
    return readU32(this.#bytes, this.#take(4));
  }
  /** MALFORMED above 2^53 - 1. */
  u64(): number {
    const at = this.#take(8);
    const high = readU32(this.#bytes, at);
    if (high > 0x1fffff) throw new SecureChatError('MALFORMED', { text: 'An integer is out of range.' });
    return high * 2 ** 32 + readU32(this.#bytes, at + 4);
  }
  /** A view, not a copy. */
  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }
  vec16(): Uint8Array {
    return this.raw(this.u16());
  }
  vec32(): Uint8Array {
    return this.raw(this.u32());
  }
  text16(): string {
    const bytes = this.vec16();
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      throw new SecureChatError('MALFORMED', { text: 'A text is not UTF-8.' }, { cause });
    }
  }
  rest(): Uint8Array {
    return this.raw(this.left);
  }
  /** MALFORMED when bytes are left over. */
  end(): void {
    if (this.left !== 0) throw new SecureChatError('MALFORMED', { text: 'A structure is followed by extra bytes.' });
  }
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
