/**
 * What the operations cost, beside ts-mls 1.6.4 with its noble provider in the same run. Not a test:
 *
 *     node packages/mls/test/bench.ts [large] [oracle]
 *
 * Milliseconds, the best of several batches of runs: what it costs when nobody interferes. `large` adds groups of a
 * thousand, `oracle` ts-mls.
 */
import assert from 'node:assert/strict';
import { suiteOf } from '../src/crypto/suite.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { encodeMessage } from '../src/framing/message.ts';
import { appendTo, openJournal, replay } from '../src/group/journal.ts';
import { Client, longLifetime } from './client.ts';
import { seeded } from './entropy.ts';
import { OracleClient, oracleSuite } from './ts-mls-client.ts';

const rows: string[] = [];
const BATCHES = 20;

async function measure(name: string, runs: number, run: () => unknown): Promise<void> {
  const perBatch = Math.max(1, Math.floor(runs / BATCHES));
  let best = Infinity;
  for (let done = 0; done < runs; done += perBatch) {
    const start = performance.now();
    for (let i = 0; i < perBatch; i++) {
      const result = run();
      if (result instanceof Promise) await result;
    }
    best = Math.min(best, (performance.now() - start) / perBatch);
  }
  rows.push(`${name.padEnd(58)} ${best.toFixed(3).padStart(9)}`);
  console.log(rows.at(-1));
}

interface Made {
  readonly alice: Client;
  readonly bob: Client;
}

/** A group of this many, of whom alice and bob are really there. */
async function ours(suite: Suite, size: number): Promise<Made> {
  const entropy = seeded(`bench ${size}`);
  const alice = new Client('alice', suite, entropy).create({ lifetime: longLifetime });
  const clients = Array.from({ length: size - 1 }, (_, i) => new Client(`client ${i}`, suite, entropy));
  const packages = clients.map((client) => client.keyPackage({ lifetime: longLifetime }));
  const proposals = packages.map(({ keyPackage }) => ({ kind: 'add', keyPackage }) as const);
  const { welcome } = alice.commit({ proposals });
  const [bob] = clients;
  const [made] = packages;
  assert.ok(bob && made);
  await measure(`suite ${suite.id}, ${size} members: join by welcome`, size > 100 ? 5 : 20, () =>
    bob.join(welcome, made),
  );
  return { alice, bob };
}

async function benchOurs(id: number, size: number): Promise<void> {
  const suite = suiteOf(nodeProvider, id);
  const { alice, bob } = await ours(suite, size);
  const name = (what: string): string => `suite ${id}, ${size} members: ${what}`;
  const runs = size > 100 ? 5 : size > 2 ? 9 : 200;
  const text = 'x'.repeat(200);
  const messages: Uint8Array[] = [];
  await measure(name('encrypt 200 bytes'), 2000, () => messages.push(alice.send(text)));
  let at = 0;
  await measure(name('decrypt 200 bytes'), 2000, () => bob.read(messages[at++] ?? assert.fail()));
  const commits: Uint8Array[] = [];
  const before = alice.state;
  await measure(name('commit'), runs, () => {
    alice.state = before;
    commits.push(alice.prepare().commit);
  });
  rows.push(`${name('commit, bytes').padEnd(58)} ${String(commits[0]?.length).padStart(9)}`);
  const receiver = bob.state;
  at = 0;
  await measure(name('process commit'), runs, () => {
    bob.state = receiver;
    bob.follow(commits[at++] ?? assert.fail());
  });
  bob.state = receiver;
  const first = openJournal(bob.state);
  const next = alice.send(text);
  bob.read(next);
  const delta = appendTo(first.journal, { before: receiver, after: bob.state });
  rows.push(`${name('snapshot, bytes').padEnd(58)} ${String(first.record.length).padStart(9)}`);
  rows.push(`${name('delta of a message, bytes').padEnd(58)} ${String(delta.record.length).padStart(9)}`);
  console.log(rows.slice(-2).join('\n'));
  await measure(name('load'), 5, () => replay(nodeProvider, { records: [first.record, delta.record] }));
}

async function benchOracle(id: number, size: number): Promise<void> {
  const suite = await oracleSuite(id);
  const entropy = seeded(`bench ${size}`);
  const alice = await new OracleClient('alice', suite, entropy).create(entropy(16));
  const bob = new OracleClient('bob', suite, entropy);
  const made = await bob.keyPackage();
  const fillers = Array.from(
    { length: size - 2 },
    (_, i) => new Client(`client ${i}`, suiteOf(nodeProvider, id), entropy),
  );
  const additions = [
    made.bytes,
    ...fillers.map((client) => {
      const { keyPackage } = client.keyPackage({ lifetime: longLifetime });
      return encodeMessage({ kind: 'key-package', keyPackage });
    }),
  ];
  const { welcome } = await alice.commit({ additions, removals: [], publicly: false });
  const name = (what: string): string => `ts-mls, suite ${id}, ${size} members: ${what}`;
  await measure(name('join by welcome'), size > 2 ? 1 : 5, () => bob.join(welcome ?? assert.fail(), made));
  const text = 'x'.repeat(200);
  const messages: Uint8Array[] = [];
  await measure(name('encrypt 200 bytes'), 100, async () => messages.push(await alice.send(text)));
  let at = 0;
  await measure(name('decrypt 200 bytes'), 100, () => bob.read(messages[at++] ?? assert.fail()));
  const commits: Uint8Array[] = [];
  const runs = size > 2 ? 3 : 15;
  await measure(name('commit'), runs, async () => {
    commits.push((await alice.commit({ additions: [], removals: [], publicly: false })).commit);
  });
  at = 0;
  await measure(name('process commit'), runs, () => bob.follow(commits[at++] ?? assert.fail()));
}

const large = process.argv.includes('large');
await benchOurs(0x53, 2);
await benchOurs(1, 2);
await benchOurs(0x53, 100);
await benchOurs(1, 100);
if (large) await benchOurs(1, 1000);
if (process.argv.includes('oracle')) {
  await benchOracle(0x53, 2);
  await benchOracle(1, 2);
  await benchOracle(0x53, 100);
  await benchOracle(1, 100);
}
