// Goal: in a real terminal the half-typed line survives everything that happens around it, secrets never show, and the
// terminal is as it was afterwards.
// Method: the real screen and line mode inside tmux, in front of a client that plays a part; the screen is read back.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, test } from 'node:test';
import { hasTmux, openTerminal } from './tmux.ts';
import type { Terminal } from './tmux.ts';

const play = join(import.meta.dirname, 'terminal-play.ts');
const folder = mkdtempSync(join(tmpdir(), 'securechat-terminal-'));
after(() => rmSync(folder, { recursive: true }));
/** Where the play may go on. */
const goFile = join(folder, 'go');
const held = { env: { SECURECHAT_PLAY_GO: goFile } };
const letGo = (): void => writeFileSync(goFile, '');
const needsTmux = hasTmux ? {} : { skip: 'tmux is not installed' };
let opened = 0;

async function playing(
  work: (terminal: Terminal) => Promise<void>,
  options: { columns?: number; rows?: number; env?: Record<string, string>; logIn?: boolean } = {},
): Promise<void> {
  rmSync(goFile, { force: true });
  const terminal = openTerminal({ name: `play${++opened}`, command: `${process.execPath} ${play}; sh`, ...options });
  try {
    await terminal.until(/secure\w*…?>\s*$/);
    if (options.logIn !== false) {
      terminal.type('!login\r');
      await terminal.until(/Username:/);
      terminal.type('alice\r');
      await terminal.until(/Password:/);
      terminal.type('correct horse\r');
      await terminal.until(/^alice>$/m);
    }
    await work(terminal);
  } finally {
    terminal.end();
  }
}

/** Once the cursor stands there. */
const cursorAt = (terminal: Terminal, column: number): Promise<string> =>
  terminal.until(() => terminal.cursor()[0] === column);

test('the password is hidden, and nothing of it is left on the screen or in the history', needsTmux, () =>
  playing(async (terminal) => {
    assert.doesNotMatch(terminal.screen(), /correct/);
    terminal.keys('Up');
    await terminal.until(/^alice>$/m);
    assert.doesNotMatch(terminal.screen(), /alice> (alice|correct|!login)/);
  }),
);

test('the half-typed line stays when a message arrives, and the cursor with it', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@bob echo hello\r');
    await terminal.until(/to bob: echo hello ✓/);
    terminal.type('half a lin');
    terminal.keys('Left', 'Left', 'Left');
    await cursorAt(terminal, '@bob> half a '.length);
    letGo();
    await terminal.until(/^\d\d:\d\d @bob: hello\n@bob> half a lin$/m);
    await cursorAt(terminal, '@bob> half a '.length);
    terminal.type('XY');
    await terminal.until(/@bob> half a XYlin/);
  }, held),
);

test('the title counts what came, until a key is pressed', needsTmux, () =>
  playing(async (terminal) => {
    const before = terminal.title();
    terminal.type('@bob echo hello\r');
    await terminal.until(/@bob: hello/);
    assert.equal(terminal.title(), '(1) SecureChat');
    terminal.type('x');
    await terminal.until(/@bob> x$/m);
    assert.equal(terminal.title(), before);
  }),
);

test('a long message is broken at words, under its beginning', needsTmux, () =>
  playing(
    async (terminal) => {
      terminal.type('@bob echo one two three four five six seven eight nine ten\r');
      await terminal.until(/@bob: one two three four five six\n {12}seven eight nine ten/);
      await terminal.until(/to bob: echo one two three four five\n {14}six seven eight nine ten ✓✓?/);
    },
    { columns: 42 },
  ),
);

test('a sent message shows its mark, and the mark becomes delivered in place', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@bob hi\r');
    await terminal.until(/to bob: hi ✓$/m);
    letGo();
    const screen = await terminal.until(/to bob: hi ✓✓$/m);
    assert.equal(screen.match(/hi/g)?.length, 1, screen);
  }, held),
);

test('CJK, emoji and right-to-left text keep the cursor where the next character comes', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@bob 你好👍x');
    await terminal.until(/你好👍x/);
    await cursorAt(terminal, 'alice> @bob '.length + 2 + 2 + 2 + 1);
    terminal.keys('Left', 'BSpace', 'BSpace');
    await terminal.until(/alice> @bob 你x$/m);
    terminal.keys('C-u');
    terminal.type('@bob echo שלום 世界\r');
    await terminal.until(/@bob: .*שלום 世界/);
  }),
);

test(
  'a long line is broken, and a resize up, down and to almost nothing leaves one prompt and all the text',
  needsTmux,
  () =>
    playing(async (terminal) => {
      const text = `@bob ${'0123456789'.repeat(12)}`;
      terminal.type(text);
      await terminal.until(/89$/m);
      for (const [columns, rows] of [
        [40, 12],
        [20, 5],
        [33, 10],
        [120, 30],
        [80, 24],
      ] as const) {
        terminal.resize(columns, rows);
        await sleep(250);
      }
      await terminal.until((screen) => {
        const shown = screen.slice(screen.lastIndexOf('alice>')).replace(/\n/g, '');
        return screen.match(/alice> @bob/g)?.length === 1 && shown === `alice> ${text}`;
      });
    }),
);

test('at 20x5 one can log in, write and read', needsTmux, () =>
  playing(
    async (terminal) => {
      terminal.type('@bob echo tiny screens are screens too\r');
      await terminal.until(/@bob: tiny/);
      await terminal.until(/@bob>$/m);
    },
    { columns: 20, rows: 5 },
  ),
);

test('several pasted lines are one message, after a question', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@bob ');
    terminal.paste('echo one\ntwo\nthree\n');
    await terminal.until(/^ {2}three$/m);
    terminal.keys('Enter');
    await terminal.until(/Send 3 lines, \d+ B, to bob\? y\/n/);
    terminal.type('y\r');
    await terminal.until(/@bob: one\n {12}two\n {12}three/);
  }),
);

test('Alt+Enter breaks the line', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@bob echo a');
    terminal.keys('M-Enter');
    terminal.type('b\r');
    await terminal.until(/@bob: a\n {12}b/);
  }),
);

test('y answers an offer only if it was on the screen before the line was begun', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@bob offer\r');
    await terminal.until(/to bob: offer ✓/);
    terminal.type('y');
    await terminal.until(/^@bob> y$/m);
    letGo();
    await terminal.until(/@bob offers cat\.jpg \(2\.5 MB\)\. Accept\? y\/n/);
    terminal.keys('Enter');
    await terminal.until(/to bob: y ✓/);
    terminal.type('y\r');
    await terminal.until(/Accepted: cat\.jpg from bob\./);
  }, held),
);

test('somebody new is asked about once', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@stranger hi\r');
    await terminal.until(/You have not written with stranger yet\. Send\? y\/n/);
    terminal.type('n\r');
    await terminal.until(/Nothing was sent\./);
    terminal.type('hello\r');
    await terminal.until(/yet\. Send\? y\/n[\s\S]*yet\. Send\? y\/n/);
    terminal.type('y\r');
    await terminal.until(/to stranger: hello ✓/);
    terminal.type('again\r');
    await terminal.until(/to stranger: again ✓/);
  }),
);

test('Tab completes, a second Tab lists', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@b');
    terminal.keys('Tab');
    await terminal.until(/alice> @bo$/m);
    terminal.keys('Tab');
    await terminal.until(/^@bob {2}@bonnie\nalice> @bo$/m);
    terminal.type('n');
    terminal.keys('Tab');
    await terminal.until(/alice> @bonnie$/m);
  }),
);

test('Ctrl+R finds what was written before', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@bob remember this\r');
    await terminal.until(/to bob: remember this ✓/);
    terminal.type('other\r');
    await terminal.until(/to bob: other ✓/);
    terminal.keys('C-r');
    terminal.type('mem');
    await terminal.until(/\(search\) mem: @bob remember this/);
    terminal.keys('Enter');
    await terminal.until(/remember this ✓[\s\S]*remember this ✓/);
  }),
);

test('!edit opens the editor, sends what was saved, and leaves no file', needsTmux, async () => {
  const editor = join(folder, 'editor.sh');
  writeFileSync(editor, '#!/bin/sh\nprintf "echo from the\\neditor\\n" > "$1"\nls -ld "$(dirname "$1")" > "$0.mode"\n');
  chmodSync(editor, 0o700);
  const runtime = mkdtempSync(join(folder, 'run-'));
  await playing(
    async (terminal) => {
      terminal.type('!edit bob\r');
      await terminal.until(/Send 2 lines, \d+ B to bob\? y\/n/);
      terminal.type('y\r');
      await terminal.until(/@bob: from the\n {12}editor/);
    },
    { env: { EDITOR: editor, VISUAL: '', XDG_RUNTIME_DIR: runtime } },
  );
  assert.deepEqual(readdirSync(runtime), []);
});

test('Ctrl+C clears the line, twice it leaves with 130; the terminal is as it was', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('unfinished');
    await terminal.until(/unfinished/);
    terminal.keys('C-c');
    await terminal.until(/unfinished\^C\nalice>$/m);
    terminal.keys('C-c');
    await terminal.until(/Ctrl\+C once more leaves/);
    // One is enough soon after; a busy machine forgets the first of them.
    terminal.keys('C-c', 'C-c');
    await terminal.until(/ended with 130/);
    terminal.type('stty -a | grep -o -E "[-]?(icanon|echo|isig)\\b" | tr "\\n" ,\r');
    await terminal.until(/[^-]isig,icanon,echo,/);
  }),
);

test('Ctrl+D on an empty line leaves with 0', needsTmux, () =>
  playing(async (terminal) => {
    terminal.keys('C-d');
    await terminal.until(/ended with 0/);
  }),
);

test('a hostile message does nothing to the screen', needsTmux, () =>
  playing(async (terminal) => {
    terminal.type('@bob before\r');
    await terminal.until(/to bob: before ✓/);
    terminal.type('@bob hostile\r');
    const screen = await terminal.until(/@bob: gone$/m);
    assert.match(screen, /before ✓/);
    assert.match(screen, /^ {12}@carol: not from carol$/m);
  }),
);
