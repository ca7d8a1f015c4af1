/** Goal: the package works through what it exports, as its README shows: added, read, wiped, rekeyed, stored. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Policy, Received } from '@securechat/mls';
import {
  MlsError,
  appendTo,
  basicCredential,
  createCommit,
  createGroup,
  createKeyPackage,
  encrypt,
  errorCodes,
  factsOf,
  joinGroup,
  mergeCommit,
  mergePending,
  openJournal,
  receive,
  replay,
  sameCredential,
  suiteIds,
  suiteOf,
  wipeAll,
} from '@securechat/mls';
import { nobleProvider } from '@securechat/mls/noble';
import { nodeProvider } from '@securechat/mls/node';
import { seeded } from './entropy.ts';

const policy: Policy = {
  lifetimeMax: 90n * 86_400n,
  credential: ({ leaf, previous }) => previous === undefined || sameCredential(leaf.credential, previous.credential),
  change: ({ committer }) => committer.kind === 'member',
};

test('a group is founded, joined, used, rekeyed and stored through the exported names', () => {
  const now = 1_800_000_000n;
  const entropy = seeded('readme');
  const utf8 = new TextEncoder();
  const lifetime = { notBefore: now - 86_400n, notAfter: now + 86_400n };
  const capabilities = { versions: [1], suites: [0x0053], extensions: [], proposals: [], credentials: [1] };
  const identityOf = (name: string) => ({
    credential: basicCredential(utf8.encode(name)),
    signatureKey: entropy(32),
  });
  const suite = suiteOf(nodeProvider, 0x0053);
  const otherSuite = suiteOf(nobleProvider, 0x0053);
  const alice = identityOf('alice');
  const bob = identityOf('bob');
  const { keyPackage, secrets } = createKeyPackage(otherSuite, { identity: bob, capabilities, lifetime, entropy });
  const alone = createGroup(suite, {
    groupId: entropy(32),
    identity: alice,
    capabilities,
    lifetime,
    policy,
    now,
    entropy,
  });
  const made = createCommit(alone, {
    identity: alice,
    proposals: [{ kind: 'add', keyPackage }],
    policy,
    now,
    entropy,
  });
  const { state, wipe } = mergePending(made.state, made.pending);
  wipeAll(wipe);
  const welcome = made.welcome ?? assert.fail();
  const joined = joinGroup(otherSuite, { welcome, keyPackage, secrets, policy, now });
  assert.deepEqual(factsOf(joined.state).authenticator, factsOf(state).authenticator);
  const sent = encrypt(state, { identity: alice, plaintext: utf8.encode('hello'), entropy });
  const got = receive(joined.state, { message: sent.bytes, policy, now, publicHandshakes: 'refuse-members' });
  assert.ok(got.kind === 'application');
  assert.deepEqual(got.plaintext, utf8.encode('hello'));
  const first = openJournal(joined.state);
  const second = appendTo(first.journal, { before: joined.state, after: got.state });
  wipeAll(got.wipe);
  const loaded = replay(nobleProvider, { records: [first.record, second.record], atLeast: 1n });
  const renewed = createCommit(sent.state, { identity: alice, policy, now, entropy });
  const staged = receive(loaded.state, { message: renewed.commit, policy, now, publicHandshakes: 'refuse-members' });
  assert.ok(staged.kind === 'commit');
  assert.deepEqual(
    staged.difference.changed.map(({ after }) => after.leaf),
    [0],
  );
  const bobAfter = mergeCommit(loaded.state, staged).state;
  const aliceAfter = mergePending(renewed.state, renewed.pending).state;
  assert.deepEqual(factsOf(bobAfter).authenticator, factsOf(aliceAfter).authenticator);
});

test('every code has a text, and every suite a name', () => {
  for (const code of Object.keys(errorCodes) as (keyof typeof errorCodes)[]) {
    const error = new MlsError(code);
    assert.ok(error.code === code && error.message === errorCodes[code] && error.message.length > 10);
  }
  for (const id of suiteIds) assert.match(suiteOf(nodeProvider, id).name, /^MLS_(128|256)_/);
  assert.throws(() => suiteOf(nodeProvider, 2), { code: 'unsupported' });
});

/** What the lines of the README take for granted. */
const given = `
const now = 1_800_000_000n;
const entropy = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
const named = (name) => ({ credential: basicCredential(new TextEncoder().encode(name)), signatureKey: entropy(32) });
const identity = named('alice');
const capabilities = { versions: [1], suites: [0x0053], extensions: [], proposals: [], credentials: [1] };
const lifetime = { notBefore: now - 1000n, notAfter: now + 1000n };
const policy = { lifetimeMax: 2000n, credential: () => true, change: () => true };
const groupId = entropy(16);
const plaintext = new TextEncoder().encode('hello');
const { keyPackage, secrets } = createKeyPackage(suiteOf(nodeProvider, 0x0053), { identity: named('bob'), capabilities, lifetime, entropy });
`;

test('the ten lines of the README run as they stand', async () => {
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const [, code = ''] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  const resolved = code.replaceAll(/'(@securechat\/mls[^']*)'/g, (_, name: string) => `'${import.meta.resolve(name)}'`);
  const [imports = '', lines = ''] = resolved.split('\n\n');
  const folder = mkdtempSync(join(tmpdir(), 'readme-'));
  try {
    const file = join(folder, 'use.mjs');
    writeFileSync(file, `${imports}\n${given}\n${lines}\nexport { got };\n`);
    const { got } = (await import(pathToFileURL(file).href)) as { readonly got: Received };
    assert.ok(got.kind === 'application');
    assert.equal(new TextDecoder().decode(got.plaintext), 'hello');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
