// Goal: a disk that runs full costs nobody a message. The server refuses with STORAGE_FULL, the client queues; when there is
// room again everything goes out, without a restart of anything. Method: real disks of a few MiB, filled to the last byte.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder, start, startRpc, startServer } from './processes.ts';
import type { Rpc } from './processes.ts';

const MIB = 1024 * 1024;
const password = 'an umbrella of brass';
const folder = makeFolder('disk');
const mounted: string[] = [];
const canMount = process.platform === 'linux' && process.getuid?.() === 0 && mount('probe', 1) !== undefined;
const ifMounted = canMount ? {} : { skip: 'mounting a small disk takes root' };
after(async () => {
  for (const path of mounted) spawnSync('umount', ['-l', path]);
  await folder.remove();
});

/** A disk of its own; undefined where it cannot be mounted. */
function mount(name: string, mib: number): string | undefined {
  const path = join(folder.path, name);
  mkdirSync(path, { recursive: true });
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=700`, 'tmpfs', path]);
  if (status !== 0) return undefined;
  mounted.push(path);
  return path;
}

/** Leaves not one page. */
function fill(path: string): void {
  const file = openSync(join(path, 'filler'), 'a');
  const block = Buffer.alloc(MIB, 'f');
  for (const size of [MIB, 4096, 1]) {
    try {
      for (;;) writeSync(file, block, 0, size);
    } catch {
      // Full at this size; smaller ones may fit.
    }
  }
  closeSync(file);
}

const makeRoom = (path: string): void => rmSync(join(path, 'filler'));
const freeBytes = (path: string): number => statfsSync(path).bavail * statfsSync(path).bsize;

async function two(ws: string, tcp: string, invite: string): Promise<[Rpc, Rpc]> {
  const alice = startRpc(folder, ws, { home: 'alice' });
  const bob = startRpc(folder, tcp, { home: 'bob' });
  const join_ = (rpc: Rpc, username: string) => rpc.call('register', { username, password, invite });
  await Promise.all([join_(alice, 'alice'), join_(bob, 'bob')]);
  return [alice, bob];
}

const heard = (rpc: Rpc, text: string) => rpc.told('message', (params) => params['text'] === text);

async function unsentIs(person: Rpc, count: number): Promise<void> {
  for (let patience = 300; ; patience -= 1) {
    const unsent = (await person.call('status'))['unsent'];
    if (unsent === count) return;
    assert.ok(patience > 0, `${String(unsent)} unsent instead of ${count}`);
    await sleep(200);
  }
}

test(
  'the disk of the server is full: queued, and all of it arrives in order when there is room',
  ifMounted,
  async () => {
    const disk = mount('server-disk', 96) ?? '';
    const flags = ['--data', join(disk, 'data'), '--limit', 'messagesPerSecond=1000', '--limit', 'messagesBurst=1000'];
    const server = await startServer(folder, flags);
    const [alice, bob] = await two(server.ws, server.tcp, server.invite);
    await alice.call('send', { to: '@bob', text: 'before' });
    await heard(bob, 'before');
    await bob.call('logout');

    await alice.call('send', { to: '@bob', text: 'left' });
    fill(disk);
    const count = 60;
    const texts = Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(60_000)}`);
    const answered = Promise.allSettled(texts.map((text) => alice.call('send', { to: '@bob', text })));
    await unsentIs(alice, count);
    // What is there can still be fetched and acknowledged, in the space kept for it.
    await bob.call('login', { username: 'bob', password });
    await heard(bob, 'left');
    // Then somebody takes that space as well.
    fill(disk);
    await sleep(1500);
    assert.ok(freeBytes(disk) < 64 * 1024);
    assert.equal(server.child.exitCode, null, 'the server lives on');

    makeRoom(disk);
    for (const { status } of await answered) assert.equal(status, 'fulfilled');
    await unsentIs(alice, 0);
    await heard(bob, texts.at(-1) ?? '');
    const got: string[] = [];
    for (let before: string | undefined; ;) {
      const answer = await bob.call('history', { with: '@alice', limit: 10, ...(before !== undefined && { before }) });
      const page = answer['messages'] as { readonly id: string; readonly text: string }[];
      if (page.length === 0) break;
      got.unshift(...page.map(({ text }) => text));
      before = page[0]?.id;
    }
    assert.ok(got.length === count + 2, `${got.length} messages`);
    for (const [index, text] of ['before', 'left', ...texts].entries())
      assert.ok(got[index] === text, `message ${index}`);
    assert.equal(await alice.end(), 0);
    assert.equal(await bob.end(), 0);
    assert.equal(await server.end(), 0);
  },
);

test(
  'a server does not start on a full disk: one sentence, exit code 2, and it starts when there is room',
  ifMounted,
  async () => {
    const disk = mount('start-disk', 40) ?? '';
    fill(disk);
    const refused = start(
      folder,
      ['server', '--json', '--listen', '127.0.0.1:0', '--listen-tcp', '127.0.0.1:0', '--data', join(disk, 'd')],
      { home: 'x' },
    );
    assert.equal(await refused.exit, 2);
    assert.match(refused.printed.err, /^The [^\n]*(full|cannot be (made|written))[^\n]*\n$/);
    makeRoom(disk);
    const server = await startServer(folder, ['--data', join(disk, 'd')]);
    assert.equal(await server.end(), 0);
  },
);

test(
  'the disk of a client is full: PROFILE_UNWRITABLE, what was there stays, and it goes on when there is room',
  ifMounted,
  async () => {
    const disk = mount('client-disk', 16) ?? '';
    const server = await startServer(folder, ['--data', join(folder.path, 'data-2')]);
    const carol = startRpc(folder, server.ws, { home: 'client-disk/home' });
    const dora = startRpc(folder, server.tcp, { home: 'dora' });
    await carol.call('register', { username: 'carol', password, invite: server.invite });
    await dora.call('register', { username: 'dora', password, invite: server.invite });
    await carol.call('send', { to: '@dora', text: 'one' });
    await heard(dora, 'one');
    await dora.call('send', { to: '@carol', text: 'two' });
    await heard(carol, 'two');

    fill(disk);
    let refusal = '';
    for (let index = 0; index < 60 && refusal === ''; index += 1) {
      refusal = await carol.call('send', { to: '@dora', text: 'y'.repeat(60_000) }).then(
        () => '',
        (error: Error) => error.message,
      );
      if (freeBytes(disk) > 0) fill(disk);
    }
    assert.equal(refusal, 'PROFILE_UNWRITABLE');
    // What comes now waits on the server, unacknowledged, for as long as it cannot be kept here.
    await dora.call('send', { to: '@carol', text: 'meanwhile' });
    await sleep(500);

    makeRoom(disk);
    await heard(carol, 'meanwhile');
    await carol.call('send', { to: '@dora', text: 'three' });
    await heard(dora, 'three');
    const { messages } = await carol.call('history', { with: '@dora', limit: 100 });
    const texts = (messages as { readonly text: string }[]).map(({ text }) => text).filter((text) => text.length < 20);
    assert.deepEqual(texts, ['one', 'two', 'meanwhile', 'three']);
    assert.ok(readdirSync(join(disk, 'home')).length > 0);
    assert.equal(await carol.end(), 0);
    assert.equal(await dora.end(), 0);
  },
);

test('a file that does not fit on the disk is said, and leaves nothing behind', ifMounted, async () => {
  const server = await startServer(folder, ['--data', join(folder.path, 'data-3')]);
  const [eve, finn] = [startRpc(folder, server.ws, { home: 'eve' }), startRpc(folder, server.tcp, { home: 'finn' })];
  await eve.call('register', { username: 'eve', password, invite: server.invite });
  await finn.call('register', { username: 'finn', password, invite: server.invite });
  const disk = mount('downloads', 2) ?? '';
  const path = join(folder.path, 'large.bin');
  const file = openSync(path, 'w');
  writeSync(file, Buffer.alloc(5 * MIB, 'z'));
  closeSync(file);
  await eve.call('sendFile', { to: '@finn', path });
  const { id } = await finn.told('fileOffer');
  const accepted = finn.call('acceptFile', { id, directory: disk }).then(
    () => 'ok',
    (error: Error) => error.message,
  );
  const told = finn.told('fileFailed').then((params) => String(params['code']));
  const code = await Promise.race([accepted.then((answer) => (answer === 'ok' ? told : answer)), told]);
  assert.equal(code, 'FILE_UNWRITABLE');
  assert.deepEqual(readdirSync(disk), []);
});
