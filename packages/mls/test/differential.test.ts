/** Goal: this package and ts-mls 1.6.4 agree in mixed groups, both ways. A sample; `long/differential.test.ts` has more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '../src/framing/message.ts';
import { Client, longLifetime, suite1 } from './client.ts';
import { runMixedGroups } from './differential.ts';
import { seeded } from './entropy.ts';
import { OracleClient, oracleSuite } from './ts-mls-client.ts';

test('a mixed group with ts-mls 1.6.4 stays together', async () => {
  assert.ok((await runMixedGroups(suite1, { first: 0, scripts: 1, steps: 5 })).steps > 0);
});

test('where the left half of a tree is empty, ts-mls 1.6.4 takes one secret too many and stays behind', async () => {
  const suite = suite1;
  const entropy = seeded('left half');
  const oracle = new OracleClient('oracle', await oracleSuite(suite.id), entropy);
  const [first, second, third, fourth] = ['1', '2', '3', '4'].map((name) => new Client(name, suite, entropy));
  assert.ok(first && second && third && fourth);
  first.create({ lifetime: longLifetime });
  const ours = [second, third, fourth].map((client) => client.keyPackage({ lifetime: longLifetime }));
  const theirs = await oracle.keyPackage();
  const message = decodeMessage(theirs.bytes);
  assert.ok(message.kind === 'key-package');
  const [forSecond, forThird, forFourth] = ours;
  assert.ok(forSecond && forThird && forFourth);
  const packages = [forSecond.keyPackage, forThird.keyPackage, message.keyPackage, forFourth.keyPackage];
  const founded = first.commit({ proposals: packages.map((keyPackage) => ({ kind: 'add', keyPackage }) as const) });
  [second, third, fourth].forEach((client, i) => client.join(founded.welcome, ours[i] ?? assert.fail()));
  await oracle.join(founded.welcome ?? assert.fail(), theirs);
  const filled = fourth.leaf;
  assert.equal(filled, 4);
  const shrunk = first.commit({ proposals: [{ kind: 'remove', removed: filled }] });
  for (const member of [second, third, oracle]) await member.follow(shrunk.commit);
  const removals = [0, 1].map((removed) => ({ kind: 'remove', removed }) as const);
  const { commit } = third.commit({ proposals: removals });
  await assert.rejects(oracle.follow(commit), /confirmation tag/);
});
