/**
 * Goal: the engine behind the port keeps what MLS promises: late, early, repeated and damaged messages, states that survive
 * storage, keys that are gone. Method: two leaves, the check accepting everybody.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519 } from '@securechat/crypto';
import { defaultLimits, SecureChatError } from '@securechat/wire';
import type { EngineRefusal, GroupState, OwnLeaf, PackedState } from '../src/engine.ts';
import { DAY_MS, engine, entropy, nowMs } from './people.ts';

const validity = { notBeforeMs: nowMs - 7 * DAY_MS, notAfterMs: nowMs + 90 * DAY_MS };
const everybody = (): boolean => true;
const nobody = (): boolean => false;

function leaf(name: string): OwnLeaf {
  const { privateKey, publicKey } = ed25519.generate(entropy);
  return { credential: new TextEncoder().encode(name), signing: privateKey, signingPublic: publicKey };
}

class Side {
  state: GroupState;
  readonly own: OwnLeaf;
  constructor(state: GroupState, own: OwnLeaf) {
    this.state = state;
    this.own = own;
  }
  send(text = 'x', aad = new Uint8Array(3)): Uint8Array {
    const plaintext = new TextEncoder().encode(text);
    const { state, signing } = { state: this.state, signing: this.own.signing };
    const sent = engine.encrypt({ state, signing, aad, plaintext, entropy });
    this.state = sent.state;
    return sent.ciphertext;
  }
  read(ciphertext: Uint8Array, check = everybody) {
    return engine.decrypt({ state: this.state, ciphertext, check, nowMs });
  }
  /** The text, or why not. */
  hear(ciphertext: Uint8Array): string {
    const read = this.read(ciphertext);
    if (read.kind === 'refused') return read.reason;
    const next = read.kind === 'commit' ? read.merge() : read;
    this.state = next.state;
    return read.kind === 'commit' ? 'commit' : new TextDecoder().decode(read.plaintext);
  }
  renew() {
    const made = engine.selfUpdate({ state: this.state, signing: this.own.signing, nowMs, entropy });
    this.state = made.state;
    return made;
  }
  merge(pending: Uint8Array): void {
    this.state = engine.mergeOwn({ state: this.state, pending }).state;
  }
}

function two(): { a: Side; b: Side } {
  const [alice, bob] = [leaf('alice'), leaf('bob')];
  const made = engine.keyPackage({ own: bob, validity, entropy });
  const psk = { id: entropy(32), secret: entropy(32) };
  const founded = engine.found({
    group: entropy(16),
    context: entropy(10),
    own: alice,
    validity,
    keyPackages: [made.keyPackage],
    psk,
    check: everybody,
    nowMs,
    entropy,
  });
  assert.ok(founded.kind === 'founded');
  const { keyPackage, secrets } = made;
  const { welcome } = founded;
  const joined = engine.join({ welcome, keyPackage, secrets, own: bob, psk, check: everybody, nowMs });
  assert.ok(joined.kind === 'joined');
  assert.equal(joined.signer.index, 0);
  return { a: new Side(founded.state, alice), b: new Side(joined.state, bob) };
}

/** What is on the disk: a thief's copy, or what the next process finds. */
function packed(state: GroupState): PackedState {
  const { base, messageKeys } = engine.pack(state);
  assert.ok(base);
  return { base, messageKeys };
}

function refusedAs(reason: EngineRefusal, { kind, reason: said }: { kind: string; reason?: string }): void {
  assert.deepEqual({ kind, said }, { kind: 'refused', said: reason });
}

test('messages arrive out of order within the window, each once', () => {
  const { a, b } = two();
  const sent: Uint8Array[] = [];
  for (let at = 0; at < 12; at += 1) sent.push(a.send(`m${at}`));
  const order = [7, 0, 11, 3, 1, 2, 10, 9, 8, 4, 6, 5];
  for (const at of order) assert.equal(b.hear(sent[at] ?? new Uint8Array(0)), `m${at}`);
  for (const at of order) assert.equal(b.hear(sent[at] ?? new Uint8Array(0)), 'replayed');
});

test('outOfOrderBackMax keys are kept for late messages; the one before is too old', () => {
  const { a, b } = two();
  const sent: Uint8Array[] = [];
  for (let at = 0; at <= defaultLimits.outOfOrderBackMax + 1; at += 1) sent.push(a.send(`m${at}`));
  const newest = sent.at(-1) ?? new Uint8Array(0);
  assert.equal(b.hear(newest), `m${defaultLimits.outOfOrderBackMax + 1}`);
  assert.equal(b.hear(sent[0] ?? newest), 'too-old');
  assert.equal(b.hear(sent[1] ?? newest), 'm1');
  assert.equal(b.hear(newest), 'replayed');
});

test('a message outOfOrderForwardMax ahead is read, one further is refused without a step of the ratchet', () => {
  const { a, b } = two();
  const first = a.send('first');
  for (let at = 1; at < defaultLimits.outOfOrderForwardMax; at += 1) a.send();
  const atLimit = a.send('at the limit');
  const past = a.send('one past');
  refusedAs('too-far-ahead', b.read(past));
  assert.equal(b.hear(atLimit), 'at the limit');
  assert.equal(b.hear(past), 'one past');
  assert.equal(b.hear(first), 'too-old');
});

test('a message of a future epoch is too new, and is read after the commit', () => {
  const { a, b } = two();
  const renewal = a.renew();
  a.merge(renewal.pending);
  const ahead = a.send('from the new epoch');
  refusedAs('too-new', b.read(ahead));
  assert.equal(b.hear(renewal.commit), 'commit');
  assert.equal(b.hear(ahead), 'from the new epoch');
});

test('messages of pastEpochsMax epochs before are read, those of one more are too old', () => {
  const { a, b } = two();
  const sent: Uint8Array[] = [];
  for (let at = 0; at <= defaultLimits.pastEpochsMax; at += 1) {
    sent.push(a.send(`epoch ${at}`));
    const renewal = b.renew();
    assert.equal(a.hear(renewal.commit), 'commit');
    b.merge(renewal.pending);
  }
  const [oldest, next] = sent;
  assert.equal(b.hear(oldest ?? new Uint8Array(0)), 'too-old');
  assert.equal(b.hear(next ?? new Uint8Array(0)), 'epoch 1');
});

test('what was read while a commit of ours was pending is not read again after it', () => {
  const { a, b } = two();
  const [one, two_] = [a.send('one'), a.send('two')];
  const renewal = b.renew();
  assert.equal(b.hear(one), 'one');
  b.merge(renewal.pending);
  assert.equal(b.hear(one), 'replayed');
  assert.equal(b.hear(two_), 'two');
});

test('a pending commit is merged only into the epoch it was made in', () => {
  const { a, b } = two();
  const [mine, theirs] = [b.renew(), a.renew()];
  assert.equal(b.hear(theirs.commit), 'commit');
  assert.throws(
    () => engine.mergeOwn({ state: b.state, pending: mine.pending }),
    (error) => error instanceof SecureChatError && error.code === 'INTERNAL',
  );
  // The loser of the race goes on, and the winner does not take the stale commit.
  a.merge(theirs.pending);
  refusedAs('too-old', a.read(mine.commit));
  assert.equal(a.hear(b.send('after the race')), 'after the race');
});

test('a commit that was made uses its key up, whether it is sent or not', () => {
  const { a, b } = two();
  const before = packed(a.state).messageKeys;
  const unsent = a.renew();
  const between = packed(a.state).messageKeys;
  const sent = a.renew();
  const after = packed(a.state).messageKeys;
  assert.notDeepEqual(between, before);
  assert.notDeepEqual(after, between);
  assert.notDeepEqual(unsent.commit, sent.commit);
  assert.equal(b.hear(sent.commit), 'commit');
  a.merge(sent.pending);
  assert.equal(b.hear(a.send('on')), 'on');
});

test('of two groups a message is read only in its own', () => {
  const [one, other] = [two(), two()];
  refusedAs('other-group', other.b.read(one.a.send()));
});

test('a message of our own is recognised, and an echo of our own commit as well', () => {
  const { a } = two();
  refusedAs('own', a.read(a.send()));
  const renewal = a.renew();
  refusedAs('own', a.read(renewal.commit));
});

test('every byte of a message counts', () => {
  const { a, b } = two();
  const message = a.send('whole');
  const expected: readonly string[] = ['malformed', 'other-group', 'too-new', 'too-old', 'undecryptable', 'policy'];
  for (let at = 0; at < message.length; at += 1) {
    const changed = message.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    const read = b.read(changed);
    assert.ok(read.kind === 'refused' && expected.includes(read.reason), `byte ${at}: ${read.kind}`);
  }
  for (const cut of [0, 1, 20, message.length - 1]) refusedAs('malformed', b.read(message.subarray(0, cut)));
  refusedAs('malformed', b.read(Uint8Array.of(...message, 0)));
  assert.equal(b.hear(message), 'whole');
});

test('every byte of a commit counts', () => {
  const { a, b } = two();
  const { commit } = a.renew();
  const before = packed(b.state);
  for (let at = 0; at < commit.length; at += 37) {
    const changed = commit.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x80;
    assert.equal(b.read(changed).kind, 'refused', `byte ${at}`);
  }
  assert.deepEqual(packed(b.state), before);
  assert.equal(b.hear(commit), 'commit');
});

test('random bytes and other kinds of MLS messages are malformed', () => {
  const { a, b } = two();
  for (let size = 0; size < 200; size += 7) refusedAs('malformed', b.read(entropy(size)));
  const made = engine.keyPackage({ own: a.own, validity, entropy });
  refusedAs('malformed', b.read(made.keyPackage));
  const { state, own } = a;
  refusedAs('malformed', b.read(engine.exportGroupInfo({ state, signing: own.signing })));
});

test('a commit whose credential the check refuses is refused', () => {
  const { a, b } = two();
  const { commit } = a.renew();
  refusedAs('credential', b.read(commit, nobody));
});

test('a credential of credentialBytesMax is shown to the check, a longer one is refused unseen', () => {
  const joiner = leaf('joiner');
  for (const [extra, kind] of [
    [0, 'founded'],
    [1, 'refused'],
  ] as const) {
    const credential = entropy(defaultLimits.credentialBytesMax + extra);
    const large = engine.keyPackage({ own: { ...joiner, credential }, validity, entropy });
    const founded = engine.found({
      group: entropy(16),
      context: new Uint8Array(0),
      own: leaf('founder'),
      validity,
      keyPackages: [large.keyPackage],
      psk: { id: entropy(32), secret: entropy(32) },
      check: everybody,
      nowMs,
      entropy,
    });
    assert.equal(founded.kind, kind);
  }
});

test('a staged commit shows both rosters before it is merged: only the HPKE key of the committer differs', () => {
  const { a, b } = two();
  const { commit, epochAfter } = a.renew();
  const staged = b.read(commit);
  assert.ok(staged.kind === 'commit');
  assert.equal(staged.committer.index, 0);
  const [mine, theirs] = [1, 0].map((at) => [staged.before[at], staged.after[at]] as const);
  assert.deepEqual(mine?.[0], mine?.[1]);
  assert.deepEqual(theirs?.[0]?.credential, theirs?.[1]?.credential);
  assert.notDeepEqual(theirs?.[0]?.encryptionKey, theirs?.[1]?.encryptionKey);
  assert.equal(staged.merge().epoch, epochAfter);
});

test('no step changes the state it was given, and whoever wiped what was named cannot use it again', () => {
  const { a, b } = two();
  const [mine, theirs] = [a.state, b.state];
  const [copy, theirCopy] = [packed(mine), packed(theirs)];
  const { signing } = a.own;
  const sent = engine.encrypt({ state: mine, signing, aad: entropy(3), plaintext: entropy(9), entropy });
  const read = b.read(sent.ciphertext);
  assert.ok(read.kind === 'message');
  engine.selfUpdate({ state: theirs, signing: b.own.signing, nowMs, entropy });
  engine.facts(theirs);
  assert.deepEqual([packed(mine), packed(theirs)], [copy, theirCopy]);
  for (const { wipe, before } of [
    { wipe: sent.wipe, before: mine },
    { wipe: read.wipe, before: theirs },
  ]) {
    for (const secret of wipe) secret.fill(0);
    assert.throws(() => engine.facts(before), { code: 'INTERNAL' });
    assert.throws(() => engine.pack(before), { code: 'INTERNAL' });
  }
  assert.throws(() => engine.encrypt({ state: mine, signing, aad: entropy(3), plaintext: entropy(9), entropy }), {
    code: 'INTERNAL',
  });
  assert.throws(() => b.read(sent.ciphertext), { code: 'INTERNAL' });
  b.state = read.state;
  assert.equal(b.hear(new Side(sent.state, a.own).send('on')), 'on');
});

test('what is on the disk after reading does not open what was read', () => {
  const { a, b } = two();
  const [first, second] = [a.send('first'), a.send('second')];
  const { base } = packed(b.state);
  for (const message of [first, second]) {
    const read = b.read(message);
    assert.ok(read.kind === 'message');
    const { base: changed, messageKeys } = engine.pack(read.state, b.state);
    assert.equal(changed, undefined);
    const thief = new Side(engine.unpack({ base, messageKeys }), b.own);
    refusedAs('replayed', thief.read(message));
    b.state = read.state;
  }
});

test('a message writes its keys in less than 400 bytes, a commit the base as well', () => {
  const { a, b } = two();
  const stored = new Map([a, b].map((side) => [side, side.state]));
  const store = (side: Side) => {
    const written = engine.pack(side.state, stored.get(side));
    stored.set(side, side.state);
    return written;
  };
  [a, b].forEach(store);
  for (let at = 0; at < 3; at += 1) {
    assert.equal(b.hear(a.send('there')), 'there');
    assert.equal(a.hear(b.send('back')), 'back');
    for (const { base, messageKeys } of [a, b].map(store)) {
      assert.equal(base, undefined);
      assert.ok(messageKeys.length < 400, `${messageKeys.length} bytes`);
    }
  }
  const renewal = b.renew();
  assert.equal(store(b).base, undefined);
  assert.equal(a.hear(renewal.commit), 'commit');
  b.merge(renewal.pending);
  for (const { base } of [a, b].map(store)) assert.ok(base);
});

test('a state that was stored and read again is the same, whatever was left unread', () => {
  const { a, b } = two();
  const [late, next] = [a.send('late'), a.send('next')];
  assert.equal(b.hear(next), 'next');
  const renewal = a.renew();
  assert.equal(b.hear(renewal.commit), 'commit');
  a.merge(renewal.pending);
  const written = packed(b.state);
  b.state = engine.unpack(packed(b.state));
  assert.deepEqual(packed(b.state), written);
  assert.equal(b.hear(late), 'late');
  assert.equal(a.hear(b.send('back')), 'back');
});

test('a stolen state is left behind by a renewal', () => {
  const { a, b } = two();
  const stolen = new Side(engine.unpack(packed(b.state)), b.own);
  const theirs = b.renew();
  assert.equal(a.hear(theirs.commit), 'commit');
  b.merge(theirs.pending);
  const secret = a.send('healed');
  // The commit's path secrets are encrypted to the other leaf alone, so the thief cannot follow it either.
  refusedAs('own', stolen.read(theirs.commit));
  refusedAs('too-new', stolen.read(secret));
  assert.equal(b.hear(secret), 'healed');
});

test('a stored state and a pending commit hold no signing key', () => {
  const { a } = two();
  const { pending } = a.renew();
  const { base, messageKeys } = packed(a.state);
  for (const bytes of [base, messageKeys, pending])
    assert.equal(Buffer.from(bytes).includes(Buffer.from(a.own.signing)), false);
});

test('a state of a newer version is SCHEMA_NEWER, anything else that is not what was written PROFILE_DAMAGED', () => {
  const { a } = two();
  const { base, messageKeys } = packed(a.state);
  const changed = (bytes: Uint8Array, at: number, byte: number) => bytes.with(at, byte);
  for (const at of [0, 1])
    assert.throws(() => engine.unpack({ base: changed(base, at, 3), messageKeys }), { code: 'SCHEMA_NEWER' });
  const { messageKeys: later } = engine.pack(a.renew().state);
  a.send();
  const damaged: readonly PackedState[] = [
    // Engine 1 was another library.
    { base: changed(base, 1, 1), messageKeys },
    { base: base.subarray(0, -1), messageKeys },
    { base, messageKeys: messageKeys.subarray(0, -1) },
    { base: new Uint8Array(0), messageKeys },
    { base, messageKeys: new Uint8Array(0) },
    ...[2, 60, base.length - 1].map((at) => ({ base: changed(base, at, (base[at] ?? 0) ^ 1), messageKeys })),
    ...[0, 20, messageKeys.length - 1].map((at) => ({
      base,
      messageKeys: changed(messageKeys, at, (messageKeys[at] ?? 0) ^ 1),
    })),
  ];
  for (const one of damaged) assert.throws(() => engine.unpack(one), { code: 'PROFILE_DAMAGED' });
  engine.unpack({ base, messageKeys: later });
});

test('records of two states are not put together', () => {
  const { a, b } = two();
  const before = packed(b.state);
  const renewal = a.renew();
  assert.equal(b.hear(renewal.commit), 'commit');
  const after = packed(b.state);
  for (const mixed of [
    { base: after.base, messageKeys: before.messageKeys },
    { base: before.base, messageKeys: after.messageKeys },
    { base: before.base, messageKeys: packed(a.state).messageKeys },
  ])
    assert.throws(() => engine.unpack(mixed), { code: 'PROFILE_DAMAGED' });
});

test('a state that was given up holds no secret any more', () => {
  const { a } = two();
  engine.discard(a.state);
  engine.discard(a.state);
  assert.throws(() => a.send(), { code: 'INTERNAL' });
});
