/**
 * Goal: the byte layouts of docs/protocol are frozen; whoever changes one has to change this file and a version. Method:
 * literals written from the documents, and an independent computation where there is cryptography.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import { test } from 'node:test';
import type { AccountId, BlobId, DeviceId, GroupId, MessageId } from '@securechat/wire';
import { idOf } from '@securechat/wire';
import { encodeContent } from '../src/content.ts';
import { encodeCredential } from '../src/credential.ts';
import { encodeDirectContext } from '../src/group-context.ts';
import { fileSealer } from '../src/index.ts';
import { createInviteSecret } from '../src/invitation.ts';

const filled = (value: number, count: number): Uint8Array => new Uint8Array(count).fill(value);
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const times = (byte: string, count: number): string => byte.repeat(count);

test('a credential is version, account, sequence, device and two hashes', () => {
  const bytes = encodeCredential({
    account: idOf<AccountId>(filled(0xaa, 16)),
    sequence: 258,
    device: idOf<DeviceId>(filled(0xbb, 16)),
    deviceCertificate: filled(0xcc, 32),
    accountCertificate: filled(0xdd, 32),
  });
  const parts = ['01', times('aa', 16), '0000000000000102', times('bb', 16), times('cc', 32), times('dd', 32)];
  assert.equal(hexOf(bytes), parts.join(''));
});

test('a direct context is version, kind, generation, predecessor and the sorted accounts', () => {
  const accounts = [idOf<AccountId>(filled(0xfb, 16)), idOf<AccountId>(filled(0x7c, 16))] as const;
  const first = encodeDirectContext({ generation: 1, predecessor: undefined, accounts });
  const sorted = [times('7c', 16), times('fb', 16)];
  assert.equal(hexOf(first), ['0101', '0000000000000001', times('00', 16), ...sorted].join(''));
  const predecessor = idOf<GroupId>(filled(0x99, 16));
  const second = encodeDirectContext({ generation: 2, predecessor, accounts });
  assert.equal(hexOf(second), ['0101', '0000000000000002', times('99', 16), ...sorted].join(''));
});

test('a content is protobuf, then 0x80 and zeros up to its bucket', () => {
  const bytes = encodeContent({
    id: idOf<MessageId>(filled(0x11, 16)),
    chainNumber: 300,
    sentAtMs: 1,
    delivered: [idOf<MessageId>(filled(0x22, 16))],
    body: { kind: 'text', text: 'hé' },
  });
  const parts = [
    '0801', // version 1
    `1210${times('11', 16)}`, // id
    '18ac02', // chain number
    '2001', // sent at
    `2a10${times('22', 16)}`, // delivered
    '5205', // text:
    '0a0368c3a9',
    '80',
  ].join('');
  assert.equal(hexOf(bytes), parts + times('00', 256 - parts.length / 2));
});

test('a file chunk is AES-256-GCM with index in nonce and index, count and total in the associated data', () => {
  const blob = idOf<BlobId>(filled(0x33, 16));
  const key = filled(0x44, 32);
  const sealer = fileSealer({ blob, key, chunkBytes: 4, totalBytes: 6 });
  const hashes: Buffer[] = [];
  for (const [index, part] of [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6)].entries()) {
    const nonce = Buffer.from(`${times('00', 11)}0${index}`, 'hex');
    const numbers = [index, 2, 6].map((value) => value.toString(16).padStart(16, '0')).join('');
    const aad = Buffer.concat([Buffer.from('securechat/file v1'), filled(0x33, 16), Buffer.from(numbers, 'hex')]);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
    const expected = Buffer.concat([cipher.update(part), cipher.final(), cipher.getAuthTag()]);
    assert.equal(hexOf(sealer.seal(part)), hexOf(expected));
    hashes.push(createHash('sha256').update(expected).digest());
  }
  const { root, sha256 } = sealer.finish();
  assert.equal(hexOf(root), createHash('sha256').update(Buffer.concat(hashes)).digest('hex'));
  assert.equal(
    hexOf(sha256),
    createHash('sha256')
      .update(Uint8Array.of(1, 2, 3, 4, 5, 6))
      .digest('hex'),
  );
});

test('the id of the invite PSK is the hash of label, group and nonce', () => {
  const group = filled(0x55, 16);
  const { psk, nonce } = createInviteSecret(idOf<GroupId>(group), (count) => filled(0x66, count));
  const expected = createHash('sha256').update('securechat/invite v1').update(group).update(nonce).digest('hex');
  assert.equal(hexOf(psk.id), expected);
  assert.deepEqual([nonce.length, psk.secret.length], [32, 32]);
});
