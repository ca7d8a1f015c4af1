/** Words: round trip, kindness to what people type, and refusals that do not repeat a word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RECOVERY_ENTROPY_BYTES, recoveryEntropyOf, recoveryWordsOf } from '../src/recovery-words.ts';

const entropy = fc.uint8Array({ minLength: RECOVERY_ENTROPY_BYTES, maxLength: RECOVERY_ENTROPY_BYTES });

test('any 128 bits become twelve words and come back, however they are typed', () => {
  fc.assert(
    fc.property(entropy, (bits) => {
      const words = recoveryWordsOf(bits);
      assert.equal(words.split(' ').length, 12);
      assert.deepEqual(recoveryEntropyOf(words), bits);
      assert.deepEqual(recoveryEntropyOf(`  ${words.toUpperCase().replaceAll(' ', ' \t\n')}. `), bits);
      const numbered = words.split(' ').map((word, index) => `${index + 1}. ${word}`);
      assert.deepEqual(recoveryEntropyOf(numbered.join(', ')), bits);
      assert.deepEqual(recoveryEntropyOf(words.replaceAll(/\b([a-z]{4})[a-z]*/g, '$1')), bits);
    }),
    { numRuns: 100 },
  );
});

test('the vector of BIP-39 for 128 bits', () => {
  const words = 'legal winner thank year wave sausage worth useful legal winner thank yellow';
  assert.deepEqual(recoveryEntropyOf(words), new Uint8Array(16).fill(0x7f));
});

test('a wrong word, a wrong order, too few and too many are refused, and no word is repeated', () => {
  const words = recoveryWordsOf(new Uint8Array(16).fill(1)).split(' ');
  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ['not in the list', [...words.slice(0, 11), 'securechat']],
    ['three letters', [...words.slice(0, 11), 'aba']],
    ['another word', [...words.slice(0, 11), 'zoo']],
    ['order', words.toReversed()],
    ['eleven', words.slice(0, 11)],
    ['thirteen', [...words, 'zoo']],
    ['none', []],
  ];
  for (const [what, typed] of wrong)
    assert.throws(
      () => recoveryEntropyOf(typed.join(' ')),
      (error: Error & { code?: string; cause?: unknown }) => {
        assert.equal(error.code, 'RECOVERY_WORDS_WRONG', what);
        assert.equal(error.cause, undefined, what);
        for (const word of [...words, 'securechat', 'zoo']) assert.ok(!error.message.split(/\W+/).includes(word), what);
        return true;
      },
    );
});
