/**
 * Files of the people of a run, in memory. A crash cuts what was not synced; names are there at once. It has what
 * `node:fs/promises` is used for by transfers, and answers in the same turn, so that a seed replays.
 */
import { posix } from 'node:path';
import type { Chance } from './chance.ts';

interface VirtualFile {
  /** The same under every name that it has. */
  readonly ino: bigint;
  bytes: Uint8Array;
  size: number;
  syncedBytes: number;
}

/** Everything below it is virtual to whoever runs inside a world. */
export const FILES_ROOT = '/simulated';

export class VirtualFiles {
  readonly #files = new Map<string, VirtualFile>();
  #inos = 0n;

  /** Puts a whole file there. */
  put(path: string, bytes: Uint8Array): void {
    this.#files.set(path, this.#made(bytes));
  }

  /** Path and content of every file below a folder. */
  below(folder: string): readonly (readonly [path: string, bytes: Uint8Array])[] {
    const found = [...this.#files].filter(([path]) => path.startsWith(`${folder}/`));
    return found.map(([path, { bytes, size }]) => [path, bytes.subarray(0, size)] as const);
  }

  crash(folder: string, chance: Chance): void {
    for (const [path, file] of this.#files)
      if (path.startsWith(`${folder}/`)) file.size = chance.between(Math.min(file.syncedBytes, file.size), file.size);
  }

  async open(path: string, flags: string | number): Promise<VirtualHandle> {
    const found = this.#files.get(path);
    if (flags === 'r') return new VirtualHandle(found ?? (await this.#folder(path)));
    if (found !== undefined) throw failure('EEXIST');
    const file = this.#made(new Uint8Array(0));
    this.#files.set(path, file);
    return new VirtualHandle(file);
  }

  async stat(path: string): Promise<{ readonly size: number; isFile(): boolean }> {
    const file = this.#files.get(path);
    if (file === undefined) throw failure('ENOENT');
    return { size: file.size, isFile: () => true };
  }

  async lstat(path: string) {
    const { size, isFile } = await this.stat(path);
    return { dev: 0n, ino: this.#files.get(path)?.ino, size: BigInt(size), isFile };
  }

  /** There is room for everything. */
  async statfs() {
    return { bavail: 2n ** 40n, bsize: 1n };
  }

  async mkdir(): Promise<void> {}

  async rm(path: string): Promise<void> {
    this.#files.delete(path);
  }

  async link(from: string, to: string): Promise<void> {
    const file = this.#files.get(from);
    if (file === undefined) throw failure('ENOENT');
    if (this.#files.has(to)) throw failure('EEXIST');
    this.#files.set(to, file);
  }

  async rename(from: string, to: string): Promise<void> {
    const file = this.#files.get(from);
    if (file === undefined) throw failure('ENOENT');
    this.#files.delete(from);
    this.#files.set(to, file);
  }

  /** A folder can be opened to be synced. */
  async #folder(path: string): Promise<VirtualFile> {
    if (posix.extname(path) !== '') throw failure('ENOENT');
    return this.#made(new Uint8Array(0));
  }

  #made(bytes: Uint8Array): VirtualFile {
    this.#inos += 1n;
    return { ino: this.#inos, bytes, size: bytes.length, syncedBytes: bytes.length };
  }
}

class VirtualHandle {
  readonly #file: VirtualFile;

  constructor(file: VirtualFile) {
    this.#file = file;
  }

  async read(into: Uint8Array, at: number, count: number, from: number): Promise<{ readonly bytesRead: number }> {
    const { bytes, size } = this.#file;
    const piece = bytes.subarray(from, Math.min(size, from + count));
    into.set(piece, at);
    return { bytesRead: piece.length };
  }

  async write(bytes: Uint8Array, at: number, count: number, to: number): Promise<{ readonly bytesWritten: number }> {
    const file = this.#file;
    if (to + count > file.bytes.length) {
      const longer = new Uint8Array(to + count);
      longer.set(file.bytes.subarray(0, file.size));
      file.bytes = longer;
    }
    file.bytes.set(bytes.subarray(at, at + count), to);
    file.size = Math.max(file.size, to + count);
    return { bytesWritten: count };
  }

  async sync(): Promise<void> {
    this.#file.syncedBytes = this.#file.size;
  }

  async close(): Promise<void> {}
}

function failure(code: 'ENOENT' | 'EEXIST'): Error {
  return Object.assign(new Error(code), { code });
}
