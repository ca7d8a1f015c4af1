/**
 * Goal: the engine behind the port keeps what MLS promises: late, early, repeated and damaged messages, states that survive
 * storage, keys that are gone. Method: two leaves, the check accepting everybody.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519 } from '@securechat/crypto';
import { defaultLimits, SecureChatError } from '@securechat/wire';
import type { EngineRefusal, OwnLeaf } from '../src/engine.ts';
import { DAY_MS, engine, entropy, nowMs } from './people.ts';

const validity = { notBeforeMs: nowMs - 7 * DAY_MS, notAfterMs: nowMs + 90 * DAY_MS };
const everybody = (): boolean => true;
const nobody = (): boolean => false;

function leaf(name: string): OwnLeaf {
  const { privateKey, publicKey } = ed25519.generate(entropy);
  return { credential: new TextEncoder().encode(name), signing: privateKey, signingPublic: publicKey };
}

class Side {
  state: Uint8Array;
  readonly own: OwnLeaf;
  constructor(state: Uint8Array, own: OwnLeaf) {
    this.state = state;
    this.own = own;
  }
  async send(text = 'x', aad = new Uint8Array(3)): Promise<Uint8Array> {
    const plaintext = new TextEncoder().encode(text);
    const { state, signing } = { state: this.state, signing: this.own.signing };
    const sent = await engine.encrypt({ state, signing, aad, plaintext, entropy });
    this.state = sent.state;
    return sent.ciphertext;
  }
  read(ciphertext: Uint8Array, check = everybody) {
    return engine.decrypt({ state: this.state, signing: this.own.signing, ciphertext, check, entropy });
  }
  /** The text, or why not. */
  async hear(ciphertext: Uint8Array): Promise<string> {
    const read = await this.read(ciphertext);
    if (read.kind === 'refused') return read.reason;
    const next = read.kind === 'commit' ? read.merge() : read;
    this.state = next.state;
    return read.kind === 'commit' ? 'commit' : new TextDecoder().decode(read.plaintext);
  }
  renew() {
    return engine.selfUpdate({ state: this.state, signing: this.own.signing, entropy });
  }
}

async function two(): Promise<{ a: Side; b: Side }> {
  const [alice, bob] = [leaf('alice'), leaf('bob')];
  const made = await engine.keyPackage({ own: bob, validity, entropy });
  const psk = { id: entropy(32), secret: entropy(32) };
  const founded = await engine.found({
    group: entropy(16),
    context: entropy(10),
    own: alice,
    validity,
    keyPackages: [made.keyPackage],
    psk,
    check: everybody,
    entropy,
  });
  assert.ok(founded.kind === 'founded');
  const { keyPackage, secrets } = made;
  const { welcome } = founded;
  const joined = await engine.join({ welcome, keyPackage, secrets, own: bob, psk, check: everybody, entropy });
  assert.ok(joined.kind === 'joined');
  assert.equal(joined.signer.index, 0);
  return { a: new Side(founded.state, alice), b: new Side(joined.state, bob) };
}

async function refusedAs(reason: EngineRefusal, result: Promise<{ kind: string; reason?: string }>): Promise<void> {
  const { kind, reason: said } = await result;
  assert.deepEqual({ kind, said }, { kind: 'refused', said: reason });
}

test('messages arrive out of order within the window, each once', async () => {
  const { a, b } = await two();
  const sent: Uint8Array[] = [];
  for (let at = 0; at < 12; at += 1) sent.push(await a.send(`m${at}`));
  const order = [7, 0, 11, 3, 1, 2, 10, 9, 8, 4, 6, 5];
  for (const at of order) assert.equal(await b.hear(sent[at] ?? new Uint8Array(0)), `m${at}`);
  for (const at of order) assert.equal(await b.hear(sent[at] ?? new Uint8Array(0)), 'replayed');
});

test('outOfOrderBackMax keys are kept for late messages; the one before is too old', async () => {
  const { a, b } = await two();
  const sent: Uint8Array[] = [];
  for (let at = 0; at <= defaultLimits.outOfOrderBackMax + 1; at += 1) sent.push(await a.send(`m${at}`));
  const newest = sent.at(-1) ?? new Uint8Array(0);
  assert.equal(await b.hear(newest), `m${defaultLimits.outOfOrderBackMax + 1}`);
  assert.equal(await b.hear(sent[0] ?? newest), 'too-old');
  assert.equal(await b.hear(sent[1] ?? newest), 'm1');
  assert.equal(await b.hear(newest), 'replayed');
});

test('a message outOfOrderForwardMax ahead is read, one further is refused without a step of the ratchet', async () => {
  const { a, b } = await two();
  const first = await a.send('first');
  for (let at = 1; at < defaultLimits.outOfOrderForwardMax; at += 1) await a.send();
  const atLimit = await a.send('at the limit');
  const past = await a.send('one past');
  await refusedAs('too-far-ahead', b.read(past));
  assert.equal(await b.hear(atLimit), 'at the limit');
  assert.equal(await b.hear(past), 'one past');
  assert.equal(await b.hear(first), 'too-old');
});

test('a message of a future epoch is too new, and is read after the commit', async () => {
  const { a, b } = await two();
  const renewal = await a.renew();
  a.state = engine.mergeOwn({ state: a.state, pending: renewal.pending }).state;
  const ahead = await a.send('from the new epoch');
  await refusedAs('too-new', b.read(ahead));
  assert.equal(await b.hear(renewal.commit), 'commit');
  assert.equal(await b.hear(ahead), 'from the new epoch');
});

test('messages of pastEpochsMax epochs before are read, those of one more are too old', async () => {
  const { a, b } = await two();
  const sent: Uint8Array[] = [];
  for (let at = 0; at <= defaultLimits.pastEpochsMax; at += 1) {
    sent.push(await a.send(`epoch ${at}`));
    const renewal = await b.renew();
    assert.equal(await a.hear(renewal.commit), 'commit');
    b.state = engine.mergeOwn({ state: b.state, pending: renewal.pending }).state;
  }
  const [oldest, next] = sent;
  assert.equal(await b.hear(oldest ?? new Uint8Array(0)), 'too-old');
  assert.equal(await b.hear(next ?? new Uint8Array(0)), 'epoch 1');
  b.state = engine.forgetPastEpochs(b.state).state;
  assert.equal(await b.hear(sent[2] ?? new Uint8Array(0)), 'too-old');
});

test('what was read while a commit of ours was pending is not read again after it', async () => {
  const { a, b } = await two();
  const [one, two_] = [await a.send('one'), await a.send('two')];
  const renewal = await b.renew();
  assert.equal(await b.hear(one), 'one');
  b.state = engine.mergeOwn({ state: b.state, pending: renewal.pending }).state;
  assert.equal(await b.hear(one), 'replayed');
  assert.equal(await b.hear(two_), 'two');
});

test('a pending commit is merged only into the epoch it was made in', async () => {
  const { a, b } = await two();
  const [mine, theirs] = [await b.renew(), await a.renew()];
  assert.equal(await b.hear(theirs.commit), 'commit');
  assert.throws(
    () => engine.mergeOwn({ state: b.state, pending: mine.pending }),
    (error) => error instanceof SecureChatError && error.code === 'INTERNAL',
  );
  // The loser of the race goes on, and the winner does not take the stale commit.
  a.state = engine.mergeOwn({ state: a.state, pending: theirs.pending }).state;
  await refusedAs('too-old', a.read(mine.commit));
  assert.equal(await a.hear(await b.send('after the race')), 'after the race');
});

test('of two groups a message is read only in its own', async () => {
  const [one, other] = [await two(), await two()];
  await refusedAs('other-group', other.b.read(await one.a.send()));
});

test('a message of our own is recognised, and an echo of our own commit as well', async () => {
  const { a } = await two();
  await refusedAs('own', a.read(await a.send()));
  const renewal = await a.renew();
  await refusedAs('own', a.read(renewal.commit));
});

test('every byte of a message counts', async () => {
  const { a, b } = await two();
  const message = await a.send('whole');
  const expected: readonly string[] = ['malformed', 'other-group', 'too-new', 'too-old', 'undecryptable', 'policy'];
  for (let at = 0; at < message.length; at += 1) {
    const changed = message.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    const read = await b.read(changed);
    assert.ok(read.kind === 'refused' && expected.includes(read.reason), `byte ${at}: ${read.kind}`);
  }
  for (const cut of [0, 1, 20, message.length - 1]) await refusedAs('malformed', b.read(message.subarray(0, cut)));
  await refusedAs('malformed', b.read(Uint8Array.of(...message, 0)));
  assert.equal(await b.hear(message), 'whole');
});

test('every byte of a commit counts', async () => {
  const { a, b } = await two();
  const { commit } = await a.renew();
  const before = b.state.slice();
  for (let at = 0; at < commit.length; at += 37) {
    const changed = commit.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x80;
    assert.equal((await b.read(changed)).kind, 'refused', `byte ${at}`);
  }
  assert.deepEqual(b.state, before);
  assert.equal(await b.hear(commit), 'commit');
});

test('random bytes and other kinds of MLS messages are malformed', async () => {
  const { a, b } = await two();
  for (let size = 0; size < 200; size += 7) await refusedAs('malformed', b.read(entropy(size)));
  const made = await engine.keyPackage({ own: a.own, validity, entropy });
  await refusedAs('malformed', b.read(made.keyPackage));
  const { state, own } = a;
  await refusedAs('malformed', b.read(await engine.exportGroupInfo({ state, signing: own.signing, entropy })));
});

test('a commit whose credential the check refuses is refused', async () => {
  const { a, b } = await two();
  const { commit } = await a.renew();
  await refusedAs('credential', b.read(commit, nobody));
});

test('a credential of credentialBytesMax is shown to the check, a longer one is refused unseen', async () => {
  const joiner = leaf('joiner');
  for (const [extra, kind] of [
    [0, 'founded'],
    [1, 'refused'],
  ] as const) {
    const credential = entropy(defaultLimits.credentialBytesMax + extra);
    const large = await engine.keyPackage({ own: { ...joiner, credential }, validity, entropy });
    const founded = await engine.found({
      group: entropy(16),
      context: new Uint8Array(0),
      own: leaf('founder'),
      validity,
      keyPackages: [large.keyPackage],
      psk: { id: entropy(32), secret: entropy(32) },
      check: everybody,
      entropy,
    });
    assert.equal(founded.kind, kind);
  }
});

test('a staged commit shows both rosters before it is merged: only the HPKE key of the committer differs', async () => {
  const { a, b } = await two();
  const { commit, epoch } = await a.renew();
  const staged = await b.read(commit);
  assert.ok(staged.kind === 'commit');
  assert.deepEqual(staged.proposals, []);
  assert.equal(staged.committer.index, 0);
  const [mine, theirs] = [1, 0].map((at) => [staged.before[at], staged.after[at]] as const);
  assert.deepEqual(mine?.[0], mine?.[1]);
  assert.deepEqual(theirs?.[0]?.credential, theirs?.[1]?.credential);
  assert.notDeepEqual(theirs?.[0]?.encryptionKey, theirs?.[1]?.encryptionKey);
  assert.equal(staged.merge().epoch, epoch);
});

test('no step changes the state it was given, and what it names for wiping is that state', async () => {
  const { a, b } = await two();
  const [before, mine] = [b.state, a.state];
  const [copy, mineCopy] = [b.state.slice(), a.state.slice()];
  const signing = a.own.signing;
  const sent = await engine.encrypt({ state: mine, signing, aad: entropy(3), plaintext: entropy(9), entropy });
  assert.deepEqual(mine, mineCopy);
  assert.deepEqual(sent.wipe, [mine]);
  const read = await b.read(sent.ciphertext);
  assert.ok(read.kind === 'message');
  await b.renew();
  engine.facts(before);
  assert.deepEqual(before, copy);
  assert.deepEqual(read.wipe, [before]);
});

test('a state after reading, and a wiped one, do not open what was read', async () => {
  const { a, b } = await two();
  const message = await a.send('once');
  const old = b.state;
  const read = await b.read(message);
  assert.ok(read.kind === 'message');
  // What a thief finds after the step was stored: the new state, and zeros where the old one was.
  const snapshot = read.state.slice();
  for (const secret of read.wipe) secret.fill(0);
  b.state = snapshot;
  await refusedAs('replayed', b.read(message));
  b.state = old;
  await assert.rejects(
    () => b.read(message),
    (error) => error instanceof SecureChatError && error.code === 'PROFILE_DAMAGED',
  );
});

test('a stolen state is left behind by a renewal', async () => {
  const { a, b } = await two();
  const stolen = new Side(b.state.slice(), b.own);
  const theirs = await b.renew();
  assert.equal(await a.hear(theirs.commit), 'commit');
  b.state = engine.mergeOwn({ state: b.state, pending: theirs.pending }).state;
  const secret = await a.send('healed');
  // The commit's path secrets are encrypted to the other leaf alone, so the thief cannot follow it either.
  await refusedAs('own', stolen.read(theirs.commit));
  await refusedAs('too-new', stolen.read(secret));
  assert.equal(await b.hear(secret), 'healed');
});

test('a state holds no signing key', async () => {
  const { a } = await two();
  const hex = Buffer.from(a.state).toString('hex');
  assert.equal(hex.includes(Buffer.from(a.own.signing).toString('hex')), false);
});

test('a state of a newer version is SCHEMA_NEWER, a cut one PROFILE_DAMAGED', async () => {
  const { a } = await two();
  const newer = a.state.slice();
  newer[0] = 2;
  assert.throws(() => engine.facts(newer), { code: 'SCHEMA_NEWER' });
  assert.throws(() => engine.facts(a.state.subarray(0, a.state.length - 1)), { code: 'PROFILE_DAMAGED' });
  assert.throws(() => engine.facts(new Uint8Array(0)), { code: 'PROFILE_DAMAGED' });
});
