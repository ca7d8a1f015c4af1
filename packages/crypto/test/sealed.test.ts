/** Goal: a sealed object opens for its recipients, its purpose and its context, and says nothing about why it does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RsaPrivate, SealedPurpose } from '@securechat/crypto';
import {
  openerOf,
  openSealed,
  SEALED_RECIPIENTS_MAX,
  sealedPurposes,
  sealTo,
  seededEntropy,
  systemEntropy,
} from '@securechat/crypto';
import { atOnce } from './at-once.ts';
import { keys } from './keys.ts';

const context = new TextEncoder().encode('group and epoch');
const plaintext = new TextEncoder().encode('an invitation');

function sealFor(recipients: readonly RsaPrivate<'sealing'>[], purpose: SealedPurpose = 'invite'): Uint8Array {
  const publics = recipients.map((key) => key.public);
  return sealTo({ recipients: publics, purpose, context, plaintext, entropy: systemEntropy });
}

function open(
  sealed: Uint8Array,
  key: RsaPrivate<'sealing'>,
  change: { purpose?: SealedPurpose; context?: Uint8Array } = {},
): Promise<Uint8Array | undefined> {
  const input = { openers: [openerOf(key)], purpose: 'invite', context, sealed, entropy: systemEntropy } as const;
  return openSealed({ ...input, ...change });
}

test('each recipient opens it, nobody else does', async () => {
  const sealed = sealFor([keys.sealing, keys.otherSealing]);
  assert.equal(sealed.length, 2 + 2 * (34 + 256) + 48 + plaintext.length);
  assert.deepEqual(await open(sealed, keys.sealing), plaintext);
  assert.deepEqual(await open(sealed, keys.otherSealing), plaintext);
  assert.equal(await open(sealed, keys.thirdSealing), undefined);
});

test('of several openers the one that is named opens it', async () => {
  const openers = [openerOf(keys.thirdSealing), openerOf(keys.sealing)];
  const sealed = sealFor([keys.sealing]);
  const opened = await openSealed({ openers, purpose: 'invite', context, sealed, entropy: systemEntropy });
  assert.deepEqual(opened, plaintext);
});

test('every other purpose and every other context is refused', async () => {
  const sealed = sealFor([keys.sealing]);
  for (const purpose of Object.keys(sealedPurposes) as SealedPurpose[])
    assert.equal((await open(sealed, keys.sealing, { purpose })) !== undefined, purpose === 'invite', purpose);
  assert.equal(await open(sealed, keys.sealing, { context: context.subarray(1) }), undefined);
  assert.equal(await open(sealed, keys.sealing, { context: new Uint8Array(0) }), undefined);
});

test('one changed bit in any byte, a byte less or a byte more is refused', async () => {
  const sealed = sealFor([keys.sealing, keys.otherSealing]);
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    assert.equal(await open(changed, keys.sealing), undefined, `byte ${at}`);
  }
  assert.equal(await open(sealed.subarray(0, -1), keys.sealing), undefined);
  assert.equal(await open(Uint8Array.from([...sealed, 0]), keys.sealing), undefined);
});

test('a recipient cannot be added, dropped or exchanged afterwards', async () => {
  const one = sealFor([keys.sealing]);
  const two = sealFor([keys.sealing, keys.otherSealing]);
  const entry = 34 + 256;
  const dropped = Uint8Array.from([1, 1, ...two.subarray(2, 2 + entry), ...two.subarray(2 + 2 * entry)]);
  const other = two.subarray(2 + entry, 2 + 2 * entry);
  const added = Uint8Array.from([1, 2, ...one.subarray(2, 2 + entry), ...other, ...one.subarray(2 + entry)]);
  assert.equal(await open(dropped, keys.sealing), undefined);
  assert.equal(await open(added, keys.sealing), undefined);
});

test('an OAEP failure goes on with a random key and ends like any other failure', async () => {
  const sealed = sealFor([keys.sealing]);
  let taken = 0;
  const entropy = (bytes: number): Uint8Array => {
    taken += bytes;
    return systemEntropy(bytes);
  };
  const failing = { spkiHash: keys.sealing.public.spkiHash, oaepOpen: () => Promise.resolve(undefined) };
  const short = { ...failing, oaepOpen: () => Promise.resolve(new Uint8Array(31)) };
  for (const opener of [failing, short]) {
    const input = { openers: [opener], purpose: 'invite', context, sealed, entropy } as const;
    assert.equal(await openSealed(input), undefined);
  }
  assert.equal(taken, 64);
});

test('recipients are 1 to 32, each once', () => {
  const seal = (recipients: readonly RsaPrivate<'sealing'>[]): unknown => sealFor(recipients);
  assert.throws(() => seal([]), { code: 'INTERNAL' });
  assert.throws(() => seal([keys.sealing, keys.sealing]), { code: 'INTERNAL' });
  assert.throws(() => seal(Array.from({ length: SEALED_RECIPIENTS_MAX + 1 }, () => keys.sealing)), {
    code: 'INTERNAL',
  });
});

test('any bytes are refused within 50 ms', async () => {
  const head = fc.constantFrom([1, 1, ...keys.sealing.public.spkiHash], [1, 32], [1, 33], [0], []);
  await fc.assert(
    fc.asyncProperty(head, fc.uint8Array({ maxLength: 700 }), async (start, rest) => {
      await atOnce(50, async () => {
        assert.equal(await open(Uint8Array.from([...start, ...rest]), keys.sealing), undefined);
      });
    }),
    { numRuns: 100 },
  );
});

test('the same seed makes the same content key, never the same object', () => {
  const seal = (): Uint8Array =>
    sealTo({ recipients: [keys.sealing.public], purpose: 'file', context, plaintext, entropy: seededEntropy('s') });
  const [a, b] = [seal(), seal()];
  // OAEP takes the system's randomness, and its output is part of the associated data.
  assert.notDeepEqual(a, b);
});
