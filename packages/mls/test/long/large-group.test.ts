/** Goal: what a group of a thousand costs its members: by what changed, not by what there is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeProvider } from '../../src/crypto/node-provider.ts';
import type { CryptoProvider } from '../../src/crypto/provider.ts';
import { suiteOf } from '../../src/crypto/suite.ts';
import { appendTo, openJournal, replay } from '../../src/group/journal.ts';
import { Client } from '../client.ts';
import { seeded } from '../entropy.ts';

const MEMBERS = 1000;
const MESSAGES = 10;
/** Levels of a tree of 1,024 leaves. */
const LEVELS = 10;

let hashes = 0;
const counting: CryptoProvider = {
  ...nodeProvider,
  hash(name, data) {
    hashes++;
    return nodeProvider.hash(name, data);
  },
};

test('a group of a thousand loads in 100 ms, messages write less than 400 bytes, a commit hashes its path', (t) => {
  const suite = suiteOf(counting, 1);
  const [alice, bob, ...others] = Array.from(
    { length: MEMBERS },
    (_, i) => new Client(`client ${i}`, suite, seeded(`large ${i}`)),
  );
  assert.ok(alice && bob);
  const made = bob.keyPackage();
  const proposals = [made, ...others.map((client) => client.keyPackage())].map(
    ({ keyPackage }) => ({ kind: 'add', keyPackage }) as const,
  );
  bob.join(alice.create().commit({ proposals }).welcome, made);

  let { journal, record } = openJournal(bob.state);
  const records = [record];
  let deltaBytes = 0;
  for (let message = 0; message < MESSAGES; message++) {
    const before = bob.state;
    bob.read(alice.send('hello'));
    ({ journal, record } = appendTo(journal, { before, after: bob.state }));
    deltaBytes += record.length;
    records.push(record);
  }
  // The first of a sender opens the way down to its leaf, once for all who are on it.
  assert.ok(deltaBytes / MESSAGES < 400, `${deltaBytes / MESSAGES} bytes`);
  const ms = best(() => replay(nodeProvider, { records }));
  assert.ok(ms < 100, `${ms} ms`);
  assert.deepEqual(openJournal(replay(nodeProvider, { records }).state).record, openJournal(bob.state).record);

  const { commit } = alice.commit();
  hashes = 0;
  bob.follow(commit);
  // A tree hash and a parent hash for each level, and some of the key schedule; 2,000 nodes have one each.
  assert.ok(hashes < 4 * LEVELS, `${hashes} hashes`);
  t.diagnostic(`load ${ms} ms, ${deltaBytes / MESSAGES} bytes a message, ${hashes} hashes for a commit`);
});

/** Processor time of the best of three runs, in milliseconds. */
function best(run: () => unknown): number {
  const times = [1, 2, 3].map(() => {
    const start = process.threadCpuUsage();
    run();
    return process.threadCpuUsage(start).user / 1000;
  });
  return Math.min(...times);
}
