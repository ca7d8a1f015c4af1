/**
 * The TLS presentation language, reading (RFC 9420 §2.1). Nothing is allocated by a length that the input claims: a
 * vector longer than what is left is malformed, and a list may have at most as many items as its reader says. Structures
 * do not nest into themselves, so depth is bounded by the types. Byte strings are views of the input.
 */
import { MlsError } from '../errors.ts';
import { EMPTY } from './bytes.ts';

/** Items of a list unless its field says another number. */
const ITEMS_MAX = 1024;

export class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = bytes.length;
  }

  get position(): number {
    return this.#at;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#bytes[at] ?? 0;
  }

  u16(): number {
    return (this.u8() << 8) | this.u8();
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16();
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** That many bytes, as a view. */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return length === 0 ? EMPTY : this.#bytes.subarray(at, at + length);
  }

  /** A length header (RFC 9420 §2.1.2): prefix 11 and more bytes than necessary are malformed. */
  length(): number {
    const first = this.u8();
    const prefix = first >>> 6;
    if (prefix === 0) return first;
    if (prefix === 1) {
      const value = ((first & 0x3f) << 8) | this.u8();
      if (value < 0x40) throw new MlsError('malformed', 'length not in its shortest form, §2.1.2');
      return value;
    }
    if (prefix === 3) throw new MlsError('malformed', 'length prefix 11, §2.1.2');
    const value = ((first & 0x3f) << 24) | (this.u8() << 16) | this.u16();
    if (value < 0x4000) throw new MlsError('malformed', 'length not in its shortest form, §2.1.2');
    return value;
  }

  /** `opaque<V>`, as a view. */
  vector(): Uint8Array {
    return this.raw(this.length());
  }

  /** A vector of structures. */
  list<T>(read: (reader: Reader) => T, itemsMax: number = ITEMS_MAX): T[] {
    const end = this.length() + this.#at;
    const outer = this.#end;
    if (end > outer) throw new MlsError('malformed', 'vector longer than its input');
    this.#end = end;
    const items: T[] = [];
    while (this.#at < end) {
      if (items.length === itemsMax) throw new MlsError('limit', 'items of a list');
      const before = this.#at;
      items.push(read(this));
      if (this.#at === before) throw new MlsError('malformed', 'empty item');
    }
    this.#end = outer;
    return items;
  }

  optional<T>(read: (reader: Reader) => T): T | undefined {
    const present = this.u8();
    if (present > 1) throw new MlsError('malformed', 'optional, §2.1.1');
    return present === 1 ? read(this) : undefined;
  }

  /** The bytes from an earlier `position` to here, as a view. */
  since(position: number): Uint8Array {
    return this.#bytes.subarray(position, this.#at);
  }

  /** Everything left, as a view. */
  rest(): Uint8Array {
    return this.raw(this.left);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw new MlsError('malformed', 'truncated');
    this.#at = at + count;
    return at;
  }
}

/** Reads one value that must fill the input; `malformed` otherwise. */
export function decode<T>(bytes: Uint8Array, read: (reader: Reader) => T): T {
  const reader = new Reader(bytes);
  const value = read(reader);
  if (reader.left !== 0) throw new MlsError('malformed', 'bytes after the end');
  return value;
}
