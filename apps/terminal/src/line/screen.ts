import type { Layout } from './wrap.ts';

/**
 * Where line mode speaks and listens. Two of them: a pipe (a line in, a line out) and a terminal (prompt, editing,
 * hidden input). What is printed was sanitised before.
 */
export interface Screen {
  readonly interactive: boolean;
  readonly style: Style;
  /** Columns of the terminal; undefined on a pipe. */
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  /** Settles with an exit code when somebody decided to leave at once (Ctrl+C twice, a signal), whatever is under way. */
  readonly departed: Promise<number>;
  /** Prints lines above the prompt; the half-typed line stays. Returns the running number of this print. */
  print(text: string, layout?: Layout): number;
  /** An own message with its mark. `remark` changes the mark while it is still the last thing on the screen. */
  printOwn(text: string, mark: string, layout?: Layout): { remark(mark: string): boolean };
  /** Somebody wrote: a bell, and how often in the title of the window until a key is pressed. Nothing on a pipe. */
  alert(): void;
  /** The next line a person gives, or how the input ended. */
  next(): Promise<Entry>;
  /** One question, one line. undefined: the input ended, or the person cancelled. Never enters the history. */
  ask(question: string, options?: { readonly hidden?: boolean }): Promise<string | undefined>;
  /** Shown before what is typed; nothing on a pipe. */
  setPrompt(prompt: string): void;
  /** One line that comes and goes above the prompt (progress); nothing on a pipe. */
  setStatus(text: string | undefined): void;
  /** Decides to leave: ends `next` and `ask` that wait, and settles `departed`. */
  leave(code: number): void;
  /** Gives the terminal to another program while `work` runs. Interactive screens only. */
  suspend<T>(work: () => Promise<T>): Promise<T>;
  /** Restores the terminal. Idempotent. */
  close(): void;
}

export type Entry =
  | {
      readonly kind: 'line';
      readonly text: string;
      /** Rows of it were pasted, so that the person may not have seen what they send. */
      readonly pasted: boolean;
      /** The last print before the line was begun: a `y` answers only an offer that could be read before. */
      readonly begunAfter: number;
    }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'not-text' }
  /** `code`: with which exit code the person left (Ctrl+C twice: 130), undefined for the end of the input. */
  | { readonly kind: 'end'; readonly code: number | undefined };

/** Colour, or the identity. Never the only carrier of meaning. */
export interface Style {
  dim(text: string): string;
  bold(text: string): string;
  warn(text: string): string;
  name(text: string): string;
  /** Isolates the direction of a text, so that right-to-left writing leaves the rest of the line alone. */
  isolate(text: string): string;
}

const same = (text: string): string => text;
export const plainStyle: Style = { dim: same, bold: same, warn: same, name: same, isolate: same };

const FIRST_STRONG_ISOLATE = '\u2068';
const POP_ISOLATE = '\u2069';

export function terminalStyle(colour: boolean): Style {
  const sgr = (on: number, off: number) => (text: string) => (colour ? `\u001b[${on}m${text}\u001b[${off}m` : text);
  return {
    dim: sgr(2, 22),
    bold: sgr(1, 22),
    warn: sgr(33, 39),
    name: sgr(36, 39),
    // Only where it matters: a terminal without bidi support may paint isolates as boxes.
    isolate: (text) => (RIGHT_TO_LEFT.test(text) ? `${FIRST_STRONG_ISOLATE}${text}${POP_ISOLATE}` : text),
  };
}

const RIGHT_TO_LEFT =
  /\p{Script=Hebrew}|\p{Script=Arabic}|\p{Script=Syriac}|\p{Script=Thaana}|\p{Script=Nko}|\u200f|\u061c/u;
