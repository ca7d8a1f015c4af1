import { graphemes } from './width.ts';

/** The line that is being written, as a value. `cursor` is an index into `text`, always between two graphemes. */
export interface LineBuffer {
  readonly text: string;
  readonly cursor: number;
  /** What the last kill took (Ctrl+W, Ctrl+U, Ctrl+K, Alt+D); Ctrl+Y gives it back. */
  readonly killed: string;
  /** Something with a line break in it was pasted. */
  readonly pasted: boolean;
  /** Place in the history while walking through it; undefined at the line itself, which `draft` keeps meanwhile. */
  readonly at: number | undefined;
  readonly draft: string;
  /** Ctrl+R: what is looked for, and where it was found. */
  readonly search: { readonly query: string; readonly found: number | undefined } | undefined;
}

export const emptyBuffer: LineBuffer = {
  text: '',
  cursor: 0,
  killed: '',
  pasted: false,
  at: undefined,
  draft: '',
  search: undefined,
};

/** A key as `node:readline` decodes it. */
export interface Key {
  readonly name?: string | undefined;
  readonly ctrl?: boolean;
  readonly meta?: boolean;
  readonly shift?: boolean;
  readonly sequence?: string;
}

/** What a key asks of the screen, beside a changed buffer. */
export type Demand = 'submit' | 'interrupt' | 'end' | 'suspend' | 'clear' | 'complete' | 'bell';

/** A message of 64 KiB and its `@user `; more cannot be sent anyway. */
const TEXT_CHARS_MAX = 80 * 1024;

/** One key. Emacs keys as in every shell; Enter submits, Alt+Enter and Ctrl+J break the line. */
export function press(
  buffer: LineBuffer,
  character: string | undefined,
  key: Key,
  history: readonly string[],
): { readonly buffer: LineBuffer; readonly demand?: Demand } {
  const name = nameOf(key);
  if (buffer.search !== undefined) {
    const searched = pressInSearch(buffer, buffer.search, character, name, history);
    if (searched !== undefined) return searched;
    return press({ ...buffer, search: undefined }, character, key, history);
  }
  const demand = demands[name];
  if (name === 'C-d' && buffer.text !== '') return { buffer: erase(buffer, buffer.cursor, right(buffer)) };
  if (demand !== undefined) return { buffer, demand };
  const edit = edits[name];
  if (edit !== undefined) return { buffer: edit(buffer, history) };
  if (key.ctrl === true || key.meta === true || character === undefined) return { buffer };
  const typed = printable(character);
  return typed === '' ? { buffer } : insert(buffer, typed);
}

/** A paste, whole. Line ends become line breaks, tabs four spaces, control characters go. */
export function paste(buffer: LineBuffer, text: string): { readonly buffer: LineBuffer; readonly demand?: Demand } {
  const clean = printable(text.replace(/\r\n?/g, '\n').replace(/\t/g, '    ')).replace(/\n+$/, '');
  const inserted = insert({ ...buffer, search: undefined }, clean);
  return { ...inserted, buffer: { ...inserted.buffer, pasted: buffer.pasted || clean.includes('\n') } };
}

/** Replaces [start, end) and puts the cursor behind it. */
export function replace(buffer: LineBuffer, start: number, end: number, text: string): LineBuffer {
  const whole = buffer.text.slice(0, start) + text + buffer.text.slice(end);
  return { ...buffer, text: whole, cursor: start + text.length, at: undefined };
}

function insert(buffer: LineBuffer, text: string): { readonly buffer: LineBuffer; readonly demand?: Demand } {
  if (buffer.text.length + text.length > TEXT_CHARS_MAX) return { buffer, demand: 'bell' };
  return { buffer: replace(buffer, buffer.cursor, buffer.cursor, text) };
}

function nameOf(key: Key): string {
  return `${key.ctrl === true ? 'C-' : ''}${key.meta === true ? 'M-' : ''}${key.name ?? ''}`;
}

const demands: { readonly [name: string]: Demand } = {
  return: 'submit',
  'C-c': 'interrupt',
  'C-d': 'end',
  'C-z': 'suspend',
  'C-l': 'clear',
  tab: 'complete',
};

type Edit = (buffer: LineBuffer, history: readonly string[]) => LineBuffer;

const moveTo =
  (place: (buffer: LineBuffer) => number): Edit =>
  (buffer) => ({ ...buffer, cursor: place(buffer) });
const kill =
  (start: (buffer: LineBuffer) => number, end: (buffer: LineBuffer) => number): Edit =>
  (buffer) => ({
    ...erase(buffer, start(buffer), end(buffer)),
    killed: buffer.text.slice(start(buffer), end(buffer)) || buffer.killed,
  });
const here = (buffer: LineBuffer): number => buffer.cursor;
const breakLine: Edit = (buffer) => insert(buffer, '\n').buffer;
const backspace: Edit = (buffer) => erase(buffer, left(buffer), buffer.cursor);

const edits: { readonly [name: string]: Edit } = {
  'M-return': breakLine,
  'M-enter': breakLine,
  enter: breakLine,
  'C-j': breakLine,
  left: moveTo(left),
  'C-b': moveTo(left),
  right: moveTo(right),
  'C-f': moveTo(right),
  home: moveTo(lineStart),
  'C-a': moveTo(lineStart),
  end: moveTo(lineEnd),
  'C-e': moveTo(lineEnd),
  'M-b': moveTo(wordLeft),
  'C-left': moveTo(wordLeft),
  'M-left': moveTo(wordLeft),
  'M-f': moveTo(wordRight),
  'C-right': moveTo(wordRight),
  'M-right': moveTo(wordRight),
  backspace,
  'C-h': backspace,
  delete: (buffer) => erase(buffer, buffer.cursor, right(buffer)),
  'C-w': kill(spaceLeft, here),
  'M-backspace': kill(wordLeft, here),
  'M-d': kill(here, wordRight),
  'C-u': kill(lineStart, here),
  'C-k': kill(here, lineEnd),
  'C-y': (buffer) => insert(buffer, buffer.killed).buffer,
  up: (buffer, history) => walk(buffer, history, -1),
  'C-p': (buffer, history) => walk(buffer, history, -1),
  down: (buffer, history) => walk(buffer, history, 1),
  'C-n': (buffer, history) => walk(buffer, history, 1),
  'C-r': (buffer) => ({ ...buffer, draft: buffer.text, search: { query: '', found: undefined } }),
};

function walk(buffer: LineBuffer, history: readonly string[], step: 1 | -1): LineBuffer {
  const from = buffer.at ?? history.length;
  const to = from + step;
  if (to < 0 || to > history.length) return buffer;
  const draft = buffer.at === undefined ? buffer.text : buffer.draft;
  const text = to === history.length ? draft : (history[to] ?? '');
  return { ...buffer, draft, text, cursor: text.length, at: to === history.length ? undefined : to };
}

/** undefined: the key ends the search with what was found, and then does what it always does. */
function pressInSearch(
  buffer: LineBuffer,
  search: NonNullable<LineBuffer['search']>,
  character: string | undefined,
  name: string,
  history: readonly string[],
): { readonly buffer: LineBuffer; readonly demand?: Demand } | undefined {
  const find = (query: string, before: number): { readonly buffer: LineBuffer; readonly demand?: Demand } => {
    const found = query === '' ? -1 : history.slice(0, before).findLastIndex((line) => line.includes(query));
    if (found < 0) return { buffer: { ...buffer, search: { ...search, query } }, demand: 'bell' };
    const text = history[found] ?? '';
    return { buffer: { ...buffer, text, cursor: text.length, search: { query, found } } };
  };
  if (name === 'C-r') return find(search.query, search.found ?? history.length);
  if (name === 'C-g' || name === 'escape' || name === 'M-escape' || name === 'C-c') {
    return { buffer: { ...buffer, text: buffer.draft, cursor: buffer.draft.length, search: undefined } };
  }
  if (name === 'backspace' || name === 'C-h') return find(search.query.slice(0, -1), history.length);
  const typed =
    name.startsWith('C-') || name.startsWith('M-') || edits[name] || demands[name] ? '' : printable(character ?? '');
  if (typed === '') return undefined;
  const query = search.query + typed;
  return find(query, search.found === undefined ? history.length : search.found + 1);
}

function erase(buffer: LineBuffer, start: number, end: number): LineBuffer {
  return { ...buffer, text: buffer.text.slice(0, start) + buffer.text.slice(end), cursor: start, at: undefined };
}

function left({ text, cursor }: LineBuffer): number {
  return cursor - (graphemes(text.slice(0, cursor)).at(-1)?.length ?? 0);
}

function right({ text, cursor }: LineBuffer): number {
  return cursor + (graphemes(text.slice(cursor))[0]?.length ?? 0);
}

function lineStart({ text, cursor }: LineBuffer): number {
  return cursor === 0 ? 0 : text.lastIndexOf('\n', cursor - 1) + 1;
}

function lineEnd({ text, cursor }: LineBuffer): number {
  const end = text.indexOf('\n', cursor);
  return end < 0 ? text.length : end;
}

function wordLeft({ text, cursor }: LineBuffer): number {
  return cursor - (/[\p{L}\p{N}\p{M}]*[^\p{L}\p{N}\p{M}]*$/u.exec(text.slice(0, cursor))?.[0].length ?? 0);
}

function wordRight({ text, cursor }: LineBuffer): number {
  return cursor + (/^[^\p{L}\p{N}\p{M}]*[\p{L}\p{N}\p{M}]*/u.exec(text.slice(cursor))?.[0].length ?? 0);
}

function spaceLeft({ text, cursor }: LineBuffer): number {
  return cursor - (/\S*\s*$/.exec(text.slice(0, cursor))?.[0].length ?? 0);
}

function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '');
}
