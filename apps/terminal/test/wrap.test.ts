// Goal: printed text is broken at words, loses nothing, and a row of a message never begins where a notice does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { widthOf } from '../src/line/width.ts';
import { wrap } from '../src/line/wrap.ts';

const words = fc
  .array(
    fc.oneof(
      fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...'abc.,!-@:\u00a0') }),
      fc.constantFrom('你好，世界。', '👩‍👩‍👧‍👦', 'e\u0301', '\u001b[36m@bob\u001b[39m:', 'שלום', '\n', '  '),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(' '));

test('words stay whole, and further rows stand under the text', () => {
  const text = '12:03 @bob: one two three four five six seven';
  assert.equal(wrap(text, 40, { hang: 12 }), '12:03 @bob: one two three four five six\n            seven');
  assert.equal(wrap('one two three', 7), 'one two\nthree');
  assert.equal(wrap('  indented line', 10), '  indented\nline');
  assert.equal(wrap('fits', 4), 'fits');
  assert.equal(wrap('        far', 6), '   far');
  assert.equal(wrap('\n    aaaa', 4, { hang: 1 }), '\n aaa\n a');
  assert.equal(wrap('', 4), '');
});

test('CJK text is broken between characters, and no row begins with its closing marks', () => {
  assert.equal(wrap('你好世界，再見。', 8), '你好世\n界，再\n見。');
});

test('what is to be copied is left to the terminal', () => {
  const address = `https://example.org/${'path/'.repeat(20)}`;
  assert.equal(wrap(`see ${address} ok`, 40, { hang: 4 }), `see\n    ${address} ok`);
  const command = `  npx securechat --server '${'x'.repeat(100)}'`;
  assert.equal(wrap(command, 40, { verbatim: true }), command);
});

test('colour is no width, and stays', () => {
  const text = '\u001b[36m@bob\u001b[39m: one two';
  assert.equal(wrap(text, 9, { hang: 2 }), '\u001b[36m@bob\u001b[39m: one\n  two');
});

test('in any text of any width nothing but space is lost or gained, and no row is too wide', () => {
  fc.assert(
    fc.property(words, fc.integer({ min: 4, max: 100 }), fc.integer({ min: 0, max: 60 }), (text, columns, hang) => {
      const wrapped = wrap(text, columns, { hang });
      assert.equal(wrapped.replace(/[ \n]/g, ''), text.replace(/[ \n]/g, ''));
      if (hang > 0) for (const row of wrapped.split('\n')) assert.ok(widthOf(row) <= columns, JSON.stringify(row));
    }),
    { numRuns: 500 },
  );
});

test('a row of a message after its first begins with a space, whatever was written', () => {
  fc.assert(
    fc.property(words, fc.integer({ min: 4, max: 100 }), (text, columns) => {
      const [, ...others] = wrap(`@eve: ${text}`, columns, { hang: 6 }).split('\n');
      for (const row of others) assert.ok(row.startsWith(' ') || row === '', JSON.stringify(row));
    }),
    { numRuns: 500 },
  );
});
