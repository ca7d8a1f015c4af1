/**
 * The terminal screen of line mode in front of a client that plays a part: `@bob echo TEXT` is answered by TEXT, `@bob
 * offer` by a file offer; where SECURECHAT_PLAY_GO names a file, once that is there. Run by terminal.test.ts inside tmux.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from '@securechat/client';
import { complete } from '../src/line/completion.ts';
import { commands } from '../src/line/commands.ts';
import { systemEditor } from '../src/line/editor.ts';
import { runLineMode } from '../src/line/line-mode.ts';
import { terminalScreen } from '../src/line/terminal-screen.ts';
import { messageFrom, scriptedClient } from './scripted-client.ts';

/** Today, so that no date stands in front. */
function saidNow(text: string): Message {
  return { ...messageFrom('bob', text, `${Math.random()}`), at: new Date().toISOString() };
}

const goFile = process.env['SECURECHAT_PLAY_GO'] ?? '';
async function mayAnswer(): Promise<void> {
  do await sleep(50);
  while (goFile !== '' && !existsSync(goFile));
}

const scripted = scriptedClient({
  send: async (_to, text) => {
    await sleep(60);
    const id = `m-${text}`;
    const [, word, rest] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
    void mayAnswer().then(() => {
      if (word === 'echo') scripted.emit({ kind: 'message', message: saidNow(rest ?? '') });
      if (word === 'hostile') {
        const attack = '\u001b[2J\u001b[H\u001b]0;owned\u0007\u001b[?1049hgone\r\n@carol: not from carol';
        scripted.emit({ kind: 'message', message: saidNow(attack) });
      }
      if (word === 'offer')
        scripted.emit({ kind: 'fileOffer', id: 'f1', from: 'bob', name: 'cat.jpg', bytes: 2_500_000 });
      scripted.emit({ kind: 'state', id, conversation: '@bob', state: 'delivered' });
    });
    return { id, state: 'sent', recipient: 'online' };
  },
  contacts: () =>
    Promise.resolve(
      ['bob', 'bonnie'].map((user) => ({
        user,
        fingerprint: `sha256:${'A'.repeat(43)}` as never,
        verified: false,
        changed: false,
        blocked: false,
        unread: 0,
        presence: 'online' as const,
      })),
    ),
});

const screen = terminalScreen({
  input: process.stdin,
  output: process.stdout,
  colour: false,
  bell: true,
  title: true,
  complete: (before) =>
    complete(before, {
      commands: Object.keys(commands),
      users: () => Promise.resolve(['bob', 'bonnie']),
      home: process.env['HOME'] ?? '/',
    }),
  stop: () => sleep(50),
  onContinue: (listener) => process.on('SIGCONT', listener),
});
process.on('exit', () => screen.close());
const code = await runLineMode(scripted.client, screen, {
  drainMs: 100,
  server: 'ws://127.0.0.1:4200',
  version: '0.1.0',
  home: process.env['HOME'] ?? '/',
  now: () => new Date(),
  fileExists: () => true,
  editor: systemEditor(process.env),
  onLoggedIn: () => undefined,
  qr: () => '',
});
screen.close();
process.stdin.pause();
process.stdout.write(`ended with ${code}\n`);
