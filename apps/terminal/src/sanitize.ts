/**
 * Text from others is data for the screen as well: before it is laid out, everything goes that could drive the terminal
 * or show something other than what was written.
 *
 * Removed: control sequences (CSI, OSC, DCS, APC, PM, SOS, also in their 8-bit forms), C0 and C1, bidirectional embeddings,
 * overrides and isolates (Trojan Source, CVE-2021-42574), invisible characters that carry data or hide it, runs of
 * combining marks. Kept: what people write with, emoji sequences and the joiners of scripts that need them included.
 */

/** More marks on one letter than any living script uses; beyond it they paint over the lines above. */
const MARKS_MAX = 6;

/* oxlint-disable no-control-regex, no-misleading-character-class -- they are what is taken out */
// Terminators: ST (ESC \ or 0x9c), and BEL for OSC. An unterminated string ends at the end of its line: a terminal would
// swallow everything that follows, also what others say.
const STRINGS =
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?/g;
const CSI = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?/g;
const ESCAPES = /\u001b[ -/]*[0-~]?/g;
const LINE_BREAKS = /\r\n|[\u0085\u2028\u2029\u000b\u000c]/g;
// Cc but tab and newline; bidi embeddings, overrides, isolates; zero width space, word joiner and the invisible
// operators; soft hyphen; deprecated format characters; interlinear annotation; Mongolian vowel separator; Hangul fillers;
// combining grapheme joiner; Khmer inherent vowels; musical format characters; noncharacters.
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}]|\p{Noncharacter_Code_Point}/gu;
// Zero width (non-)joiners stay inside emoji sequences and between letters of the scripts that spell with them. In these
// three patterns the groups hold what may stay in its context; the last alternative is the character anywhere else.
const SPELLING = [
  'Arab',
  'Syrc',
  'Mong',
  'Nkoo',
  'Deva',
  'Beng',
  'Guru',
  'Gujr',
  'Orya',
  'Taml',
  'Telu',
  'Knda',
  'Mlym',
]
  .concat(['Sinh', 'Khmr', 'Mymr'])
  .map((script) => String.raw`\p{Script_Extensions=${script}}`)
  .join('');
const JOINERS = new RegExp(
  String.raw`(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])(\u200d)(?=\p{Extended_Pictographic})` +
    String.raw`|(?<=[${SPELLING}])([\u200c\u200d])(?=[${SPELLING}])|[\u200c\u200d]`,
  'gu',
);
// One variation selector after something it can select; a run of them carries hidden bytes.
const SELECTORS =
  /(?<=\p{Emoji})([\ufe0e\ufe0f])|(?<=\p{Script=Han})([\ufe00-\ufe0f\u{e0100}-\u{e01ef}])|[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu;
// Tags spell the flags of regions after a black flag, and hidden text anywhere else.
const TAGS = /(?<=\u{1f3f4})([\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{2,6}\u{e007f})|[\u{e0000}-\u{e007f}]/gu;
const MARK_RUNS = new RegExp(String.raw`(\p{M}{${MARKS_MAX}})\p{M}+`, 'gu');

/* oxlint-enable no-control-regex, no-misleading-character-class */

/**
 * Several lines: newlines stay (CRLF, NEL and the Unicode separators become one), tabs become four spaces. Idempotent; the
 * result contains no control character but `\n`. Lone surrogates become U+FFFD.
 */
export function sanitizeText(text: string): string {
  let before = text.toWellFormed();
  // What is removed may leave a new sequence behind; every round shortens, so this ends.
  for (;;) {
    const after = onePass(before);
    if (after === before) return after;
    before = after;
  }
}

/** One line: for names, file names, reasons. Newlines and tabs become spaces. */
export function sanitizeLine(text: string): string {
  return sanitizeText(text)
    .replace(/\s*\n\s*/g, ' ')
    .trim();
}

function onePass(text: string): string {
  return text
    .replace(STRINGS, '')
    .replace(CSI, '')
    .replace(ESCAPES, '')
    .replace(LINE_BREAKS, '\n')
    .replace(/\r/g, '\n')
    .replace(/\t/g, '    ')
    .replace(INVISIBLE, '')
    .replace(JOINERS, '$1$2')
    .replace(SELECTORS, '$1$2')
    .replace(TAGS, '$1')
    .replace(MARK_RUNS, '$1');
}
