/** Goal: how many calls one commit takes: at `commitRowsMax` and one past it, without the writer behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '@securechat/wire';
import type { FromWriter, ToWriter } from '../../src/stores/sqlite/calls.ts';
import { storeOver } from '../../src/stores/sqlite/store.ts';

const clock = { now: () => 0, monotonicMs: () => 0 };

function scripted() {
  const batches: number[] = [];
  let say = (_message: FromWriter): void => undefined;
  const writer = {
    postMessage(message: ToWriter) {
      if (message.kind !== 'calls') return;
      batches.push(message.calls.length);
      const answers = message.calls.map(([n]) => [n, []] as const);
      setImmediate(() => say({ kind: 'answers', answers, failures: [], batches: 1 } as unknown as FromWriter));
    },
    on(event: string, heard: (message: never) => void) {
      if (event === 'message') say = heard as (message: FromWriter) => void;
    },
    once: () => undefined,
  };
  const limits = { ...defaultLimits, commitRowsMax: 5 };
  const store = storeOver(writer, { limits, clock, onFatal: (error) => assert.fail(error) });
  say({ kind: 'opened' });
  return { store, batches };
}

test('commitRowsMax calls go into one commit, one more into the next', async () => {
  const { store, batches } = scripted();
  const ask = (count: number) => Promise.all(Array.from({ length: count }, () => store.list('invite', '', '', 1)));
  await ask(5);
  assert.deepEqual(batches, [5]);
  await ask(6);
  assert.deepEqual(batches, [5, 5, 1]);
  await ask(12);
  assert.deepEqual(batches, [5, 5, 1, 5, 5, 2]);
});

test('what is asked while a commit runs waits for the next one together, and leaves before only when it fills one', async () => {
  const { store, batches } = scripted();
  const asked: Promise<unknown>[] = [];
  const ask = async (count: number) => {
    for (let n = 0; n < count; n++) asked.push(store.list('invite', '', '', 1));
    await Promise.resolve();
  };
  await ask(1);
  await ask(2);
  await ask(1);
  assert.deepEqual(batches, [1], 'three wait');
  await ask(2);
  assert.deepEqual(batches, [1, 5], 'they fill a commit');
  await ask(6);
  assert.deepEqual(batches, [1, 5], 'two are under way');
  await Promise.all(asked);
  assert.deepEqual(batches, [1, 5, 5, 1]);
});
