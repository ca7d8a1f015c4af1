// Goal: a person in a real terminal joins a real server and talks; what they type stays theirs.
// Method: the command inside tmux against a server process, the other side over a pipe.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { command, makeFolder, startChat, startServer } from './processes.ts';
import type { Chat, RunningServer } from './processes.ts';
import { hasTmux, openTerminal } from './tmux.ts';
import type { Terminal } from './tmux.ts';

const folder = makeFolder('real');
const needsTmux = hasTmux ? {} : { skip: 'tmux is not installed' };
const password = 'lantern velvet quarry';
let server: RunningServer;
let terminal: Terminal | undefined;
let bob: Chat;

before(async () => {
  server = await startServer(folder);
  bob = startChat(folder, ['--server', server.tcp, '--invite', server.invite], { home: 'bob' });
  bob.say('bob', password);
  await bob.until(/Registered/);
});
after(async () => {
  terminal?.end();
  await folder.remove();
});

test(
  'registering on a server whose key nobody vouched for asks for consent; the password is asked twice',
  needsTmux,
  async () => {
    const bare = server.ws.replace(/#.*/, '');
    const env = { SECURECHAT_HOME: join(folder.path, 'alice'), SECURECHAT_RSA_BITS: '2048', TERM: 'screen-256color' };
    terminal = openTerminal({
      name: 'real',
      command: `${process.execPath} ${command} --server ${bare} --invite ${server.invite} --color never; echo "code $?"; exec sh`,
      env,
    });
    // Before anything is typed: nobody tells a stranger name or password.
    await terminal.until(new RegExp(`shows the key[\\s\\S]*${server.fingerprint.slice(0, 20)}[\\s\\S]*y/n`));
    terminal.type('y\r');
    await terminal.until(/Welcome to SecureChat\.[^]*Username:/);
    // A command where a name was asked for is a command; a name that is none is said at once.
    terminal.type('!register x\r');
    await terminal.until(/This user name cannot be used[^]*Username:/);
    terminal.type('alice\r');
    await terminal.until(/Password:/);
    terminal.type(`${password}\r`);
    await terminal.until(/Password again:/);
    terminal.type(`${password}\r`);
    const screen = await terminal.until(/Recovery words:\n( {2}([a-z]+ ?){6}\n){2}/);
    assert.match(screen, /Registered and logged in as alice\./);
    assert.doesNotMatch(screen, /lantern/);
    await terminal.until(/^alice>$/m);
  },
);

test('a message and its answer, with the half-typed line kept', needsTmux, async () => {
  assert.ok(terminal);
  terminal.type('@bob hello from a terminal 你好\r');
  await terminal.until(/You have not written with bob yet\. Send\? y\/n/);
  terminal.type('y\r');
  await bob.until(/^@alice: hello from a terminal 你好$/m);
  await terminal.until(/to bob: hello from a terminal 你好 ✓✓/);
  terminal.type('I was just about to');
  await terminal.until(/^@bob> I was just about to$/m);
  bob.say('@alice an answer 👍');
  await terminal.until(/@bob: an answer 👍\n@bob> I was just about to$/m);
  terminal.resize(50, 12);
  terminal.type(' say it\r');
  await bob.until(/^@alice: I was just about to say it$/m);
  terminal.resize(80, 24);
});

test('offline and back: the mark changes, the sentence is the original one', needsTmux, async () => {
  assert.ok(terminal);
  bob.say('!logout');
  await bob.until(/Logged out/);
  terminal.type('are you there?\r');
  await terminal.until(/User is offline\. Your message will be delivered,\s+encrypted, when they return\./);
  bob.say('!login', 'bob', password);
  await bob.until(/^@alice: are you there\?$/m);
});

test('the connection state is in the prompt', needsTmux, async () => {
  assert.ok(terminal);
  const { host } = new URL(server.ws.replace('#', '/#'));
  const tcp = new URL(server.tcp.replace(/^tcp/, 'ws').replace('#', '/#')).host;
  await server.end();
  await terminal.until(/\[offline\] @bob>$/m);
  server = await startServer(folder, ['--listen', host, '--listen-tcp', tcp]);
  await terminal.until(/Connected again\.\n@bob>$/m);
});

test('leaving gives the terminal back, with exit code 0', needsTmux, async () => {
  assert.ok(terminal);
  terminal.type('!exit\r');
  await terminal.until(/code 0/);
  terminal.type('echo visible\r');
  await terminal.until(/\nvisible$/m);
});
