/** Columns on the screen; the one door to `string-width`. */
import stringWidth from 'string-width';

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

export function widthOf(text: string): number {
  return stringWidth(text);
}

/** What a person sees as characters: a flag, a family, a letter with its marks are one each. */
export function graphemes(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** How many rows a terminal of `columns` needs for printed text: it breaks where the next character does not fit. */
export function rowsOf(text: string, columns: number): number {
  let rows = 0;
  for (const line of text.split('\n')) {
    rows++;
    let column = 0;
    for (const grapheme of graphemes(withoutStyle(line))) {
      const width = widthOf(grapheme);
      if (column + width > columns) {
        rows++;
        column = 0;
      }
      column += width;
    }
  }
  return rows;
}

/** The longest beginning that fits, with `…` where something was cut. */
export function truncate(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  for (const grapheme of graphemes(text)) {
    if (widthOf(kept) + widthOf(grapheme) > columns - 1) break;
    kept += grapheme;
  }
  return columns < 1 ? '' : `${kept}…`;
}

function withoutStyle(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;]*m/g, '');
}
