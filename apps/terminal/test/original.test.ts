// Goal: every command and answer of the original program, row by row, between real processes: a server, two people over
// WebSocket and TCP, nothing but lines in and lines out.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeFolder, startChat, startServer } from './processes.ts';
import type { Chat, RunningServer } from './processes.ts';

const folder = makeFolder('original');
let server: RunningServer;
let alice: Chat;
let bob: Chat;
before(async () => {
  server = await startServer(folder);
});
after(() => folder.remove());

const password = 'correct horse battery';
const words = { alice: '', bob: '' };

test('two people register, one over WebSocket and one over TCP', async () => {
  alice = startChat(folder, ['--server', server.ws], { home: 'alice' });
  alice.say('!register', 'alice', password, server.invite);
  await alice.until(/^Username: \nPassword: \nInvite: \nRegistered and logged in as alice\.\n/);
  words.alice = (await alice.until(/^Recovery words: ((?:[a-z]+ ){11}[a-z]+)$/m))[1] ?? '';

  bob = startChat(folder, ['--server', server.tcp, '--invite', server.invite], { home: 'bob' });
  bob.say('bob', password);
  await bob.until(/^Username: \nPassword: \nRegistered and logged in as bob\.\n/);
  words.bob = (await bob.until(/^Recovery words: (.*)$/m))[1] ?? '';
});

test('a taken name is refused', async () => {
  const mallory = startChat(folder, ['--server', server.ws], { home: 'mallory' });
  mallory.say('!register', 'alice', password, server.invite);
  await mallory.until(/^This user name is taken\./m);
  mallory.say('!status');
  await mallory.until(/^Account: not logged in$/m);
  await mallory.end();
});

test('@user message arrives as @user: text, both ways, every byte of it', async () => {
  alice.say('@bob hi bob');
  await bob.until(/^@alice: hi bob$/m);
  bob.say('@alice hello alice');
  await alice.until(/^@bob: hello alice$/m);
  const text = 'x'.repeat(300) + ' äöü 你好 👩‍💻 שלום "quotes" \\ %s $x';
  alice.say(text);
  assert.equal((await bob.until(/^@alice: (x{300}.*)$/m))[1], text);
  const long = 'word '.repeat(13_000).trim();
  alice.say(`@bob ${long}`);
  assert.equal((await bob.until(/^@alice: (word .*)$/m))[1], long);
});

test('nobody of that name: no such user', async () => {
  alice.say('@nobody-here hi');
  await alice.until(/^No such user\./m);
});

test('a text over 64 KiB is refused, and the next one goes', async () => {
  alice.say(`@bob ${'x'.repeat(64 * 1024 + 1)}`, '@bob after');
  await alice.until(/^The text is longer than 64 KiB\. Send it as a file/m);
  await bob.until(/^@alice: after$/m);
});

test('!who says who is there', async () => {
  alice.say('!who bob');
  await alice.until(/^bob is online\.$/m);
});

test('an offered file is sent after y, whole', async () => {
  const path = join(folder.path, 'holiday pictures.bin');
  const bytes = randomBytes(3_000_001);
  writeFileSync(path, bytes);
  alice.say(`!file bob ${path}`);
  await bob.until(/^@alice offers holiday pictures\.bin \(3\.0 MB\)\. Accept\? y\/n$/m);
  bob.say('y');
  const [, stored = ''] = await bob.until(/^Received from alice: (.*)$/m);
  assert.equal(stored, join(folder.path, 'bob', 'default', 'downloads', 'holiday pictures.bin'));
  assert.ok(readFileSync(stored).equals(bytes));
  await alice.until(/^bob accepted holiday pictures\.bin\. Sending\.$/m);
  await alice.until(/^bob has received holiday pictures\.bin\.$/m);
});

test('an offered file is not sent after n', async () => {
  const path = join(folder.path, 'unwanted.txt');
  writeFileSync(path, 'no thanks');
  alice.say(`!file bob ${path}`);
  await bob.until(/^@alice offers unwanted\.txt \(9 B\)\. Accept\? y\/n$/m);
  bob.say('n');
  await alice.until(/^bob declined unwanted\.txt\.$/m);
  assert.ok(!existsSync(join(folder.path, 'bob', 'default', 'downloads', 'unwanted.txt')));
});

test('a file that is not there is said', async () => {
  alice.say('!file bob /no/such/file');
  await alice.until(/^There is no such file\./m);
});

test('blocked: the sender is told; unblocked: it goes again', async () => {
  bob.say('!block alice');
  await bob.until(/^alice is blocked\.$/m);
  alice.say('@bob can you hear me?');
  await alice.until(/^User blocked all messages from you\./m);
  bob.say('!unblock alice');
  await bob.until(/^alice is no longer blocked\.$/m);
  alice.say('@bob and now?');
  await bob.until(/^@alice: and now\?$/m);
  assert.doesNotMatch(bob.printed.out, /can you hear me/);
});

test('both see the same safety number', async () => {
  alice.say('!verify bob');
  const [, number = ''] = await alice.until(/^Safety number with bob: ([\d ]+)$/m);
  bob.say('!verify alice');
  assert.equal((await bob.until(/^Safety number with alice: ([\d ]+)$/m))[1], number);
  assert.match(number, /^(\d{5} ){11}\d{5}$/);
  alice.say(`!verify bob ${number}`);
  await alice.until(/^bob is verified\.$/m);
});

test('offline: it is said, and delivered when they return', async () => {
  bob.say('!logout');
  await bob.until(/^Logged out\.$/m);
  alice.say('@bob are you there?');
  await alice.until(/^User is offline\. Your message will be delivered, encrypted, when they return\.$/m);
  bob.say('!login', 'bob', 'wrong password');
  await bob.until(/^Wrong password/m);
  bob.say('!login', 'bob', password);
  await bob.until(/^Logged in as bob\.$/m);
  await bob.until(/^@alice: are you there\?$/m);
});

test('another session of the same account ends the first, with a notice', async () => {
  const other = startChat(folder, ['--server', server.ws, '--user', 'bob'], { home: 'bob' });
  other.say(password);
  await other.until(/^Logged in as bob\.$/m);
  await bob.until(/^Another session started with this account\./m);
  assert.equal(await bob.end(), 5);
  bob = other;
  alice.say('@bob welcome back');
  await bob.until(/^@alice: welcome back$/m);
});

test('!resetkeys: a verified contact is told, and sending halts until it is verified again', async () => {
  bob.say('!resetkeys');
  await bob.until(/^New keys\. Your fingerprint: sha256:/m);
  await alice.until(/^The identity of bob, whom you had verified, changed\./m);
  alice.say('@bob secret');
  await alice.until(/^The identity of a verified contact changed\. Sending is halted\./m);
  alice.say('!verify bob');
  const [, number = ''] = await alice.until(/^Safety number with bob: ([\d ]+)$/m);
  alice.say(`!verify bob ${number}`, '@bob now again');
  await bob.until(/^@alice: now again$/m);
});

test('recovery words on an empty profile: history is gone, the conversation goes on', async () => {
  const elsewhere = startChat(folder, ['--server', server.tcp], { home: 'elsewhere' });
  elsewhere.say('!login', 'alice', password, words.alice);
  await elsewhere.until(/^Username: \nPassword: \nRecovery words: \nLogged in as alice\.$/m);
  await alice.until(/^Another session started with this account/m);
  assert.equal(await alice.end(), 5);
  elsewhere.say('@bob it is me, on another machine');
  await bob.until(/^@alice: it is me, on another machine$/m);
  bob.say('@alice I can see that');
  await elsewhere.until(/^@bob: I can see that$/m);
  alice = elsewhere;
});

test('a server that goes away is said once; what was written meanwhile arrives when it is back', async () => {
  const { port } = new URL(server.ws.replace('#', '/#'));
  const tcpPort = new URL(server.tcp.replace('#', '/#').replace('tcp:', 'ws:')).port;
  assert.equal(await server.end(), 0);
  await alice.until(/^Connection lost\./m);
  await bob.until(/^Connection lost\./m);
  alice.say('@bob written without a server');
  await alice.until(/^The server cannot be reached\. Your message is queued/m);
  server = await startServer(folder, ['--listen', `127.0.0.1:${port}`, '--listen-tcp', `127.0.0.1:${tcpPort}`]);
  await bob.until(/^@alice: written without a server$/m);
  assert.match(alice.printed.out, /^Connected again\.$/m);
});

test('!exit and the end of the input both leave with 0', async () => {
  alice.say('!exit');
  assert.equal(await alice.exit, 0);
  assert.equal(await bob.end(), 0);
});

test('the log of the server names nobody and says nothing that was said', () => {
  assert.doesNotMatch(server.printed.err, /alice|bob|secret|hello|holiday/);
});
