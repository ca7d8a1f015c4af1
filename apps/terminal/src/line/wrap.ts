import { graphemes, widthOf } from './width.ts';

/** How a print stands on a terminal. A pipe gets every text as it is. */
export interface Layout {
  /** Rows after the first begin in this column (of a narrow screen at most in a third of it). */
  readonly hang?: number;
  /** Neither broken nor indented: a command to be copied, a QR code. */
  readonly verbatim?: true;
}

/** Colour is no width, and stays with the word that it stands at. */
// oxlint-disable-next-line no-control-regex
const PIECES = / +|(?:\u001b\[[0-9;]*m|[^ \u001b])+/g;
/** What is copied as a whole: the terminal breaks it, and takes it as one when it is marked. */
const ADDRESS = /^https?:\/\/[!-~]+$/;
const ONE_WORD = /^[!-~]+$/;
/** Never begins a row (of CJK writing, which is broken anywhere else). */
const CLOSING = /^[、。，．：；！？）」』】》〉ー々]/;

/**
 * Breaks text at words. Where it hangs, no row of it but the first begins at the edge: what somebody writes can never
 * look like a line of somebody else, or of the program.
 */
export function wrap(text: string, columns: number, { hang = 0, verbatim }: Layout = {}): string {
  if (verbatim === true) return text;
  const indent = Math.min(hang, Math.floor(columns / 3));
  const whole = indent > 0 ? ADDRESS : ONE_WORD;
  const rows = text.split('\n').flatMap((line, index) => {
    const start = index === 0 ? '' : ' '.repeat(indent);
    return wrapLine(line, { columns, start, indent, whole });
  });
  return rows.join('\n');
}

interface Measure {
  readonly columns: number;
  /** What the first row begins with. */
  readonly start: string;
  readonly indent: number;
  /** Words that are not broken, however long. */
  readonly whole: RegExp;
}

function wrapLine(line: string, { columns, start, indent, whole }: Measure): readonly string[] {
  const rows: string[] = [];
  let row = start;
  let column = start.length;
  let gap = '';
  let fresh = true;
  const turn = (): void => {
    rows.push(row);
    row = ' '.repeat(indent);
    column = indent;
    gap = '';
    fresh = true;
  };
  const put = (part: string, width: number): void => {
    row += gap + part;
    column += gap.length + width;
    gap = '';
    fresh = false;
  };
  for (const piece of line.match(PIECES) ?? []) {
    if (piece.startsWith(' ')) {
      gap = piece;
      continue;
    }
    for (const part of breakable(piece)) {
      const width = widthOf(part);
      // A row begins with as much of its space as leaves room for the word.
      if (fresh) gap = gap.slice(0, Math.max(0, columns - column - width));
      if (column + gap.length + width <= columns) put(part, width);
      else if (indent + width <= columns) {
        turn();
        put(part, width);
      } else if (whole.test(part)) {
        if (!fresh) turn();
        put(part, width);
        column %= columns;
      } else {
        // Longer than any row: begun where there is room, broken between characters.
        if (!fresh && column + gap.length + 2 > columns) turn();
        for (const grapheme of graphemes(part)) {
          const one = widthOf(grapheme);
          if (column + gap.length + one > columns && !fresh) turn();
          put(grapheme, one);
        }
      }
    }
  }
  rows.push(row);
  return rows;
}

/** Wide characters (CJK, emoji) are words by themselves. */
function breakable(piece: string): readonly string[] {
  if (widthOf(piece) === piece.length) return [piece];
  const parts: string[] = [];
  let previousWide = false;
  for (const grapheme of graphemes(piece)) {
    const wide = widthOf(grapheme) > 1;
    const joined = parts.length > 0 && ((!wide && !previousWide) || CLOSING.test(grapheme));
    if (joined) parts.push(`${parts.pop() ?? ''}${grapheme}`);
    else parts.push(grapheme);
    previousWide = wide;
  }
  return parts;
}
