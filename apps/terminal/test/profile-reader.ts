/**
 * Reads a profile from outside, as docs/protocol/local-store.md describes it and by nothing else: the test then knows the
 * secrets whose traces it looks for, and the document is proven on the way.
 */
import { argon2Sync, createDecipheriv, hkdfSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

interface KeysFile {
  readonly profile: string;
  readonly password: {
    readonly memoryKiB: number;
    readonly passes: number;
    readonly salt: string;
    readonly nonce: string;
    readonly wrapped: string;
  };
}

const bytesOf = (text: string): Buffer => Buffer.from(text, 'base64url');

/** The content of every record and message of the one account in a profile. */
export function readProfile(profileDirectory: string, password: string): Buffer[] {
  const [folder = ''] = readdirSync(join(profileDirectory, 'accounts'));
  const account = join(profileDirectory, 'accounts', folder);
  const sealKey = subkey(storeKey(JSON.parse(readFileSync(join(account, 'keys.json'), 'utf8')) as KeysFile, password));
  const db = new DatabaseSync(join(account, 'store.db'), { readOnly: true });
  try {
    const records = db.prepare('SELECT collection, tag, value, 0 AS position FROM record').all();
    const messages = db.prepare('SELECT 100 AS collection, tag, value, position FROM message').all();
    return [...records, ...messages].map((row) =>
      openValue(sealKey, {
        collection: Number(row['collection']),
        tag: row['tag'] as Uint8Array,
        value: row['value'] as Uint8Array,
        position: Number(row['position']),
      }),
    );
  } finally {
    db.close();
  }
}

function storeKey({ profile, password: slot }: KeysFile, password: string): Buffer {
  const wrappingKey = argon2Sync('argon2id', {
    message: password.normalize('NFKC'),
    nonce: bytesOf(slot.salt),
    parallelism: 1,
    tagLength: 32,
    memory: slot.memoryKiB,
    passes: slot.passes,
  });
  // Salt and profile stand in it as they do in the file: base64url.
  const name = `password argon2id ${slot.memoryKiB} ${slot.passes} ${slot.salt}`;
  const data = Buffer.from(`securechat/store-key v1 ${name} ${profile}`);
  return gcmOpen(wrappingKey, bytesOf(slot.nonce), data, bytesOf(slot.wrapped));
}

function subkey(key: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, new Uint8Array(0), 'securechat/store-seal v1', 32));
}

interface Row {
  readonly collection: number;
  readonly tag: Uint8Array;
  readonly value: Uint8Array;
  readonly position: number;
}

function openValue(key: Uint8Array, { collection, tag, value, position }: Row): Buffer {
  const data = Buffer.alloc(2 + tag.length + 8);
  data.set([1, collection]);
  data.set(tag, 2);
  data.writeBigUInt64BE(BigInt(position), 2 + tag.length);
  return gcmOpen(key, value.subarray(1, 13), data, value.subarray(13));
}

function gcmOpen(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, sealed: Uint8Array): Buffer {
  const cipher = createDecipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(data).setAuthTag(sealed.subarray(-16));
  return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
}

/** PKCS #8 of an RSA private key (RFC 5958, RFC 8017): SEQUENCE, version 0, rsaEncryption. */
const rsaHeader = Buffer.from('020100300d06092a864886f70d0101010500', 'hex');

/** Private RSA keys anywhere in these contents, as DER. */
export function rsaKeysIn(contents: readonly Buffer[]): Buffer[] {
  const keys: Buffer[] = [];
  for (const content of contents) {
    for (let at = content.indexOf(rsaHeader); at >= 0; at = content.indexOf(rsaHeader, at + 1)) {
      if (at >= 4 && content[at - 4] === 0x30 && content[at - 3] === 0x82)
        keys.push(content.subarray(at - 4, at + content.readUInt16BE(at - 2)));
    }
  }
  return keys;
}
