/** A real terminal for tests: tmux, driven by keys and read as a screen. One server per test file, killed with it. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Terminal {
  /** Keys by tmux's names (`Enter`, `C-c`, `Left`, `M-Enter`). */
  keys(...names: readonly string[]): void;
  /** Characters as they are. */
  type(text: string): void;
  /** As the terminal pastes: bracketed where the program asked for it. */
  paste(text: string): void;
  /** The screen, rows without trailing spaces. */
  screen(): string;
  /** The screen once it is as wanted; an error with the screen when it never is. */
  until(wanted: RegExp | ((screen: string) => boolean)): Promise<string>;
  /** Column and row of the cursor, from 0. */
  cursor(): readonly [number, number];
  /** What the program made the title of the window; the default is the name of the machine. */
  title(): string;
  resize(columns: number, rows: number): void;
  end(): void;
}

/** As long as a busy machine may take. */
const PATIENCE_MS = 60_000;

export const hasTmux = (() => {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

export interface TerminalOptions {
  readonly name: string;
  /** Given to the shell of the pane. */
  readonly command: string;
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export function openTerminal({ name, command, columns = 80, rows = 24, env = {} }: TerminalOptions): Terminal {
  const server = `securechat-${process.pid}-${name}`;
  const tmux = (...args: readonly string[]): string =>
    execFileSync('tmux', ['-L', server, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8', TMUX: '', ...env },
    });
  const size = ['-x', String(columns), '-y', String(rows)];
  tmux(
    '-u',
    'new-session',
    '-d',
    ...size,
    command,
    ';',
    'set',
    '-g',
    'window-size',
    'manual',
    ';',
    'set',
    '-g',
    'remain-on-exit',
    'on',
  );
  const screen = (): string => tmux('capture-pane', '-p').replace(/[ \n]+$/, '');
  return {
    keys: (...names) => void tmux('send-keys', ...names),
    type: (text) => void tmux('send-keys', '-l', text),
    paste: (text) => {
      tmux('set-buffer', text);
      tmux('paste-buffer', '-p', '-r');
    },
    screen,
    until: async (wanted) => {
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const seen = screen();
        if (typeof wanted === 'function' ? wanted(seen) : wanted.test(seen)) return seen;
        if (performance.now() > deadline) throw new Error(`never ${String(wanted)} on the screen:\n${seen}`);
        await sleep(40);
      }
    },
    cursor: () => {
      const [column = 0, row = 0] = tmux('display', '-p', '#{cursor_x} #{cursor_y}').split(' ').map(Number);
      return [column, row];
    },
    title: () => tmux('display', '-p', '#{pane_title}').trim(),
    resize: (columnsNow, rowsNow) => void tmux('resize-window', '-x', String(columnsNow), '-y', String(rowsNow)),
    end: () => {
      try {
        tmux('kill-server');
      } catch {
        // Ended by itself.
      }
    },
  };
}
