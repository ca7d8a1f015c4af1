// Goal: the line editor does what people's fingers expect, with characters as people see them.
// Method: the buffer is a value; keys are pressed on it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { layOut, rowsAbove } from '../src/line/layout.ts';
import { emptyBuffer, paste, press } from '../src/line/line-buffer.ts';
import type { Demand, LineBuffer } from '../src/line/line-buffer.ts';
import { rowsOf, truncate, widthOf } from '../src/line/width.ts';

const history = ['@bob first', '@carol second', '@bob third'];

/** `a`, `C-a`, `M-b`, `left`, … */
function keys(buffer: LineBuffer, ...pressed: readonly string[]): { buffer: LineBuffer; demand: Demand | undefined } {
  let demand: Demand | undefined;
  for (const one of pressed) {
    const match = /^(C-)?(M-)?(.*)$/su.exec(one);
    const [ctrl, meta, name = ''] = [match?.[1] !== undefined, match?.[2] !== undefined, match?.[3]];
    const single = [...name].length === 1;
    const character = single && !ctrl && !meta ? name : undefined;
    ({ buffer, demand } = { demand: undefined, ...press(buffer, character, { name, ctrl, meta }, history) });
  }
  return { buffer, demand };
}

function typed(text: string, ...pressed: readonly string[]): LineBuffer {
  return keys(paste(emptyBuffer, text).buffer, ...pressed).buffer;
}

test('typing, moving and deleting work on characters as people see them', () => {
  assert.equal(typed('ab', 'c').text, 'abc');
  assert.equal(typed('a👨‍👩‍👧b', 'left', 'backspace').text, 'ab');
  assert.equal(typed('a🇩🇪', 'backspace').text, 'a');
  assert.equal(typed('cafe\u0301', 'backspace').text, 'caf');
  assert.equal(typed('你好', 'left', 'X').text, '你X好');
  assert.equal(typed('abc', 'home', 'delete').text, 'bc');
  assert.equal(typed('abc', 'C-a', 'C-d').text, 'bc');
});

test('kills and yank', () => {
  assert.equal(typed('@bob hello world', 'C-w').text, '@bob hello ');
  assert.equal(typed('@bob hello world', 'C-w', 'C-y', 'C-y').text, '@bob hello worldworld');
  assert.equal(typed('hello world', 'C-u').text, '');
  assert.equal(typed('hello world', 'C-a', 'C-k', 'C-y').text, 'hello world');
  assert.equal(typed('hello world', 'M-b', 'M-b', 'M-d').text, ' world');
  assert.equal(typed('hello wörld', 'M-backspace').text, 'hello ');
});

test('Enter submits; Alt+Enter and Ctrl+J break the line', () => {
  assert.equal(keys(typed('hi'), 'return').demand, 'submit');
  assert.equal(typed('a', 'M-return', 'b', 'C-j', 'c', 'enter').text, 'a\nb\nc\n');
  assert.equal(typed('a\nb', 'home', 'X').text, 'a\nXb');
});

test('a paste is one text: line ends stay, control characters go, and it is known to be pasted', () => {
  const { buffer } = paste(emptyBuffer, 'one\r\ntwo\rthree\tx\u001b[2J\u0003\n');
  assert.equal(buffer.text, 'one\ntwo\nthree    x[2J');
  assert.equal(buffer.pasted, true);
  assert.equal(paste(emptyBuffer, 'word\n').buffer.pasted, false);
});

test('more than can be sent is not taken', () => {
  const { buffer, demand } = paste(emptyBuffer, 'x'.repeat(100_000));
  assert.equal(buffer.text, '');
  assert.equal(demand, 'bell');
});

test('the history is walked, and the line that was begun comes back', () => {
  const begun = typed('half');
  assert.equal(keys(begun, 'up').buffer.text, '@bob third');
  assert.equal(keys(begun, 'up', 'up', 'up', 'up').buffer.text, '@bob first');
  assert.equal(keys(begun, 'up', 'up', 'down', 'C-n').buffer.text, 'half');
});

test('Ctrl+R finds the newest line with the letters, again the one before, Escape goes back', () => {
  const begun = typed('half');
  assert.equal(keys(begun, 'C-r', 'b', 'o').buffer.text, '@bob third');
  assert.equal(keys(begun, 'C-r', 'b', 'o', 'C-r').buffer.text, '@bob first');
  assert.equal(keys(begun, 'C-r', 'b', 'o', 'escape').buffer.text, 'half');
  assert.equal(keys(begun, 'C-r', 's', 'e', 'c', 'return').demand, 'submit');
  assert.equal(keys(begun, 'C-r', 's', 'e', 'c', 'return').buffer.text, '@carol second');
  assert.equal(keys(begun, 'C-r', 'z').demand, 'bell');
});

test('Ctrl+D ends only an empty line', () => {
  assert.equal(keys(emptyBuffer, 'C-d').demand, 'end');
  assert.equal(keys(typed('x'), 'C-d').demand, undefined);
});

test('whatever is pressed, the cursor stays inside the text and between two characters', () => {
  const key = fc.constantFrom(
    'a',
    '你',
    '👩‍💻',
    '\u0301',
    'left',
    'right',
    'home',
    'end',
    'backspace',
    'delete',
    'C-w',
    'C-u',
    'C-k',
    'C-y',
    'M-b',
    'M-f',
    'M-d',
    'up',
    'down',
    'C-r',
    'escape',
    'M-return',
  );
  fc.assert(
    fc.property(fc.array(key, { maxLength: 60 }), (pressed) => {
      const { buffer } = keys(emptyBuffer, ...pressed);
      assert.ok(buffer.cursor >= 0 && buffer.cursor <= buffer.text.length);
      assert.ok(buffer.text.isWellFormed());
    }),
  );
});

const size = { columns: 20, rows: 5, prompt: '@bob> ', status: undefined };

test('a line is broken before the edge, and the cursor is where the next character comes', () => {
  const block = layOut({ ...size, text: 'abcdefghijklmnopqrst', cursor: 20 });
  assert.deepEqual(block.rows, ['@bob> abcdefghijklm', 'nopqrst']);
  assert.deepEqual([block.cursorRow, block.cursorColumn], [1, 7]);
});

test('wide characters are never cut in two', () => {
  const block = layOut({ ...size, text: '你好世界你好世界', cursor: 8 });
  assert.deepEqual(block.rows, ['@bob> 你好世界你好', '世界']);
  assert.deepEqual([block.cursorRow, block.cursorColumn], [1, 4]);
});

test('a text higher than the screen shows the rows around the cursor', () => {
  const text = Array.from({ length: 30 }, (_, line) => `line ${line}`).join('\n');
  const end = layOut({ ...size, text, cursor: text.length });
  assert.equal(end.rows.length, 4);
  assert.equal(end.rows.at(-1), '  line 29');
  const start = layOut({ ...size, text, cursor: 0 });
  assert.equal(start.rows[0], '@bob> line 0');
});

test('no row reaches the last column, on any screen', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.integer({ min: 4, max: 200 }),
      fc.integer({ min: 2, max: 60 }),
      fc.nat(),
      (text, columns, rows, place) => {
        const clean = text.replace(/\p{C}/gu, '');
        const cursor = place % (clean.length + 1);
        const block = layOut({
          prompt: '[offline] @somebody-long> ',
          text: clean,
          cursor,
          status: 'x'.repeat(50),
          columns,
          rows,
        });
        assert.ok(block.rows.length <= rows);
        assert.ok(block.widths.every((width) => width <= columns));
        assert.ok(block.cursorRow < block.rows.length && block.cursorColumn < columns);
      },
    ),
  );
});

test('after a resize the beginning of the block is found again', () => {
  const block = layOut({ ...size, columns: 80, rows: 24, text: 'x'.repeat(100), cursor: 100 });
  assert.equal(rowsAbove(block, 80), 1);
  // 79 columns break into 4 rows of 20; the cursor's own row, 27 wide, stands on its second.
  assert.equal(rowsAbove(block, 20), 5);
});

test('rows of printed text, with colours that take no room', () => {
  assert.equal(rowsOf('x'.repeat(20), 20), 1);
  assert.equal(rowsOf('x'.repeat(21), 20), 2);
  assert.equal(rowsOf(`\u001b[31m${'你'.repeat(10)}\u001b[39m`, 20), 1);
  assert.equal(rowsOf(`${'x'.repeat(19)}你`, 20), 2);
  assert.equal(rowsOf('a\nb\n', 20), 3);
});

test('truncating says so', () => {
  assert.equal(truncate('abcdef', 4), 'abc…');
  assert.equal(widthOf(truncate('你好世界', 4)), 3);
});
