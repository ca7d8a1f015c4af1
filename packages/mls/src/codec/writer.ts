/**
 * The TLS presentation language, writing (RFC 9420 §2.1). Numbers are big-endian; a vector has the shortest of three
 * length headers:
 *
 *     00 + 6 bits | 01 + 14 bits | 10 + 30 bits
 */
import { MlsError } from '../errors.ts';

const VECTOR_BYTES_MAX = 2 ** 30 - 1;

export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  /** `room`: to start with, memory of the caller's or so many bytes. */
  constructor(room: Uint8Array | number = 256) {
    this.#bytes = typeof room === 'number' ? new Uint8Array(room) : room;
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
    return this;
  }

  u64(value: bigint): this {
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn));
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  zeros(count: number): this {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  /** `opaque<V>`. */
  vector(bytes: Uint8Array): this {
    return this.vectorHeader(bytes.length).raw(bytes);
  }

  /** The length in front of a vector whose bytes follow in pieces. */
  vectorHeader(size: number): this {
    if (size > VECTOR_BYTES_MAX) throw new MlsError('limit', 'vector');
    const bytes = headerBytes(size);
    if (bytes === 1) return this.u8(size);
    return bytes === 2 ? this.u16(0x4000 | size) : this.u32((0x8000_0000 | size) >>> 0);
  }

  /** A vector of structures: whatever `write` writes, with its length in front. */
  vectorOf(write: (writer: this) => void): this {
    const start = this.#length;
    write(this);
    const size = this.#length - start;
    const shift = headerBytes(size);
    this.#grow(shift);
    this.#bytes.copyWithin(start + shift, start, start + size);
    this.#length = start;
    this.vectorHeader(size);
    this.#length = start + shift + size;
    return this;
  }

  list<T>(items: Iterable<T>, write: (writer: this, item: T) => void): this {
    return this.vectorOf(() => {
      for (const item of items) write(this, item);
    });
  }

  optional<T>(value: T | undefined, write: (writer: this, value: T) => void): this {
    if (value === undefined) return this.u8(0);
    write(this.u8(1), value);
    return this;
  }

  /** What was written, as a copy of exactly that size. */
  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** As `done` without the copy: for what is hashed, signed or sealed at once, and by a writer that is then dropped. */
  view(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#length);
  }

  /** As `done`, and nothing secret stays in the buffer. */
  doneSecret(): Uint8Array {
    const bytes = this.done();
    this.#bytes.fill(0);
    return bytes;
  }

  #grow(by: number): number {
    const at = this.#length;
    const length = at + by;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes.fill(0);
      this.#bytes = larger;
    }
    this.#length = length;
    return at;
  }
}

/** Of `opaque<V>`, with its header. */
export function vectorBytes({ length }: Uint8Array): number {
  return headerBytes(length) + length;
}

function headerBytes(size: number): 1 | 2 | 4 {
  if (size < 0x40) return 1;
  return size < 0x4000 ? 2 : 4;
}

/** The encoding of one value. */
export function encode(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer();
  write(writer);
  return writer.done();
}
