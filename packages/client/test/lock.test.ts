/** One process per account: who has it, how it is taken over, how lines are forwarded, and that a crash frees it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Fingerprint } from '@securechat/wire';
import type { LineChannel } from '../src/line-channel.ts';
import type { BusyLock, HeldLock } from '../src/lock.ts';
import { forwardToHolder } from '../src/forward.ts';
import { openAccountLock } from '../src/lock.ts';
import { accountFolder, makeAccountFolder } from '../src/profile.ts';
import { socketPath } from '../src/socket-path.ts';
import { until } from './doubles/play.ts';
import { newStore, password, temporaryFolder } from './stores.ts';

const proofKey = new Uint8Array(32).fill(1);
const otherKey = new Uint8Array(32).fill(2);

function hold(t: TestContext, folder: string): HeldLock {
  const lock = openAccountLock(folder);
  assert.equal(lock.kind, 'held');
  t.after(() => lock.kind === 'held' && lock.release());
  return lock;
}
function busy(folder: string): BusyLock {
  const lock = openAccountLock(folder);
  assert.equal(lock.kind, 'busy');
  return lock;
}
const nothing = { onTakeOver: () => {}, onForward: () => {} };

async function lines(channel: LineChannel, count: number): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const all: string[] = [];
  channel.onLine((line) => all.push(line) === count && resolve(all));
  return promise;
}

test('the second to come is told who has it; after release it is free', async (t) => {
  const folder = join(temporaryFolder(t), 'account');
  const lock = hold(t, folder);
  assert.equal(busy(folder).holder, process.pid);
  await lock.release();
  await lock.release();
  const again = hold(t, folder);
  await again.release();
});

test('a login that knows the password takes over: the holder ends first', async (t) => {
  const folder = temporaryFolder(t);
  const lock = hold(t, folder);
  const order: string[] = [];
  const onTakeOver = (): void => {
    order.push('asked');
    setTimeout(() => {
      order.push('released');
      void lock.release();
    }, 100);
  };
  await lock.serve({ ...nothing, proofKey, onTakeOver });
  const taken = await busy(folder).takeOver(proofKey);
  order.push('taken');
  assert.deepEqual(order, ['asked', 'released', 'taken']);
  await taken.serve({ ...nothing, proofKey });
  await taken.release();
});

test('without the key nobody takes over or forwards', async (t) => {
  const folder = temporaryFolder(t);
  const lock = hold(t, folder);
  const refuse = (): never => assert.fail('a wrong proof was taken');
  await lock.serve({ proofKey, onTakeOver: refuse, onForward: refuse });
  await assert.rejects(busy(folder).takeOver(otherKey), { code: 'AUTH_FAILED' });
  await assert.rejects(busy(folder).forward(otherKey), { code: 'AUTH_FAILED' });
});

test('forwarded lines go both ways, whole and in order, however long', async (t) => {
  const folder = temporaryFolder(t);
  const lock = hold(t, folder);
  const onForward = (channel: LineChannel): void => channel.onLine((line) => channel.send(`echo ${line}`));
  await lock.serve({ ...nothing, proofKey, onForward });
  const channel = await busy(folder).forward(proofKey);
  const sent = ['{"id":1}', 'ä'.repeat(300_000), '', 'last'];
  for (const line of sent) channel.send(line);
  // Received late: nothing is lost while nobody listens.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(
    await lines(channel, sent.length),
    sent.map((line) => `echo ${line}`),
  );
  const closed = new Promise<void>((resolve) => channel.onClose(resolve));
  await lock.release();
  await closed;
});

test('a holder that does not listen yet is named, and not waited for forever to forward', async (t) => {
  const folder = temporaryFolder(t);
  hold(t, folder);
  await assert.rejects(busy(folder).forward(proofKey), {
    code: 'PROFILE_LOCKED',
    message: new RegExp(String(process.pid)),
  });
});

test('a holder that takes no lines turns away who asks, and is taken over as ever', async (t) => {
  const folder = temporaryFolder(t);
  const lock = hold(t, folder);
  await lock.serve({ proofKey, onTakeOver: () => void lock.release(), onForward: undefined });
  await assert.rejects(busy(folder).forward(proofKey), { code: 'PROFILE_LOCKED' });
  await assert.rejects(busy(folder).forward(otherKey), { code: 'AUTH_FAILED' });
  await (await busy(folder).takeOver(proofKey)).release();
});

test('strangers on the socket are cut off: noise, long lines, silence in numbers, replayed proofs', async (t) => {
  const folder = temporaryFolder(t);
  const lock = hold(t, folder);
  let forwarded = 0;
  await lock.serve({ ...nothing, proofKey, onForward: () => (forwarded += 1) });
  const path = socketPath(folder) ?? '';
  const talk = async (said: string): Promise<string> => {
    const socket = connect({ path });
    let heard = '';
    socket.on('data', (piece) => (heard += piece.toString())).on('error', () => {});
    socket.write(said);
    await once(socket, 'close');
    return heard;
  };
  const noise = ['\n', '{}\n', 'null\n', '{"want":"forward"}\n', `${'x'.repeat(5000)}`, '\u0000\u00ff\n'];
  for (const said of noise)
    assert.match(await talk(said), /^\{"securechat":"lock 1"[^\n]*\n(\{"code":"AUTH_FAILED"\}\n)?$/);
  const reused = '{"want":"forward","nonce":"' + 'A'.repeat(43) + '","proof":"' + 'A'.repeat(43) + '"}\n';
  assert.match(await talk(reused), /AUTH_FAILED/);
  assert.equal(forwarded, 0);
  const silent = Array.from({ length: 20 }, () => connect({ path }).on('error', () => {}));
  const cutOff = () => silent.filter((socket) => socket.destroyed || socket.readyState === 'closed').length;
  await until(
    () => cutOff() >= 12,
    () => `${cutOff()} of 20 were cut off`,
  );
  for (const socket of silent) if (!socket.closed) await once(socket.destroy(), 'close');
  // The holder hears of it in its own time.
  await until(
    async () => {
      const channel = await busy(folder)
        .forward(proofKey)
        .catch(() => undefined);
      channel?.close();
      return forwarded > 0;
    },
    () => 'the holder takes lines again',
  );
});

test('a holder that was killed leaves the account free at once', async (t) => {
  const folder = temporaryFolder(t);
  const child = spawn(process.execPath, [join(import.meta.dirname, 'lock-holder.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  assert.equal(busy(folder).holder, child.pid);
  child.kill('SIGKILL');
  await once(child, 'close');
  const lock = hold(t, folder);
  await lock.serve({ ...nothing, proofKey });
});

test('who does not take over waits for the holder to leave', async (t) => {
  const folder = temporaryFolder(t);
  const lock = hold(t, folder);
  const waiting = busy(folder).released();
  await lock.release();
  await (await waiting).release();
});

test('a process takes over from another one, and a path too long for a socket changes nothing', async (t) => {
  const folder = join(temporaryFolder(t), 'x'.repeat(100), 'account');
  mkdirSync(folder, { recursive: true });
  const child = spawn(process.execPath, [join(import.meta.dirname, 'lock-holder.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  await once(child.stdout, 'data');
  const taken = await busy(folder).takeOver(proofKey);
  await ended;
  await taken.serve({ ...nothing, proofKey });
  const path = socketPath(folder) ?? '';
  assert.ok(path !== '' && Buffer.byteLength(path) < 104);
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
  assert.equal(statSync(path).mode & 0o077, 0);
  for (const file of readdirSync(folder)) assert.equal(statSync(join(folder, file)).mode & 0o077, 0, file);
  await taken.release();
  assert.equal(existsSync(join(path, '..')), false);
});

test('a one-shot command reaches the running client of its account, with the password only', async (t) => {
  const profileDirectory = temporaryFolder(t);
  const fingerprint = `sha256:${'a'.repeat(43)}` as Fingerprint;
  const server = `ws://127.0.0.1:1#${fingerprint}`;
  const account = { server, profileDirectory, username: 'Bob', password };
  assert.equal(await forwardToHolder(account), undefined, 'no such account here');
  const folder = accountFolder(profileDirectory, fingerprint, 'bob');
  makeAccountFolder(profileDirectory, folder);
  const store = await newStore(folder);
  assert.equal(await forwardToHolder(account), undefined, 'nobody has it open');
  const lock = hold(t, folder);
  await lock.serve({
    ...nothing,
    proofKey: store.proofKey,
    onForward: (channel) => channel.onLine((line) => channel.send(line.toUpperCase())),
  });
  await assert.rejects(forwardToHolder({ ...account, password: 'another one' }), { code: 'AUTH_FAILED' });
  const forwarded = await forwardToHolder(account);
  const answer = new Promise((resolve) => forwarded?.onLine(resolve));
  forwarded?.send('{"method":"status"}');
  assert.equal(await answer, '{"METHOD":"STATUS"}');
  forwarded?.close();

  // A new holder of which nobody knows yet whether it will take lines.
  await lock.release();
  const next = hold(t, folder);
  const patient = forwardToHolder(account);
  await next.serve({ ...nothing, proofKey: store.proofKey, onForward: (channel) => channel.send('here') });
  const late = await patient;
  assert.equal(await new Promise((resolve) => late?.onLine(resolve)), 'here');
  late?.close();
  await next.release();
  const last = hold(t, folder);
  await last.serve({ ...nothing, proofKey: store.proofKey, onForward: undefined });
  const free = forwardToHolder(account);
  await last.release();
  assert.equal(await free, undefined, 'it left');
  await store.close();
});
