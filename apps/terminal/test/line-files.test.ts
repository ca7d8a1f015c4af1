// Goal: offers of files over a pipe: asked about one at a time, answered, and told how they ended.
// Method: the real line mode and the real pipe screen in front of a client whose answers the test writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import { converse, login } from './line-stand.ts';

test('a file offer is asked, and y accepts it', async () => {
  const offer = { kind: 'fileOffer', id: 'f9', from: 'bob', name: 'a\u202eb.pdf', bytes: 1_234_567 } as const;
  const { output, scripted } = await converse([...login, ({ emit }) => emit(offer), 'y', 'y']);
  assert.match(output, /^@bob offers ab\.pdf \(1\.2 MB\)\. Accept\? y\/n$/m);
  assert.deepEqual(scripted.of('acceptFile'), [['f9']]);
  assert.match(output, /To whom\?/, 'the second y is no answer any more');
});

test('n declines, and other lines leave the offer waiting', async () => {
  const offer = { kind: 'fileOffer', id: 'f9', from: 'bob', name: 'a.pdf', bytes: 10 } as const;
  const { scripted } = await converse([...login, ({ emit }) => emit(offer), '@bob what is it?', 'NO']);
  assert.deepEqual(scripted.of('send').length, 1);
  assert.deepEqual(scripted.of('declineFile'), [['f9']]);
});

test('with several offers, !accept user picks one and the question is asked again', async () => {
  const offer = (id: string, from: string) => ({ kind: 'fileOffer', id, from, name: `${id}.txt`, bytes: 1 }) as const;
  const { output, scripted } = await converse([
    ...login,
    ({ emit }) => (emit(offer('f1', 'bob')), emit(offer('f2', 'carol'))),
    '!accept carol',
    'n',
    '!accept',
  ]);
  assert.deepEqual(scripted.of('acceptFile'), [['f2']]);
  assert.deepEqual(scripted.of('declineFile'), [['f1']]);
  assert.equal(output.match(/@bob offers f1\.txt/g)?.length, 2);
  assert.match(output, /There is no such file offer\./);
});

test('one offer is asked about at a time, and the next one when the first is answered or gone', async () => {
  const offer = (id: string) => ({ kind: 'fileOffer', id, from: 'bob', name: `${id}.txt`, bytes: 1 }) as const;
  const { output, scripted } = await converse([
    ...login,
    ({ emit }) => (emit(offer('f1')), emit(offer('f2')), emit(offer('f3'))),
    'y',
    ({ emit }) => emit({ kind: 'fileFailed', id: 'f2', user: 'bob', name: 'f2.txt', code: 'EXPIRED' }),
    'n',
  ]);
  assert.deepEqual(output.match(/^@bob offers .*$/gm), [
    '@bob offers f1.txt (1 B). Accept? y/n',
    '@bob offers f2.txt (1 B) as well. Answer the other one first.',
    '@bob offers f3.txt (1 B) as well. Answer the other one first.',
    '@bob offers f2.txt (1 B). Accept? y/n',
    '@bob offers f3.txt (1 B). Accept? y/n',
  ]);
  assert.deepEqual([scripted.of('acceptFile'), scripted.of('declineFile')], [[['f1']], [['f3']]]);
});

test('an offer that cannot be written here stays, and is asked about again', async () => {
  const offer = { kind: 'fileOffer', id: 'f1', from: 'bob', name: 'a.txt', bytes: 1 } as const;
  let full = true;
  const { output } = await converse([...login, ({ emit }) => emit(offer), 'y', () => (full = false), 'y'], {
    overrides: {
      acceptFile: () => (full ? Promise.reject(new SecureChatError('FILE_UNWRITABLE')) : Promise.resolve()),
    },
  });
  assert.match(
    output,
    /^The file cannot be written here\..*\n@bob offers a\.txt \(1 B\)\. Accept\? y\/n\nAccepted: a\.txt/m,
  );
});

test('a file of ours that did not arrive does not ask us to ask ourselves', async () => {
  const { output } = await converse([
    ...login,
    '!file bob /tmp/a.txt',
    ({ emit }) => emit({ kind: 'fileFailed', id: 'f1', user: 'bob', name: 'a.txt', code: 'FILE_DAMAGED' }),
  ]);
  assert.match(
    output,
    /^a\.txt \(bob\): They could not take it: it came damaged, or cannot be written there\. Offer it again\.$/m,
  );
});

test('!file takes the rest of the line as the path', async () => {
  const { scripted } = await converse([...login, '!file @bob ~/My Documents/a b.pdf', "!file bob '/tmp/x y'"]);
  assert.deepEqual(scripted.of('sendFile'), [
    ['@bob', '/people/alice/My Documents/a b.pdf'],
    ['@bob', '/tmp/x y'],
  ]);
});
