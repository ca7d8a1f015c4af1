/** File ciphertext of the server of a run: what was not finished may be cut by a crash, down to what was flushed. */
import type { Blobs } from '@securechat/server/parts';
import type { BlobId } from '@securechat/wire';
import type { Chance } from './chance.ts';

interface Blob {
  readonly bytes: Uint8Array;
  readonly finished: boolean;
}

export type BlobImage = ReadonlyMap<BlobId, Blob>;

const FREE_BYTES = 1e12;

export class ServerBlobs implements Blobs {
  #blobs = new Map<BlobId, Blob>();

  async create(blob: BlobId): Promise<void> {
    if (!this.#blobs.has(blob)) this.#blobs.set(blob, { bytes: new Uint8Array(0), finished: false });
  }
  async size(blob: BlobId): Promise<number> {
    return this.#blobs.get(blob)?.bytes.length ?? 0;
  }
  async append(blob: BlobId, offset: number, part: Uint8Array): Promise<void> {
    const before = this.#blobs.get(blob)?.bytes;
    if (before?.length !== offset) throw new Error('a part at another place than the end');
    const bytes = new Uint8Array(offset + part.length);
    bytes.set(before);
    bytes.set(part, offset);
    this.#blobs.set(blob, { bytes, finished: false });
  }
  async finish(blob: BlobId): Promise<void> {
    const known = this.#blobs.get(blob);
    if (known !== undefined) this.#blobs.set(blob, { ...known, finished: true });
  }
  async read(blob: BlobId, offset: number, length: number): Promise<Uint8Array> {
    return this.#blobs.get(blob)?.bytes.slice(offset, offset + length) ?? new Uint8Array(0);
  }
  async remove(blob: BlobId): Promise<void> {
    this.#blobs.delete(blob);
  }
  async list(): Promise<readonly BlobId[]> {
    return [...this.#blobs.keys()];
  }
  async freeBytes(): Promise<number> {
    return FREE_BYTES;
  }

  crash(chance: Chance): void {
    for (const [id, { bytes, finished }] of this.#blobs)
      if (!finished) this.#blobs.set(id, { bytes: bytes.slice(0, chance.between(0, bytes.length)), finished });
  }

  copy(): BlobImage {
    return new Map(this.#blobs);
  }
  restore(image: BlobImage): void {
    this.#blobs = new Map(image);
  }
}
