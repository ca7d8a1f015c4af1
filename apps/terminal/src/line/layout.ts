import { graphemes, truncate, widthOf } from './width.ts';

/** So much of a narrow screen belongs to the text, however long the prompt is. */
const TEXT_COLUMNS_MIN = 8;

/** What stands below everything printed: a status line if there is one, then the prompt with the line being written. */
export interface Block {
  readonly rows: readonly string[];
  /** Width of each row, to know after a resize how often the terminal broke it. */
  readonly widths: readonly number[];
  readonly cursorRow: number;
  readonly cursorColumn: number;
}

export interface BlockContent {
  readonly prompt: string;
  readonly text: string;
  /** Index into `text`. */
  readonly cursor: number;
  readonly status: string | undefined;
  readonly columns: number;
  readonly rows: number;
}

/**
 * Breaks the line into rows that end one column before the edge: a terminal's own behaviour at the last column differs
 * from one to the next, and here it never comes to it. Lines after a break are indented by two. Where the whole is higher
 * than the screen, the part around the cursor is shown.
 */
export function layOut({ prompt, text, cursor, status, columns, rows: rowsMax }: BlockContent): Block {
  const width = Math.max(2, columns - 1);
  const head = shorten(prompt, Math.max(3, width - TEXT_COLUMNS_MIN));
  const rows: string[] = [];
  let row = head;
  let column = widthOf(head);
  let cursorRow = 0;
  let cursorColumn = column;
  let index = 0;
  const turn = (indent: string): void => {
    rows.push(row);
    row = indent;
    column = indent.length;
  };
  for (const grapheme of graphemes(text)) {
    if (index === cursor) [cursorRow, cursorColumn] = [rows.length, column];
    index += grapheme.length;
    if (grapheme === '\n') {
      turn('  ');
      continue;
    }
    const graphemeWidth = widthOf(grapheme);
    if (column + graphemeWidth > width) turn('');
    row += grapheme;
    column += graphemeWidth;
  }
  if (cursor >= text.length) {
    if (column >= width) turn('');
    [cursorRow, cursorColumn] = [rows.length, column];
  } else if (cursorColumn >= width) [cursorRow, cursorColumn] = [cursorRow + 1, 0];
  rows.push(row);
  return window(rows, cursorRow, cursorColumn, status === undefined ? undefined : truncate(status, width), rowsMax);
}

/** Keeps the end, which says where typing begins. */
function shorten(prompt: string, columns: number): string {
  if (widthOf(prompt) <= columns) return prompt;
  const end = /\S?\s*$/.exec(prompt)?.[0] ?? '';
  return truncate(prompt.slice(0, prompt.length - end.length), columns - widthOf(end)) + end;
}

function window(
  all: readonly string[],
  cursorRow: number,
  cursorColumn: number,
  status: string | undefined,
  rowsMax: number,
): Block {
  const room = Math.max(1, rowsMax - 1);
  const withStatus = status !== undefined && room > 1;
  const height = Math.min(all.length, withStatus ? room - 1 : room);
  const first = Math.min(Math.max(0, cursorRow - height + 1), all.length - height);
  const shown = all.slice(first, first + height);
  const rows = withStatus ? [status, ...shown] : shown;
  return {
    rows,
    widths: rows.map(widthOf),
    cursorRow: cursorRow - first + (withStatus ? 1 : 0),
    cursorColumn,
  };
}

/** How many rows above the cursor the block begins, after the terminal was resized to `columns` and broke rows anew. */
export function rowsAbove(block: Block, columns: number): number {
  const broken = block.widths.slice(0, block.cursorRow).map((width) => Math.max(1, Math.ceil(width / columns)));
  return broken.reduce((sum, rows) => sum + rows, 0) + Math.floor(block.cursorColumn / columns);
}
