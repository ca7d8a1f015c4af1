/**
 * The cipher of files (docs/protocol/files.md): chunks under a key of their own, so that each can be verified before it is
 * written, and neither truncation nor reordering, duplication or extension passes.
 *
 *     nonce = 4 zero bytes | index u64
 *     aad   = "securechat/file v1" | blob id 16 | index u64 | count u64 | total bytes u64
 *     blob  = chunk 0 | tag 16 | chunk 1 | tag 16 | …        root = SHA-256 over SHA-256(chunk | tag) of all, in order
 *
 * A key is used for one blob only; a chunk index is sealed once, except to repeat the same bytes.
 */
import type { Entropy } from '@securechat/crypto';
import { AEAD_TAG_BYTES, aes256gcm, equal, hasher, sha256 } from '@securechat/crypto';
import type { BlobId } from '@securechat/wire';
import { ByteWriter, defaultLimits, idBytes, SecureChatError } from '@securechat/wire';

const LABEL = new TextEncoder().encode('securechat/file v1');
export const FILE_KEY_BYTES = 32;

/** What both sides must agree on. */
export interface FileShape {
  readonly blob: BlobId;
  /** 32 bytes, for this blob alone. */
  readonly key: Uint8Array;
  /** Plaintext bytes of every chunk but the last: 1 to `fileChunkBytesMax`. */
  readonly chunkBytes: number;
  /** Plaintext bytes of the file. */
  readonly totalBytes: number;
}

export function createFileKey(entropy: Entropy): Uint8Array {
  return entropy(FILE_KEY_BYTES);
}

/** At least one: an empty file has one empty chunk. */
export function chunkCount({ chunkBytes, totalBytes }: Pick<FileShape, 'chunkBytes' | 'totalBytes'>): number {
  return Math.max(1, Math.ceil(totalBytes / chunkBytes));
}

/** Size of the whole blob. */
export function blobBytes(shape: Pick<FileShape, 'chunkBytes' | 'totalBytes'>): number {
  return shape.totalBytes + chunkCount(shape) * AEAD_TAG_BYTES;
}

/** Where a chunk lies: in the file and in the blob. */
export function chunkPlace(shape: Pick<FileShape, 'chunkBytes' | 'totalBytes'>, index: number) {
  const start = index * shape.chunkBytes;
  const bytes = Math.min(shape.chunkBytes, shape.totalBytes - start);
  return {
    fileOffset: start,
    fileBytes: bytes,
    blobOffset: index * (shape.chunkBytes + AEAD_TAG_BYTES),
    blobBytes: bytes + AEAD_TAG_BYTES,
  };
}

export interface FileSealer {
  /** Chunks in order from 0. INTERNAL for a chunk out of turn or of a wrong size. */
  seal(plaintext: Uint8Array): Uint8Array<ArrayBuffer>;
  /** After the last chunk: the ciphertext root and the hash of the plaintext, 32 bytes each. */
  finish(): { readonly root: Uint8Array; readonly sha256: Uint8Array };
}

/** Streams a file into a blob. A resumed upload seals from 0 again and sends what is missing: the bytes are the same. */
export function fileSealer(shape: FileShape): FileSealer {
  insistOnShape(shape);
  const count = chunkCount(shape);
  const roots = hasher('sha256');
  const plain = hasher('sha256');
  let index = 0;
  return {
    seal(plaintext) {
      if (index >= count || plaintext.length !== chunkPlace(shape, index).fileBytes)
        throw new SecureChatError('INTERNAL', { text: 'A chunk of a file has a wrong size or place.' });
      const ciphertext = aes256gcm.seal({ ...chunkUse(shape, index), plaintext });
      roots.update(sha256(ciphertext));
      plain.update(plaintext);
      index += 1;
      return ciphertext;
    },
    finish() {
      if (index !== count) throw new SecureChatError('INTERNAL', { text: 'A file is not complete.' });
      return { root: roots.digest(), sha256: plain.digest() };
    },
  };
}

export interface FileOpener {
  /**
   * Chunks in order from 0, `chunkPlace(…).blobBytes` each. Undefined for a chunk that is not exactly this one: the file
   * is damaged, and nothing more is opened.
   */
  open(ciphertext: Uint8Array): Uint8Array<ArrayBuffer> | undefined;
  /** After the last chunk: whether root and hash are those announced. */
  verify(announced: { readonly root: Uint8Array; readonly sha256: Uint8Array }): boolean;
}

/** MALFORMED for a shape that no sender makes. */
export function fileOpener(shape: FileShape): FileOpener {
  insistOnShape(shape);
  const count = chunkCount(shape);
  const roots = hasher('sha256');
  const plain = hasher('sha256');
  let index = 0;
  let damaged = false;
  return {
    open(ciphertext) {
      const fits = !damaged && index < count && ciphertext.length === chunkPlace(shape, index).blobBytes;
      const plaintext = fits ? aes256gcm.open({ ...chunkUse(shape, index), ciphertext }) : undefined;
      if (plaintext === undefined) {
        damaged = true;
        return undefined;
      }
      roots.update(sha256(ciphertext));
      plain.update(plaintext);
      index += 1;
      return plaintext;
    },
    verify({ root, sha256: whole }) {
      if (damaged || index !== count) return false;
      damaged = true;
      return equal(roots.digest(), root) && equal(plain.digest(), whole);
    },
  };
}

function chunkUse(shape: FileShape, index: number) {
  const nonce = new ByteWriter(12).u32(0).u64(index).done();
  const aad = new ByteWriter(64)
    .raw(LABEL)
    .raw(idBytes(shape.blob))
    .u64(index)
    .u64(chunkCount(shape))
    .u64(shape.totalBytes)
    .done();
  return { key: shape.key, nonce, aad };
}

function insistOnShape({ key, chunkBytes, totalBytes }: FileShape): void {
  const sizes = Number.isSafeInteger(chunkBytes) && Number.isSafeInteger(totalBytes);
  const inRange = chunkBytes >= 1 && chunkBytes <= defaultLimits.fileChunkBytesMax && totalBytes >= 0;
  if (!sizes || !inRange || key.length !== FILE_KEY_BYTES)
    throw new SecureChatError('MALFORMED', { text: 'A file has an impossible shape.' });
}
