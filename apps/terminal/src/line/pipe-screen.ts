import { inputLines } from '../input-lines.ts';
import type { InputLine } from '../input-lines.ts';
import type { Entry, Screen } from './screen.ts';
import { plainStyle } from './screen.ts';

/** A message of 64 KiB, with room for `@user ` in front; the client itself judges the text. */
const LINE_BYTES_MAX = 66 * 1024;

export interface PipeStreams {
  readonly input: AsyncIterable<Uint8Array>;
  readonly write: (text: string) => void;
  /** A terminal that cannot move its cursor (TERM=dumb): what is typed is hidden where it must be. */
  readonly terminal?: { setRawMode(raw: boolean): unknown };
}

/**
 * Line mode without a terminal: every line of the input is what a person would type, prompts are printed as lines of
 * their own, and nothing else is asked than the prompts of `!register` and `!login`.
 */
export function pipeScreen({ input, write, terminal }: PipeStreams): Screen {
  let concealed = false;
  const lines = inputLines(terminal === undefined ? input : rawLines(input, () => concealed), LINE_BYTES_MAX);
  let code: number | undefined;
  const departure = Promise.withResolvers<number>();

  /** undefined at the end of the input, or once somebody decided to leave. */
  const read = async (): Promise<InputLine | undefined> => {
    if (code !== undefined) return undefined;
    const result = await Promise.race([lines.next(), departure.promise]);
    return typeof result === 'number' || result.done === true ? undefined : result.value;
  };
  const conceal = (hidden: boolean): void => {
    if (terminal === undefined || concealed === hidden) return;
    concealed = hidden;
    terminal.setRawMode(hidden);
  };
  return {
    interactive: false,
    style: plainStyle,
    columns: undefined,
    rows: undefined,
    departed: departure.promise,
    print: (text) => {
      write(`${text}\n`);
      return 0;
    },
    printOwn: () => ({ remark: () => false }),
    alert: () => undefined,
    next: async (): Promise<Entry> => {
      const line = await read();
      if (line === undefined) return { kind: 'end', code };
      return line.kind === 'line' ? { ...line, pasted: false, begunAfter: Infinity } : line;
    },
    ask: async (question, options = {}) => {
      write(`${question}\n`);
      if (options.hidden === true) conceal(true);
      const line = await read();
      conceal(false);
      return line?.kind === 'line' ? line.text : undefined;
    },
    setPrompt: () => undefined,
    setStatus: () => undefined,
    leave: (with_) => {
      code ??= with_;
      departure.resolve(with_);
    },
    suspend: (work) => work(),
    close: () => conceal(false),
  };
}

/** In raw mode Enter is CR, and the terminal no longer takes back what Backspace takes back. */
async function* rawLines(input: AsyncIterable<Uint8Array>, raw: () => boolean): AsyncGenerator<Uint8Array> {
  let typed: number[] = [];
  for await (const chunk of input) {
    if (!raw()) {
      yield chunk;
      continue;
    }
    for (const byte of chunk) {
      if (byte === 0x7f || byte === 0x08) while (typed.length > 0 && ((typed.pop() ?? 0) & 0xc0) === 0x80);
      else if (byte === 0x03) typed = [];
      else if (byte === 0x0d || byte === 0x0a) {
        yield Uint8Array.from([...typed, 0x0a]);
        typed = [];
      } else typed.push(byte);
    }
  }
}
