// Goal: nothing that somebody sends can drive the terminal or show something else than what was written, and what people
// really write stays.
// Method: tables of attacks and of honest writing; properties over arbitrary strings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sanitizeLine, sanitizeText } from '../src/sanitize.ts';

const attacks: readonly (readonly [what: string, text: string, left: string])[] = [
  ['colours', 'a\u001b[31mred\u001b[0mb', 'aredb'],
  ['cursor movement', 'a\u001b[2A\u001b[999Db', 'ab'],
  ['clear screen', '\u001b[2J\u001b[Hhello', 'hello'],
  ['alternate screen and mouse modes', '\u001b[?1049h\u001b[?1000hx', 'x'],
  ['window title', '\u001b]0;owned\u0007x', 'x'],
  ['window title ended by ST', '\u001b]2;owned\u001b\\x', 'x'],
  ['link with another target', '\u001b]8;;https://evil.example\u001b\\bank\u001b]8;;\u001b\\', 'bank'],
  ['clipboard', '\u001b]52;c;Y3VybA==\u0007x', 'x'],
  ['device status that a terminal answers', '\u001b[6n\u001b[cx', 'x'],
  ['key string', '\u001bP$qm\u001b\\x', 'x'],
  ['application command', '\u001b_Gf=100\u001b\\x', 'x'],
  ['privacy message', '\u001b^x\u001b\\y', 'y'],
  ['unterminated string eats only its own line', '\u001b]0;title\nnext', '\nnext'],
  ['8-bit CSI', 'a\u009b31mb', 'ab'],
  ['8-bit OSC', 'a\u009d0;owned\u009cb', 'ab'],
  ['8-bit DCS', 'a\u0090x\u009cb', 'ab'],
  ['character sets', '\u001b(0lqk\u001b(B', 'lqk'],
  ['reset', '\u001bcx', 'x'],
  ['lone escape', 'a\u001b', 'a'],
  ['sequence left by removing another', '\u001b\u001b[31m[31mx', '31mx'],
  ['bell, backspace, delete', 'a\u0007\b\u007fb', 'ab'],
  ['carriage return that overwrites', 'real\rfake', 'real\nfake'],
  ['null', 'a\0b', 'ab'],
  ['right-to-left override', 'user\u202egnp.exe', 'usergnp.exe'],
  ['isolates', '\u2066a\u2067b\u2068c\u2069', 'abc'],
  ['embeddings', '\u202aa\u202bb\u202cc\u202d', 'abc'],
  ['zero width space', 'pay\u200bpal', 'paypal'],
  ['zero width joiner in Latin', 'pay\u200dpal\u200c', 'paypal'],
  ['word joiner, BOM, soft hyphen', 'a\u2060b\ufeffc\u00add', 'abcd'],
  ['invisible operators', 'a\u2061\u2062\u2063\u2064b', 'ab'],
  [
    'hidden text in tags',
    `hi${[...'evil'].map((c) => String.fromCodePoint(0xe0000 + c.charCodeAt(0))).join('')}`,
    'hi',
  ],
  ['hidden bytes in variation selectors', '😀\u{e0101}\u{e0148}\u{e0165}', '😀'],
  ['a run of selectors', '❤\ufe0f\ufe0f\ufe0f', '❤\ufe0f'],
  ['Hangul fillers', 'a\u3164b\u115fc\uffa0', 'abc'],
  ['interlinear annotation', '\ufff9a\ufffab\ufffb', 'ab'],
  ['noncharacters', 'a\uffff\u{1fffe}b', 'ab'],
  ['lone surrogate', 'a\ud800b', 'a\ufffdb'],
  ['Unicode line ends', 'a\u2028b\u2029c\u0085d', 'a\nb\nc\nd'],
  ['vertical tab and form feed', 'a\u000bb\u000cc', 'a\nb\nc'],
  ['marks stacked over other lines', `Z${'\u0301'.repeat(200)}`, `Z${'\u0301'.repeat(6)}`],
];

for (const [what, text, left] of attacks) {
  test(`taken out: ${what}`, () => assert.equal(sanitizeText(text), left));
}

const honest: readonly (readonly [what: string, text: string])[] = [
  ['plain words', 'See you at 8, "ok"? 100 % [yes] {no} \\ ~'],
  ['several lines', 'one\ntwo\n\nfour'],
  ['accents, composed and not', 'café cafe\u0301 Zürich'],
  ['CJK', '你好，世界 こんにちは 안녕하세요'],
  ['a variation of a Han letter', '葛\u{e0100}城'],
  ['Arabic and Hebrew', 'مرحبا שלום'],
  ['Persian with its non-joiner', 'می\u200cخواهم'],
  ['Hindi with a joiner', 'क्\u200dष'],
  ['Sinhala', 'ශ්\u200dරී'],
  ['a family', '👨\u200d👩\u200d👧\u200d👦'],
  ['skin tone and profession', '👩🏽\u200d💻'],
  ['a heart in colour', '❤\ufe0f'],
  ['heart on fire', '❤\ufe0f\u200d🔥'],
  ['a keycap', '1\ufe0f\u20e3'],
  ['a flag', '🇩🇪'],
  ['the flag of Scotland', '🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}'],
  ['Thai with marks', 'ที่นี่'],
  ['left-to-right mark in mixed text', 'a \u200eb'],
];

for (const [what, text] of honest) {
  test(`kept: ${what}`, () => assert.equal(sanitizeText(text), text));
}

test('tabs become spaces', () => assert.equal(sanitizeText('a\tb'), 'a    b'));

test('a name never breaks the line', () => {
  assert.equal(sanitizeLine(' report\n\u001b[2Jfinal\t.pdf\r\n'), 'report final    .pdf');
});

const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '\u001b',
        '[',
        ']',
        '31m',
        '\u009b',
        '\u200d',
        '\u202e',
        '\ufe0f',
        '😀',
        '\u0301',
        '\u0007',
        '\r',
      ),
    ),
  )
  .map((parts) => parts.join(''));

test('no control character but the newline, no bidi control, whatever comes in', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const clean = sanitizeText(text);
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(clean, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u202a-\u202e\u2060-\u206f\ufeff]/);
      assert.ok(clean.isWellFormed());
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(sanitizeLine(text), /[\u0000-\u001f]/);
    }),
    { numRuns: 2000 },
  );
});

test('a second pass finds nothing', () => {
  fc.assert(
    fc.property(hostile, (text) => assert.equal(sanitizeText(sanitizeText(text)), sanitizeText(text))),
    { numRuns: 2000 },
  );
});

test('64 KiB of anything takes milliseconds', () => {
  for (const unit of ['\u001b[', '\u001b]', 'क\u200d', '😀\u200d', '\u0301', '\u001b', '\ufe0f\u200d', 'a\u200c']) {
    const text = unit.repeat(65_536 / unit.length);
    const from = process.threadCpuUsage();
    sanitizeText(text);
    const { user, system } = process.threadCpuUsage(from);
    assert.ok(user + system < 500_000, JSON.stringify(unit));
  }
});
