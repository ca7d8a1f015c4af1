// Goal: nothing that was said, sent or kept secret can be found where it must not be: on the server's disk, in its memory
// or logs, on the wire, in a profile. Method: two people use everything, through proxies that record; then one search.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CanarySearch, formsOf } from './canary-search.ts';
import type { Canary, Find } from './canary-search.ts';
import { makeFolder, startRpc, startServer } from './processes.ts';
import type { Rpc, RunningServer } from './processes.ts';
import { readProfile, rsaKeysIn } from './profile-reader.ts';
import { startRecordingProxy } from './recording-proxy.ts';
import type { RecordingProxy } from './recording-proxy.ts';

const names = { alice: 'canaryalyssum77', bob: 'canarybluebell88' } as const;
const passwords = { alice: 'Kanarienvogel-Käfig 4711!', bob: 'пароль-канарейка-8842' } as const;
const texts = {
  latin: 'The heron lands at dawn by Grubb’s third sluice, yawning.',
  german: 'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.',
  cyrillic: 'Съешь ещё этих мягких французских булок, да выпей чаю.',
  chinese: '天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏',
  hebrew: 'דג סקרן שט בים מאוכזב ולפתע מצא חברה נעימה',
  arabic: 'نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر',
  emoji: '🦩🪿🦆🦢🦉🦚🦜🐦‍⬛👩🏽‍🚀🏴󠁧󠁢󠁷󠁬󠁳󠁿 flock',
  blocked: 'Refused: seven porcupines quarrel beneath the viaduct.',
  offline: 'Left on your doormat: marzipan, quinces, a zither string.',
  reset: 'Freshly keyed: the archdeacon’s parrot hums Buxtehude.',
  queued: 'Unheard as yet: eleven gnomes nodding in a tiled corridor.',
  long: Array.from({ length: 3000 }, (_, index) => `leaf ${index} wilts`).join('; '),
} as const;
const fileName = 'Inventory of the greenhouse – Gewächshaus.csv';
const fileText = Array.from(
  { length: 60_000 },
  (_, row) => `row ${row}: orchid, crate ${(row * 7919) % 60_000}\n`,
).join('');

const folder = makeFolder('canary');
let server: RunningServer;
let ws: RecordingProxy;
let tcp: RecordingProxy;
let alice: Rpc;
let bob: Rpc;
const words: string[] = [];
before(async () => {
  server = await startServer(folder, ['--log-level', 'debug']);
  ws = await startRecordingProxy(server.ws);
  tcp = await startRecordingProxy(server.tcp);
});
after(async () => {
  await folder.remove();
  await Promise.all([ws.close(), tcp.close()]);
});

test('the search finds a planted canary in every encoding, at any offset, and nothing in noise', () => {
  const canary: Canary = { name: 'planted', secret: texts.chinese };
  const search = new CanarySearch([canary]);
  for (const shift of [0, 1, 2, 3, 4, 5]) {
    const front = 'x'.repeat(shift);
    const said = `${front}${texts.chinese}, and so on`;
    const bytes = Buffer.from(said);
    const planted: [string, Uint8Array][] = [
      ['utf-8', bytes],
      ['utf-16le', Buffer.concat([Buffer.alloc(shift), Buffer.from(said, 'utf16le')])],
      ['utf-16be', Buffer.concat([Buffer.alloc(shift), Buffer.from(said, 'utf16le').swap16()])],
      ['json escapes', Buffer.from(said.replace(/[^\0-\x7f]/g, (one) => `\\u${one.charCodeAt(0).toString(16)}`))],
      ['percent escapes', Buffer.from(encodeURIComponent(said))],
      ['hex', Buffer.from(bytes.toString('hex'))],
      ['HEX', Buffer.from(bytes.toString('hex').toUpperCase())],
      ['base64', Buffer.from(bytes.toString('base64'))],
      ['base64url', Buffer.from(bytes.toString('base64url'))],
      ['base64 of utf-16le', Buffer.from(Buffer.from(said, 'utf16le').toString('base64'))],
      ['the second half alone', bytes.subarray(shift + 36)],
    ];
    for (const [form, hidden] of planted) {
      const hay = Buffer.concat([randomBytes(5000 + shift), hidden, randomBytes(5000)]);
      assert.ok(search.in(hay).length > 0, `${form} at ${shift}`);
    }
  }
  const key = randomBytes(64);
  const reversed = Buffer.concat([randomBytes(99), key.toReversed(), randomBytes(99)]);
  assert.ok(new CanarySearch([{ name: 'key', secret: key }]).in(reversed).length > 0);
  assert.deepEqual(search.in(randomBytes(4_000_000)), []);
  assert.ok(formsOf(texts.latin).length > 40);
});

test('two people use everything there is, over both transports', async () => {
  alice = startRpc(folder, ws.address, { home: 'alice' });
  bob = startRpc(folder, tcp.address, { home: 'bob' });
  const join_ = async (rpc: Rpc, who: 'alice' | 'bob') =>
    rpc.call('register', { username: names[who], password: passwords[who], invite: server.invite });
  for (const made of await Promise.all([join_(alice, 'alice'), join_(bob, 'bob')]))
    words.push(String(made['recoveryWords']));

  const heard = (rpc: Rpc, text: string) => rpc.told('message', (params) => params['text'] === text);
  const [toBob, toAlice] = [{ to: `@${names.bob}` }, { to: `@${names.alice}` }];
  for (const text of [texts.latin, texts.german, texts.cyrillic, texts.chinese]) {
    await alice.call('send', { ...toBob, text });
    await heard(bob, text);
  }
  for (const text of [texts.hebrew, texts.arabic, texts.emoji, texts.long]) {
    await bob.call('send', { ...toAlice, text });
    await heard(alice, text);
  }
  assert.equal((await alice.call('presence', { user: names.bob }))['online'], true);
  await alice.call('safetyNumber', { user: names.bob });

  const path = join(folder.path, fileName);
  writeFileSync(path, fileText);
  await alice.call('sendFile', { ...toBob, path });
  const { id } = await bob.told('fileOffer');
  await bob.call('acceptFile', { id, directory: join(folder.path, 'received') });
  const received = await bob.told('fileReceived');
  assert.equal(readFileSync(String(received['path']), 'utf8'), fileText);

  await bob.call('block', { user: names.alice });
  await assert.rejects(alice.call('send', { ...toBob, text: texts.blocked }), /BLOCKED/);
  await bob.call('unblock', { user: names.alice });
  await bob.call('logout');
  assert.equal((await alice.call('send', { ...toBob, text: texts.offline }))['recipient'], 'offline');
});

test('a login, new keys, and a message that is left waiting on the server', async () => {
  const toBob = `@${names.bob}`;
  await bob.call('login', { username: names.bob, password: passwords.bob });
  await bob.told('message', (params) => params['text'] === texts.offline);
  await bob.call('resetKeys', { confirm: true });
  await alice.told('keyChanged');
  await alice.call('send', { to: toBob, text: texts.reset });
  await bob.told('message', (params) => params['text'] === texts.reset);
  await bob.call('logout');
  await alice.call('send', { to: toBob, text: texts.queued });
  assert.equal(await alice.end(), 0);
  assert.equal(await bob.end(), 0);
  secrets.push(...gatherSecrets());
});

const profiles = (): string[] => [join(folder.path, 'alice', 'default'), join(folder.path, 'bob', 'default')];

/** What nobody but the two may know; filled when they are done. */
const secrets: Canary[] = [];
function gatherSecrets(): Canary[] {
  const keys = (['alice', 'bob'] as const).flatMap((who) => {
    const found = rsaKeysIn(readProfile(join(folder.path, who, 'default'), passwords[who]));
    assert.ok(found.length >= 1, `the profile of ${who} holds an RSA key`);
    // The modulus stands at the beginning and is public; the second half is private exponent and primes.
    return found.map((key, index) => ({ name: `key ${index} of ${who}`, secret: key.subarray(key.length / 2) }));
  });
  return [
    ...Object.entries(texts).map(([name, secret]) => ({ name: `text ${name}`, secret })),
    ...Object.entries(passwords).map(([name, secret]) => ({ name: `password of ${name}`, secret })),
    // Measured over the memory of a server that nobody had used: a piece of 12 characters of 1 phrase in 160 stands there
    // ("est possible" in "lowest possible"), a piece of 24 of none in 200,000.
    ...words.map((secret, index) => ({ name: `recovery words ${index}`, secret, pieceLength: 24 })),
    { name: 'file name', secret: fileName },
    { name: 'file', secret: fileText.slice(0, 4000) + fileText.slice(-4000) },
    ...keys,
  ];
}
const namesOfPeople: readonly Canary[] = Object.values(names).map((secret) => ({
  name: `user name ${secret}`,
  secret,
}));

function filesIn(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Names of files count as well. */
function findsIn(search: CanarySearch, path: string): [string, Find][] {
  return filesIn(path).flatMap((file) =>
    [...search.in(readFileSync(file)), ...search.in(Buffer.from(file.slice(folder.path.length)))].map(
      (find): [string, Find] => [file, find],
    ),
  );
}

test("the server's whole data folder, database and write-ahead log and all, holds none of it", () => {
  const search = new CanarySearch(secrets);
  assert.ok(filesIn(server.data).some((file) => file.endsWith('-wal')));
  assert.deepEqual(findsIn(search, server.data), []);
  const people = new CanarySearch(namesOfPeople);
  assert.ok(findsIn(people, server.data).length > 0, 'user names do stand in the database: the search sees it');
});

test('the recorded wire of both transports holds none of it, and no name', () => {
  const search = new CanarySearch([...secrets, ...namesOfPeople]);
  for (const proxy of [ws, tcp]) {
    const wire = proxy.wire();
    assert.ok(wire.length > 500_000, `${wire.length} bytes were recorded`);
    assert.deepEqual(search.in(wire), []);
  }
  assert.ok(ws.wire().includes('Upgrade: websocket'));
});

test('the memory of the running server holds none of it', () => {
  const { pid = 0 } = server.child;
  if (!existsSync(`/proc/${pid}/mem`)) return;
  const search = new CanarySearch(secrets);
  const people = new CanarySearch(namesOfPeople);
  let seen = 0;
  for (const region of writableMemory(pid)) {
    assert.deepEqual(search.in(region), []);
    seen += people.in(region).length;
  }
  assert.ok(seen > 0, 'names of people are there: the search sees it');
});

/** Linux: the private memory of a process, region by region. */
function* writableMemory(pid: number): Generator<Buffer> {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === '') continue;
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      // What was only reserved reads as zeros and takes its time.
      if (end - start > 256 * 1024 * 1024) continue;
      const region = Buffer.alloc(end - start);
      try {
        readSync(memory, region, 0, region.length, start);
      } catch {
        continue;
      }
      yield region;
    }
  } finally {
    closeSync(memory);
  }
}

test('the profiles hold none of it in the clear, nor the name of anybody', () => {
  const search = new CanarySearch([...secrets, ...namesOfPeople]);
  for (const profile of profiles()) assert.deepEqual(findsIn(search, profile), []);
});

test('what the server printed, logs at debug included, holds none of it, and no name', async () => {
  assert.equal(await server.end(), 0);
  const search = new CanarySearch([...secrets, ...namesOfPeople]);
  const printed = Buffer.from(server.printed.out + server.printed.err);
  assert.match(server.printed.err, /"level":20/, 'there are lines at debug');
  assert.deepEqual(search.in(printed), []);
  assert.deepEqual(findsIn(new CanarySearch(secrets), server.data), [], 'nor has the end brought it to the disk');
});
