/**
 * A backup under a pass phrase, as one file that says nothing but its size.
 *
 *     sealed backup := "SecureChat bak 1" 16 | salt 16 | chunk+
 *     chunk         := AES-256-GCM ciphertext of 1 MiB, less in the last one | tag 16
 *     key           := Argon2id(pass phrase, salt), 64 MiB, 3 passes
 *     nonce         := index of the chunk u64 | 0 u24 | 1 in the last chunk, else 0, u8       associated data: the first 32 bytes
 *
 * What is in the chunks: sealed-content.ts. They cannot be dropped, added or exchanged: not at the end either, where the nonce says that it is the end (the STREAM
 * construction). The key serves this one file, because of its salt.
 */
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AEAD_TAG_BYTES, aes256gcm, passwordKey, systemEntropy, wipe } from '@securechat/crypto';
import { ByteWriter, limits } from '@securechat/wire';
import { StartError } from '../start-error.ts';
import type { Receiver } from './sealed-content.ts';
import { CHUNK_BYTES, chunksOf, Content } from './sealed-content.ts';

const MAGIC = new TextEncoder().encode('SecureChat bak 1');
const SALT_BYTES = 16;
const HEADER_BYTES = MAGIC.length + SALT_BYTES;
const NONCE_BYTES = 12;

/** StartError for a pass phrase that could be guessed by whoever has the file. */
export function refuseShort(passphrase: string): void {
  const wanted = limits.backupPassphraseCharsMin.value;
  if ([...passphrase].length < wanted)
    throw new StartError(2, `The pass phrase of a backup needs at least ${wanted} characters.`);
}

/** Seals every file of `folder` into the new file `path`, which is on the disk afterwards. */
export async function sealFolder(folder: string, path: string, passphrase: string): Promise<void> {
  const header = new ByteWriter(HEADER_BYTES).raw(MAGIC).raw(systemEntropy(SALT_BYTES)).done();
  const key = await passwordKey({ password: passphrase, salt: header.subarray(MAGIC.length) });
  const file = openSync(path, 'wx', 0o600);
  try {
    writeAll(file, header);
    // One chunk behind: the last one is known only when nothing follows.
    let held: Uint8Array | undefined;
    let index = 0;
    const write = (plaintext: Uint8Array, last: boolean): void => {
      writeAll(file, aes256gcm.seal({ key, nonce: nonceOf(index, last), aad: header, plaintext }));
      plaintext.fill(0);
      index += 1;
    };
    for (const chunk of chunksOf(folder)) {
      if (held !== undefined) write(held, false);
      held = chunk;
    }
    if (held !== undefined) write(held, true);
    fsyncSync(file);
  } finally {
    wipe(key);
    closeSync(file);
  }
}

/** Opens chunk after chunk and hands out each file under its name. StartError for a wrong pass phrase or one changed bit. */
export async function readSealed(path: string, passphrase: string, receive: (name: string) => Receiver): Promise<void> {
  const file = openSync(path, 'r');
  let key: Uint8Array | undefined;
  try {
    const header = new Uint8Array(HEADER_BYTES);
    if (readAll(file, header) < HEADER_BYTES || !MAGIC.every((byte, at) => header[at] === byte))
      throw new StartError(2, `${path} is no backup of SecureChat.`);
    key = await passwordKey({ password: passphrase, salt: header.subarray(MAGIC.length) });
    const content = new Content(receive);
    let left = fstatSync(file).size - HEADER_BYTES;
    for (let index = 0; left > 0; index += 1) {
      const ciphertext = new Uint8Array(Math.min(left, CHUNK_BYTES + AEAD_TAG_BYTES));
      left -= ciphertext.length;
      const whole = readAll(file, ciphertext) === ciphertext.length;
      const nonce = nonceOf(index, left === 0);
      const plaintext = whole ? aes256gcm.open({ key, nonce, aad: header, ciphertext }) : undefined;
      if (plaintext === undefined && index === 0)
        throw new StartError(2, `The pass phrase does not open the backup ${path}, or the backup is damaged.`);
      if (plaintext === undefined || !content.take(plaintext)) throw damaged(path);
    }
    if (!content.complete) throw damaged(path);
  } finally {
    if (key !== undefined) wipe(key);
    closeSync(file);
  }
}

/** Writes the files of a sealed backup to the new folder `folder`. StartError as `readSealed`. */
export async function unsealInto(path: string, passphrase: string, folder: string): Promise<void> {
  let open: number | undefined;
  try {
    await readSealed(path, passphrase, (name) => {
      const place = join(folder, name);
      mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
      const file = openSync(place, 'wx', 0o600);
      open = file;
      return {
        take: (piece) => writeAll(file, piece),
        end() {
          fsyncSync(file);
          closeSync(file);
          open = undefined;
        },
      };
    });
  } finally {
    if (open !== undefined) closeSync(open);
  }
}

function nonceOf(index: number, last: boolean): Uint8Array {
  return new ByteWriter(NONCE_BYTES)
    .u64(index)
    .raw(new Uint8Array(3))
    .u8(last ? 1 : 0)
    .done();
}

function damaged(path: string): StartError {
  return new StartError(2, `The backup ${path} is damaged.`);
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

/** Bytes read: fewer only at the end of the file. */
function readAll(file: number, into: Uint8Array): number {
  let at = 0;
  for (let read = 1; at < into.length && read > 0; at += read) read = readSync(file, into, at, into.length - at, null);
  return at;
}
