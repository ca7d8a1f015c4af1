import { emitKeypressEvents } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import { exitCodes } from '../exit-codes.ts';
import { commonBeginning } from './completion.ts';
import type { Completion } from './completion.ts';
import { layOut, rowsAbove } from './layout.ts';
import type { Block } from './layout.ts';
import { emptyBuffer, paste, press, replace } from './line-buffer.ts';
import type { Demand, Key, LineBuffer } from './line-buffer.ts';
import type { Entry, Screen } from './screen.ts';
import { terminalStyle } from './screen.ts';
import { rowsOf, widthOf } from './width.ts';
import { wrap } from './wrap.ts';
import type { Layout } from './wrap.ts';

const HISTORY_MAX = 500;
const BRACKETED_PASTE_ON = '\u001b[?2004h';
const BRACKETED_PASTE_OFF = '\u001b[?2004l';
const CLEAR_DOWN = '\u001b[J';
const CLEAR_SCREEN = '\u001b[H\u001b[2J';
const BELL = '\u0007';
/** Between two bells: a flood of messages is heard once. */
const BELL_MS = 1000;
const TITLE_KEPT = '\u001b[22;2t';
// Emptied first: a terminal that cannot keep titles shows its own again.
const TITLE_RESTORED = '\u001b]2;\u0007\u001b[23;2t';

export interface TerminalOptions {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly colour: boolean;
  /** Sounds when somebody writes, and where a key does nothing. */
  readonly bell: boolean;
  /** The terminal has a title that shows how much is new. */
  readonly title: boolean;
  readonly complete: (before: string) => Promise<Completion>;
  /** Stops this program and all it was started with (Ctrl+Z), and returns when it goes on. */
  readonly stop: () => Promise<void>;
  /** Calls back whenever this program goes on after it was stopped from outside: the shell has changed the terminal. */
  readonly onContinue: (listener: () => void) => void;
}

/**
 * A terminal in raw mode. Below everything printed stands one block (status, prompt, the line being written), which is
 * erased and painted again around every print, in one write each. The block's rows never reach the last column, so where
 * it begins is known without asking the terminal.
 */
export function terminalScreen(options: TerminalOptions): Screen {
  const { input, output, colour, complete, stop, onContinue } = options;
  const style = terminalStyle(colour);
  const history: string[] = [];
  const entries: Entry[] = [];
  let waiting: ((entry: Entry) => void) | undefined;
  let question: Question | undefined;
  let buffer = emptyBuffer;
  let prompt = '> ';
  let status: string | undefined;
  let block: Block | undefined;
  let prints = 0;
  let begunAfter = 0;
  /** What was printed last, while it may still be replaced in place. */
  let tail: Tail | undefined;
  let pasting: string[] | undefined;
  let interrupts = 0;
  let paintDue = false;
  let active = false;
  /** Alerts since the last key. */
  let news = 0;
  let bellMs = -Infinity;

  const columns = (): number => Math.max(4, output.columns || 80);

  const top = (): string => {
    if (block === undefined) return '';
    const up = rowsAbove(block, columns());
    return `${up > 0 ? `\u001b[${up}A` : ''}\r${CLEAR_DOWN}`;
  };
  const draw = (): string => {
    const shown = question?.hidden === true ? '' : buffer.text;
    block = layOut({
      prompt: promptNow(),
      text: shown,
      cursor: Math.min(buffer.cursor, shown.length),
      status,
      columns: columns(),
      rows: Math.max(2, output.rows || 24),
    });
    const { rows, cursorRow, cursorColumn } = block;
    const up = rows.length - 1 - cursorRow;
    return `${rows.join('\n')}${up > 0 ? `\u001b[${up}A` : ''}\r${cursorColumn > 0 ? `\u001b[${cursorColumn}C` : ''}`;
  };
  const promptNow = (): string => {
    if (question !== undefined) return question.text;
    return buffer.search === undefined ? prompt : `(search) ${buffer.search.query}: `;
  };
  const paint = (above = ''): void => {
    paintDue = false;
    if (!active) {
      output.write(above);
      return;
    }
    output.write(`${top()}${above}${draw()}`);
  };
  /** Keys of one read are painted once. */
  const paintSoon = (): void => {
    if (paintDue) return;
    paintDue = true;
    setImmediate(() => {
      if (paintDue && active) paint();
    });
  };
  const replaceTail = (text: string, kind: Tail['kind']): Tail | undefined => {
    if (tail === undefined || tail.columns !== columns() || tail.rows >= (output.rows || 24) - 2 || !active)
      return undefined;
    const erased = `${top()}\u001b[${tail.rows}A\r${CLEAR_DOWN}`;
    block = undefined;
    tail = { kind, rows: rowsOf(text, columns()), columns: columns() };
    output.write(`${erased}${text}\n${draw()}`);
    return tail;
  };
  const print = (text: string, layout?: Layout): number => {
    tail = undefined;
    paint(`${wrap(text, columns(), layout)}\n`);
    return ++prints;
  };
  const alert = (): void => {
    if (!active) return;
    if (options.bell && performance.now() - bellMs >= BELL_MS) {
      bellMs = performance.now();
      output.write(BELL);
    }
    if (!options.title) return;
    if (news === 0) output.write(TITLE_KEPT);
    news++;
    output.write(`\u001b]2;(${news}) SecureChat${BELL}`);
  };
  const calm = (): void => {
    if (news > 0) output.write(TITLE_RESTORED);
    news = 0;
  };

  const give = (entry: Entry): void => {
    if (waiting === undefined) entries.push(entry);
    else {
      waiting(entry);
      waiting = undefined;
    }
  };
  /** Leaves what was written on the screen, as any shell does, and starts an empty line. */
  const echo = (shown: string): void => {
    const line = `${promptNow()}${shown}`.split('\n').join('\n  ');
    const rows = rowsOf(line, columns());
    buffer = { ...emptyBuffer, killed: question === undefined ? buffer.killed : '' };
    paint(`${line}\n`);
    tail = { kind: 'echo', rows, columns: columns() };
  };
  const submit = (): void => {
    const { text, pasted } = buffer;
    if (question !== undefined) {
      const { answer, hidden } = question;
      echo(hidden ? '' : text);
      tail = undefined;
      return answer(text);
    }
    echo(text);
    if (text.trim() !== '' && text !== history.at(-1) && !/^[!/](login|register)/i.test(text)) history.push(text);
    if (history.length > HISTORY_MAX) history.shift();
    give({ kind: 'line', text, pasted, begunAfter });
  };
  const interrupt = (): void => {
    if (question !== undefined) {
      const { answer } = question;
      echo('^C');
      return answer(undefined);
    }
    if (buffer.text !== '') {
      interrupts = 0;
      return echo(`${buffer.text}^C`);
    }
    interrupts++;
    if (interrupts > 1) return leave(exitCodes.interrupted);
    print(style.dim('Ctrl+C once more leaves.'));
  };
  const leave = (code: number): void => {
    departure.resolve(code);
    question?.answer(undefined);
    give({ kind: 'end', code });
  };
  const departure = Promise.withResolvers<number>();

  const demands: { readonly [D in Demand]: () => void } = {
    submit,
    interrupt,
    end: () => {
      if (question === undefined) give({ kind: 'end', code: undefined });
      else question.answer(undefined);
    },
    suspend: () => void suspend(stop),
    clear: () => {
      block = undefined;
      tail = undefined;
      output.write(CLEAR_SCREEN);
      paint();
    },
    complete: () => void completeNow(),
    bell: () => void (options.bell && output.write(BELL)),
  };
  const completeNow = async (): Promise<void> => {
    if (question !== undefined) return;
    const asked = buffer;
    const before = asked.text.slice(0, asked.cursor);
    const { start, candidates } = await complete(before).catch(() => ({ start: 0, candidates: [] }));
    // The person may have typed on meanwhile.
    if (buffer !== asked) return;
    if (candidates.length === 0) return demands.bell();
    const common = commonBeginning(candidates);
    if (common.length > before.length - start) {
      buffer = replace(buffer, start, asked.cursor, common);
      return paint();
    }
    if (candidates.length > 1) print(style.dim(candidates.map((candidate) => candidate.trim()).join('  ')));
  };

  const onKey = (character: string | undefined, key: Key): void => {
    calm();
    if (key.name === 'paste-start') {
      pasting = [];
      return;
    }
    if (key.name === 'paste-end') {
      const text = (pasting ?? []).join('');
      pasting = undefined;
      return apply(paste(buffer, text));
    }
    if (pasting !== undefined) {
      pasting.push(key.sequence ?? character ?? '');
      return;
    }
    if (!(key.ctrl === true && key.name === 'c')) interrupts = 0;
    const known = question === undefined ? history : [];
    // What was typed before the question stood there: the terminal made a line feed of Enter. No answer has two lines.
    if (question !== undefined && key.name === 'enter') return submit();
    // Nothing to search or complete in an answer.
    if (question !== undefined && key.ctrl === true && key.name === 'r') return demands.bell();
    apply(press(buffer, character, key, known));
  };
  const apply = (pressed: { readonly buffer: LineBuffer; readonly demand?: Demand }): void => {
    if (buffer.text === '' && pressed.buffer.text !== '') begunAfter = prints;
    buffer = pressed.buffer;
    if (pressed.demand !== undefined) demands[pressed.demand]();
    else paintSoon();
  };
  const onResize = (): void => {
    tail = undefined;
    paint();
  };

  const acquire = (): void => {
    input.setRawMode(true);
    input.resume();
    output.write(BRACKETED_PASTE_ON);
    active = true;
    paint();
  };
  const release = (): void => {
    if (!active) return;
    output.write(`${top()}${BRACKETED_PASTE_OFF}`);
    active = false;
    block = undefined;
    tail = undefined;
    input.setRawMode(false);
    input.pause();
  };
  const suspend = async <T>(work: () => Promise<T>): Promise<T> => {
    release();
    try {
      return await work();
    } finally {
      acquire();
    }
  };
  const resumed = (): void => {
    if (!active) return;
    // The mode is set only when it differs from what Node remembers.
    input.setRawMode(false);
    block = undefined;
    acquire();
  };
  const onInputEnd = (): void => leave(exitCodes.ok);

  emitKeypressEvents(input);
  input.on('keypress', onKey);
  input.on('end', onInputEnd);
  output.on('resize', onResize);
  onContinue(resumed);
  acquire();

  return {
    interactive: true,
    style,
    get columns() {
      return columns();
    },
    get rows() {
      return output.rows || 24;
    },
    departed: departure.promise,
    print,
    alert,
    printOwn: (text, mark, layout) => {
      const line = (with_: string): string => wrap(`${text} ${style.dim(with_)}`, columns(), layout);
      let current = tail?.kind === 'echo' ? replaceTail(line(mark), 'own') : undefined;
      if (current === undefined) {
        print(line(mark), { verbatim: true });
        current = tail = { kind: 'own', rows: rowsOf(line(mark), columns()), columns: columns() };
      }
      return {
        remark: (next) => {
          if (tail === undefined || tail !== current) return false;
          current = replaceTail(line(next), 'own');
          return current !== undefined;
        },
      };
    },
    next: () => {
      const entry = entries.shift();
      if (entry !== undefined) return Promise.resolve(entry);
      return new Promise((resolve) => (waiting = resolve));
    },
    ask: async (text, options = {}) => {
      const draft = buffer;
      const { promise, resolve } = Promise.withResolvers<string | undefined>();
      // A question that would be cut stands above, whole.
      const long = widthOf(text) > columns() / 2;
      if (long) print(text.trimEnd());
      question = { text: long ? '? ' : text, hidden: options.hidden === true, answer: resolve };
      buffer = emptyBuffer;
      paint();
      const answer = await promise;
      question = undefined;
      buffer = draft;
      paint();
      return answer;
    },
    setPrompt: (text) => {
      prompt = text;
      if (active) paint();
    },
    setStatus: (text) => {
      status = text;
      if (active) paint();
    },
    leave,
    suspend,
    close: () => {
      input.off('keypress', onKey);
      input.off('end', onInputEnd);
      output.off('resize', onResize);
      calm();
      release();
    },
  };
}

interface Question {
  readonly text: string;
  readonly hidden: boolean;
  readonly answer: (text: string | undefined) => void;
}

interface Tail {
  readonly kind: 'echo' | 'own';
  readonly rows: number;
  readonly columns: number;
}
