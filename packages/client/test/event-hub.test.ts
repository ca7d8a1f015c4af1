import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientEvent } from '../src/api.ts';
import { EventHub } from '../src/shell/event-hub.ts';
import { Serial } from '../src/shell/serial.ts';

const presence = (user: string) => ({ kind: 'presence', user, online: true }) as const;

test('every iterator sees everything from the moment it was made, and ends with the hub', async () => {
  const hub = new EventHub();
  hub.emit(presence('before'));
  const [first, second] = [hub.iterate(), hub.iterate()];
  const asked = first.next();
  hub.emit(presence('one'));
  hub.emit(presence('two'));
  assert.deepEqual(await asked, { done: false, value: presence('one') });
  const seen: string[] = [];
  hub.close();
  for await (const event of second) if (event.kind === 'presence') seen.push(event.user);
  assert.deepEqual(seen, ['one', 'two']);
  assert.deepEqual((await first.next()).value, presence('two'));
  assert.equal((await first.next()).done, true);
  assert.equal((await hub.iterate().next()).done, true);
});

test('an iterator that was left costs nothing, and a waiting one is freed', async () => {
  const hub = new EventHub();
  const left = hub.iterate();
  await left.return?.();
  hub.emit(presence('late'));
  assert.equal((await left.next()).done, true);
  const waiting = hub.iterate().next();
  hub.close();
  assert.equal((await waiting).done, true);
});

const message = (id: number): ClientEvent => ({
  kind: 'message',
  message: { id: String(id), conversation: '@bob', from: 'bob', text: '', at: '', own: false },
});

test('a reader 1,000 events behind stops deliveries until it takes one or leaves; a mailbox is read on to 20,000', async () => {
  const hub = new EventHub();
  const [slow, quick] = [hub.iterate(), hub.iterate()];
  for (let count = 1; count <= 999; count += 1) hub.emit(message(count));
  assert.equal(hub.room(false), undefined);
  hub.emit(message(1000));
  assert.ok(hub.room(false) !== undefined);
  assert.equal(hub.room(true), undefined);
  for (let count = 0; count < 1000; count += 1) await quick.next();
  const room = hub.room(false);
  assert.ok(room !== undefined, 'one that reads does not help one that does not');
  await slow.next();
  await room;
  assert.equal(hub.room(false), undefined);

  for (let count = 1000; count <= 20_000; count += 1) hub.emit(message(count));
  const backlog = hub.room(true);
  assert.ok(backlog !== undefined);
  await slow.return?.();
  await quick.return?.();
  await backlog;
  assert.equal(hub.room(true), undefined);
});

test('a reader far behind misses presences, never a message', async () => {
  const hub = new EventHub();
  const slow = hub.iterate();
  for (let count = 1; count <= 1500; count += 1) {
    hub.emit(message(count));
    hub.emit(presence('bob'));
  }
  hub.close();
  let messages = 0;
  let presences = 0;
  for await (const event of slow)
    if (event.kind === 'message') assert.equal(event.message.id, String((messages += 1)));
    else presences += 1;
  assert.deepEqual([messages, presences], [1500, 500]);
});

test('work of one key runs one at a time in the order of the calls, of two keys side by side', async () => {
  const serial = new Serial();
  const log: string[] = [];
  const step = (key: string, name: string, turns: number, fails = false) =>
    serial.run(key, async () => {
      log.push(`${name} begins`);
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      log.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    });
  const slow = step('a', 'slow', 20);
  const failing = step('a', 'failing', 5, true);
  const after = step('a', 'after', 1);
  const other = step('b', 'other', 1);
  await assert.rejects(failing, /failing/);
  assert.deepEqual(await Promise.all([slow, after, other]), ['slow', 'after', 'other']);
  await serial.idle();
  assert.ok(log.indexOf('other ends') < log.indexOf('slow ends'));
  const ofA = log.filter((line) => !line.startsWith('other'));
  assert.deepEqual(
    ofA,
    ['slow', 'failing', 'after'].flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
});
