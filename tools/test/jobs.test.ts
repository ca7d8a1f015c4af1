// Goal: jobs begin in their order and never take more threads than there are. Method: jobs that end when they are told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run, runJobs } from '../jobs.ts';

test('jobs begin in their order, as many as there is room for, and a wide one waits for all its room', async () => {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const job = (name: string, threads: number) => ({
    threads,
    run: () => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    },
  });
  const all = runJobs([job('a', 1), job('b', 1), job('wide', 2), job('c', 1), job('too wide', 9)], 3);
  const afterEnd = async (name: string): Promise<readonly string[]> => {
    ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
    return begun;
  };
  assert.deepEqual(begun, ['a', 'b']);
  assert.deepEqual(await afterEnd('b'), ['a', 'b', 'wide']);
  assert.deepEqual(await afterEnd('a'), ['a', 'b', 'wide', 'c']);
  assert.deepEqual(await afterEnd('c'), ['a', 'b', 'wide', 'c']);
  assert.deepEqual(await afterEnd('wide'), ['a', 'b', 'wide', 'c', 'too wide']);
  ends.get('too wide')?.();
  await all;
});

test('two that wait half of the time begin where one would, and a third waits', async () => {
  const begun: string[] = [];
  const end = Promise.withResolvers<void>();
  const job = (name: string, threads: number) => ({ threads, run: () => (begun.push(name), end.promise) });
  const all = runJobs([job('a', 1), job('b', 1 / 2), job('c', 1 / 2), job('d', 1 / 2)], 2);
  assert.deepEqual(begun, ['a', 'b', 'c']);
  end.resolve();
  await all;
  assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
});

test('what a program prints and its exit code are kept', async () => {
  const { code, output } = await run(['node', '-e', 'console.log(1); console.error(process.env.X); process.exit(3)'], {
    X: 'two',
  });
  assert.equal(code, 3);
  assert.deepEqual(output.split('\n').toSorted(), ['', '1', 'two']);
});
