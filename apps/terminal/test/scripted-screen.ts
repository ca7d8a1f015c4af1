/** A terminal in front of a person whose lines and answers the test writes: what it shows is kept, the prompt included. */
import { plainStyle } from '../src/line/screen.ts';
import type { Entry, Screen } from '../src/line/screen.ts';

export interface ScriptedScreen {
  readonly screen: Screen;
  /** Everything printed and asked, a line each. */
  readonly shown: string[];
  readonly prompt: () => string;
}

/** `lines`: what is typed, in order, whether at the prompt or as an answer. It ends as Ctrl+D does. */
export function scriptedScreen(lines: readonly string[]): ScriptedScreen {
  const left = [...lines];
  const shown: string[] = [];
  let prompt = '';
  let prints = 0;
  const print = (text: string): number => {
    shown.push(text);
    return ++prints;
  };
  const screen: Screen = {
    interactive: true,
    style: plainStyle,
    columns: 80,
    rows: 24,
    departed: new Promise(() => undefined),
    print,
    printOwn: (text, mark) => {
      print(`${text} ${mark}`);
      return { remark: () => false };
    },
    alert: () => undefined,
    next: (): Promise<Entry> => {
      const text = left.shift();
      if (text === undefined) return Promise.resolve({ kind: 'end', code: undefined });
      return Promise.resolve({ kind: 'line', text, pasted: false, begunAfter: prints });
    },
    ask: (question) => {
      shown.push(question.trim());
      return Promise.resolve(left.shift());
    },
    setPrompt: (text) => (prompt = text),
    setStatus: () => undefined,
    leave: () => undefined,
    suspend: (work) => work(),
    close: () => undefined,
  };
  return { screen, shown, prompt: () => prompt };
}
