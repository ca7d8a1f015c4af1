/**
 * What a sealed backup contains: files behind their names, in pieces of any size.
 *
 *     content := ( name vec16 | bytes u64 | file )+
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { ByteReader, ByteWriter } from '@securechat/wire';
import { StartError } from '../start-error.ts';
import { isBackupName } from './manifest.ts';
import { filesIn } from './place.ts';

/** Pieces that are sealed one by one. */
export const CHUNK_BYTES: number = 1024 * 1024;
const NAME_BYTES_MAX = 256;

/** The content in pieces of 1 MiB, the last one shorter. */
export function* chunksOf(folder: string): Generator<Uint8Array> {
  let chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  for (const name of filesIn(folder)) {
    const file = openSync(join(folder, name), 'r');
    try {
      let left = fstatSync(file).size;
      let head: Uint8Array = new ByteWriter(NAME_BYTES_MAX).vec16(new TextEncoder().encode(name)).u64(left).done();
      while (left > 0 || head.length > 0) {
        if (filled === CHUNK_BYTES) {
          yield chunk;
          [chunk, filled] = [new Uint8Array(CHUNK_BYTES), 0];
        }
        if (head.length > 0) {
          const count = Math.min(head.length, CHUNK_BYTES - filled);
          chunk.set(head.subarray(0, count), filled);
          head = head.subarray(count);
          filled += count;
        } else {
          const count = readSync(file, chunk, filled, Math.min(left, CHUNK_BYTES - filled), null);
          if (count === 0) throw new StartError(2, `${name} changed while it was sealed.`);
          left -= count;
          filled += count;
        }
      }
    } finally {
      closeSync(file);
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** One file of a sealed backup, as it is read. */
export interface Receiver {
  take(piece: Uint8Array): void;
  end(): void;
}

/** The parser of `content`, over pieces of any size. */
export class Content {
  readonly #receive: (name: string) => Receiver;
  #held: Uint8Array = new Uint8Array(0);
  #file: Receiver | undefined;
  #left = 0;
  #files = 0;

  constructor(receive: (name: string) => Receiver) {
    this.#receive = receive;
  }

  /** Between two files, and at least one was there. */
  get complete(): boolean {
    return this.#files > 0 && this.#file === undefined && this.#held.length === 0;
  }

  /** False for what no backup contains. */
  take(piece: Uint8Array): boolean {
    let rest: Uint8Array = this.#held.length > 0 ? Buffer.concat([this.#held, piece]) : piece;
    this.#held = new Uint8Array(0);
    for (;;) {
      if (this.#file === undefined) {
        const head = readHead(rest);
        if (head === 'more') this.#held = rest;
        if (head === 'more') return rest.length <= NAME_BYTES_MAX + 10;
        if (head === undefined) return false;
        rest = rest.subarray(head.bytes);
        this.#left = head.size;
        this.#file = this.#receive(head.name);
      }
      const part = rest.subarray(0, this.#left);
      if (part.length > 0) this.#file.take(part);
      this.#left -= part.length;
      rest = rest.subarray(part.length);
      if (this.#left > 0) return true;
      this.#file.end();
      this.#file = undefined;
      this.#files += 1;
    }
  }
}

function readHead(
  bytes: Uint8Array,
): { readonly name: string; readonly size: number; readonly bytes: number } | 'more' | undefined {
  if (bytes.length < 2) return 'more';
  const nameBytes = new ByteReader(bytes).u16();
  const headBytes = 2 + nameBytes + 8;
  if (nameBytes > NAME_BYTES_MAX) return undefined;
  if (bytes.length < headBytes) return 'more';
  const reader = new ByteReader(bytes.subarray(0, headBytes));
  const name = new TextDecoder().decode(reader.vec16());
  return isBackupName(name) ? { name, size: reader.u64(), bytes: headBytes } : undefined;
}
