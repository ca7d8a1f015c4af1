/** Goal: one spelling per name, one script per name, and names that look alike are found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { confusableSkeleton, limits, normaliseUsername, SecureChatError } from '@securechat/wire';

const refused = { code: 'NAME_INVALID' };

test('names are folded to one spelling', () => {
  const spellings = {
    Alice: 'alice',
    ' bob ': 'bob',
    ＡＬＩＣＥ: 'alice',
    STRASSE: 'strasse',
    Straße: 'strasse',
    ΣΟΦΟΣ: 'σοφοσ',
    'zoe\u0308': 'zoë',
    'a.b_c-1': 'a.b_c-1',
  };
  for (const [text, name] of Object.entries(spellings)) assert.equal(normaliseUsername(text), name, text);
});

test('usernameCharsMin to usernameCharsMax characters, counted as code points', () => {
  const { usernameCharsMin: min, usernameCharsMax: max } = limits;
  for (const letter of ['a', 'ж', '漢', '𠀋']) {
    assert.throws(() => normaliseUsername(letter.repeat(min.value - 1)), refused);
    assert.equal(normaliseUsername(letter.repeat(min.value)), letter.repeat(min.value));
    assert.equal(normaliseUsername(letter.repeat(max.value)), letter.repeat(max.value));
    assert.throws(() => normaliseUsername(letter.repeat(max.value + 1)), refused);
  }
});

test('letters of two scripts, marks, signs and spaces are refused', () => {
  const wrong = [
    '',
    'ab',
    'аlice',
    'pаypal',
    'bob smith',
    'bob@x',
    '@bob',
    '.bob',
    '-bob',
    '_bob',
    'bob!',
    'bo\u0000b',
  ];
  const more = ['bo\u200bb', 'b\u0336o\u0336b\u0336', 'bob\u202e', '😀😀😀', 'αbc', 'ｂоb', '١٢٣abc', 'x'.repeat(129)];
  for (const name of [...wrong, ...more]) assert.throws(() => normaliseUsername(name), refused, JSON.stringify(name));
});

test('scripts other than Latin are taken, Japanese with its three', () => {
  for (const name of ['иван', 'σοφια', 'ひらがな漢字カナ', '홍길동', 'אברהם', 'محمد', 'नमस्ते', 'สวัสดี', 'ԱՐԱՄ', '42-7'])
    assert.ok(normaliseUsername(name));
});

test('a normalised name stays as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (text) => {
      let name: string;
      try {
        name = normaliseUsername(text);
      } catch (error) {
        assert.ok(error instanceof SecureChatError && error.code === 'NAME_INVALID');
        return;
      }
      assert.equal(normaliseUsername(name), name);
    }),
    { numRuns: 500 },
  );
});

test('names that look alike have one skeleton, others have not', () => {
  const alike = [
    ['alice', 'аlісе'],
    ['paypal', 'раураӏ'],
    ['bob', 'b0b'],
    ['bill', 'bi11'],
    ['bill', 'biil'],
    ['zoe', 'zoë'],
    ['modern', 'rnodem'],
    ['wanda', 'vvanda'],
  ] as const;
  for (const [a, b] of alike) assert.equal(confusableSkeleton(a), confusableSkeleton(b), b);
  for (const [a, b] of [
    ['alice', 'alicia'],
    ['bob', 'bobby'],
    ['anna', 'hanna'],
    ['user-a', 'user-b'],
  ] as const)
    assert.notEqual(confusableSkeleton(a), confusableSkeleton(b));
});
