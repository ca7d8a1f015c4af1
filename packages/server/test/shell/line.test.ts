/** Goal: the line of a connection keeps its order and its count, and stops when it is told. Method: work that waits for us. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { Line } from '../../src/shell/link/line.ts';

interface Item {
  readonly name: string;
  readonly bytes: number;
}

function stage() {
  const begun: string[] = [];
  const failed: string[] = [];
  const open: PromiseWithResolvers<void>[] = [];
  const line = new Line<Item>({
    take({ name }) {
      begun.push(name);
      const work = Promise.withResolvers<void>();
      open.push(work);
      return work.promise;
    },
    onFailure: (_cause, { name }) => failed.push(name),
  });
  for (const [at, name] of ['a', 'b', 'c'].entries()) line.push({ name, bytes: 10 ** at });
  return { line, begun, failed, open };
}

test('a line does one thing after the other and counts what is not done', async () => {
  const { line, begun, open } = stage();
  assert.deepEqual([begun, line.length, line.bytes, line.busy], [['a'], 3, 111, true]);
  open[0]?.resolve();
  await turn();
  assert.deepEqual([begun, line.length, line.bytes, line.busy], [['a', 'b'], 2, 110, true]);
  open[1]?.resolve();
  await turn();
  open[2]?.resolve();
  await turn();
  assert.deepEqual([begun, line.length, line.bytes, line.busy], [['a', 'b', 'c'], 0, 0, false]);
});

test('a cleared line begins nothing that waited, and goes on with what comes then', async () => {
  const { line, begun, open } = stage();
  line.clear();
  line.push({ name: 'd', bytes: 7 });
  assert.deepEqual([begun, line.bytes], [['a'], 7]);
  open[0]?.resolve();
  await turn();
  assert.deepEqual([begun, line.length, line.bytes], [['a', 'd'], 1, 7]);
});

test('after a failure nothing that waited is begun', async () => {
  const { line, begun, failed, open } = stage();
  open[0]?.reject(new Error('no'));
  await turn();
  assert.deepEqual([begun, failed, line.length, line.bytes, line.busy], [['a'], ['a'], 0, 0, false]);
});

test('others have their turn between the items of a long line', async () => {
  let done = 0;
  const take = (): Promise<void> => Promise.resolve(void (done += 1));
  const line = new Line<{ readonly bytes: number }>({ take, onFailure: (cause) => assert.fail(cause as Error) });
  for (let count = 0; count < 1000; count += 1) line.push({ bytes: 1 });
  const seen: number[] = [];
  for (; line.busy; await turn()) seen.push(done);
  assert.equal(done, 1000);
  assert.ok(seen.length > 20, `only ${seen.length} turns for others`);
});

test('what waited for its turn is not begun once the line is cleared', async () => {
  let done = 0;
  const take = (): Promise<void> => Promise.resolve(void (done += 1));
  const line = new Line<{ readonly bytes: number }>({ take, onFailure: (cause) => assert.fail(cause as Error) });
  for (let count = 0; count < 1000; count += 1) line.push({ bytes: 1 });
  await Promise.resolve();
  line.clear();
  const before = done;
  while (line.busy) await turn();
  assert.ok(done <= before + 1, `${done - before} more`);
});
