/**
 * A server that lies about other people's keys, against real engines and real certificates. It is refused; what it may
 * do is refuse service, or show a new identity that the person is told of.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { AccountBundle, RsaPrivate } from '@securechat/crypto';
import { generateRsa, systemEntropy, verifyAccountBundle } from '@securechat/crypto';
import type { control, Deliver, Fingerprint, MailboxSeq } from '@securechat/wire';
import { idBytes, SecureChatError } from '@securechat/wire';
import { certifyAccount, certifyDevice, createDeviceKeys, recoverySigning } from '../src/shell/account/device-keys.ts';
import type { Actor, Play } from './doubles/play.ts';
import { createActor, on, until } from './doubles/play.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

let identity: RsaPrivate<'identity'>;
let recoverySealing: RsaPrivate<'sealing'>;
let sealing: RsaPrivate<'sealing'>;
before(async () => {
  [identity, recoverySealing, sealing] = await Promise.all([
    generateRsa('identity', 2048),
    generateRsa('sealing', 2048),
    generateRsa('sealing', 2048),
  ]);
});

/** Certificates for the account of `actor` under an identity that the test holds. */
async function forged(actor: Actor, change: { sequence?: number; version?: number; server?: Fingerprint } = {}) {
  const { account, username, server } = actor.record;
  const nowMs = Date.now();
  const sequence = change.sequence ?? 2;
  const recovery = recoverySigning(new Uint8Array(16).fill(1)).publicKey;
  const certified = { identity, account, sequence, nowMs };
  const accountJws = await certifyAccount({
    ...certified,
    username,
    server: change.server ?? server,
    recovery,
    recoverySealing: recoverySealing.public,
  });
  const keys = { ...(await createDeviceKeys(2048, systemEntropy)), sealing };
  const previous = new Uint8Array(32).fill(1);
  const { deviceJws, listJws } = await certifyDevice({
    ...certified,
    keys,
    listVersion: change.version ?? 2,
    previous,
  });
  return { accountJws, listJws, deviceJws: [deviceJws] };
}

async function bundleOf(actor: Actor, shown: Awaited<ReturnType<typeof forged>>): Promise<AccountBundle> {
  const { server, account } = actor.record;
  return verifyAccountBundle({ ...shown, server, account, nowMs: Date.now() });
}

/** The server's answers to one kind of request, in the hands of a test. */
function answering(play: Play, kind: string, lie: (honest: unknown, value: unknown) => unknown): void {
  const { office } = play;
  const honest = office.answer.bind(office);
  office.answer = (id, asked, value) => {
    const answer = honest(id, asked, value);
    if (asked !== kind || answer instanceof SecureChatError) return answer;
    return { $case: answer.$case, value: lie(answer.value, value) } as typeof answer;
  };
}

async function shows(actor: Actor, texts: readonly string[]): Promise<void> {
  await until(
    () => actor.texts.length >= texts.length,
    () => `${actor.name} shows ${actor.texts.join()}; gaps ${actor.gaps.join()}`,
  );
  assert.deepEqual(actor.texts, texts);
}

async function verifyBob({ alice }: Play): Promise<void> {
  const contact = alice.engine.ledger.contacts.get('bob');
  assert.ok(contact !== undefined);
  await alice.engine.ledger.commit([{ put: 'contact', value: { ...contact, verified: true } }]);
}

test('another identity of an unverified contact is told, and everything to the old keys stops', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await alice.sender.send('bob', 'first', {});
    office.people.set(bob.record.account, await bundleOf(bob, await forged(bob)));
    await alice.engine.people.lookup(alice.engine, 'bob');
    assert.deepEqual(
      alice.events.filter(({ kind }) => kind === 'keyChanged'),
      [{ kind: 'keyChanged', user: 'bob', verified: false }],
    );
    const before = office.submitted.length;
    // There is no key package of the new device: nothing can be encrypted, and nothing is, to the old one.
    await assert.rejects(alice.sender.send('bob', 'second', {}), { code: 'NO_KEYS' });
    assert.equal(office.submitted.length, before);
    assert.equal(alice.engine.ledger.contacts.get('bob')?.changed, true);
  }));

test('another identity of a verified contact halts sending until a person looked at it', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await alice.sender.send('bob', 'first', {});
    await verifyBob(play);
    office.people.set(bob.record.account, await bundleOf(bob, await forged(bob)));
    await alice.engine.people.lookup(alice.engine, 'bob');
    assert.deepEqual(
      alice.events.filter(({ kind }) => kind === 'keyChanged'),
      [{ kind: 'keyChanged', user: 'bob', verified: true }],
    );
    const before = office.submitted.length;
    await assert.rejects(alice.sender.send('bob', 'second', {}), { code: 'KEY_CHANGED' });
    await alice.engine.stop();
    await alice.start();
    await assert.rejects(alice.sender.send('bob', 'third', {}), { code: 'KEY_CHANGED' });
    assert.equal(office.submitted.length, before);
  }));

test('an identity that changes while messages wait fails them: none goes to the new keys by itself', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await alice.sender.send('bob', 'first', {});
    await verifyBob(play);
    office.mishap = () => new SecureChatError('RATE_LIMITED', { retryAfterMs: 300 });
    const { id, state } = await alice.sender.send('bob', 'waits', {});
    assert.equal(state, 'queued');
    office.people.set(bob.record.account, await bundleOf(bob, await forged(bob)));
    await alice.engine.people.lookup(alice.engine, 'bob');
    const before = office.submitted.length;
    office.mishap = () => 'none';
    await new Promise((resolve) => setTimeout(resolve, 800));
    const later = office.submitted.slice(before).filter(({ kind }) => kind !== 'message');
    assert.deepEqual(later, [], 'nothing was founded with the new keys');
    const told = alice.events.filter((event) => event.kind === 'state' && event.id === id);
    assert.ok(told.every((event) => event.kind === 'state' && event.state !== 'delivered'));
  }, 60));

const refusals: readonly {
  readonly name: string;
  readonly lie: (play: Play, honest: control.Account) => Promise<Partial<control.Account>>;
}[] = [
  {
    name: 'an identity of the sequence already known',
    lie: ({ bob }) => forged(bob, { sequence: 1, version: 2 }),
  },
  { name: 'a list version already used', lie: ({ bob }) => forged(bob, { sequence: 2, version: 0 }) },
  {
    name: 'certificates made for another server',
    lie: ({ bob }) => forged(bob, { server: `sha256:${'B'.repeat(43)}` as Fingerprint }),
  },
  {
    name: 'a ghost device beside the listed one',
    lie: async ({ bob }, honest) => ({ deviceJws: [...honest.deviceJws, ...(await forged(bob)).deviceJws] }),
  },
  { name: 'a list signed by somebody else', lie: async ({ bob }) => ({ listJws: (await forged(bob)).listJws }) },
  {
    name: 'a device certificate of somebody else',
    lie: async ({ bob }) => ({ deviceJws: (await forged(bob)).deviceJws }),
  },
  { name: 'no devices for a list that names one', lie: async () => ({ deviceJws: [] }) },
  {
    name: 'the certificates of another account',
    lie: async ({ alice }) => {
      const { accountJws, listJws, deviceJws } = alice.record;
      return { accountJws, listJws, deviceJws: [deviceJws] };
    },
  },
  { name: 'a megabyte instead of a certificate', lie: async () => ({ accountJws: 'a'.repeat(1_000_000) }) },
  {
    name: 'a thousand device certificates',
    lie: async (_, { deviceJws }) => ({ deviceJws: Array.from({ length: 1000 }, () => deviceJws[0] ?? '') }),
  },
  { name: 'empty texts', lie: async () => ({ accountJws: '', listJws: '', deviceJws: [''] }) },
];

for (const { name, lie } of refusals)
  test(`at the look-up of a known contact, ${name}: refused, and what is known stays`, () =>
    on(async (play) => {
      const { alice, bob } = play;
      await alice.sender.send('bob', 'first', {});
      const known = alice.engine.ledger.contacts.get('bob');
      assert.ok(known !== undefined);
      const { accountJws, listJws, deviceJws } = known;
      const value = await lie(play, {
        account: idBytes(known.account),
        accountJws,
        listJws,
        deviceJws: [...deviceJws],
      });
      answering(play, 'lookup', (honest) => ({ ...(honest as control.Account), ...value }));
      await assert.rejects(alice.engine.people.lookup(alice.engine, 'bob'), (error) => {
        assert.ok(error instanceof SecureChatError);
        return ['CERTIFICATE_REJECTED', 'TOO_LARGE', 'MALFORMED'].includes(error.code);
      });
      const { written: _, ...after } = alice.engine.ledger.contacts.get('bob') ?? known;
      assert.deepEqual({ ...after, written: known.written }, known);
      assert.equal(
        alice.events.some(({ kind }) => kind === 'keyChanged'),
        false,
      );
      await alice.sender.send('bob', 'second', {});
      await shows(bob, ['first', 'second']);
    }));

test('at the first look-up, the answer about somebody else is refused and nothing is sent', () =>
  on(async (play) => {
    const { alice, office } = play;
    const { accountJws, listJws, deviceJws, account } = alice.record;
    const other = { account: idBytes(account), accountJws, listJws, deviceJws: [deviceJws] };
    answering(play, 'lookup', () => other);
    await assert.rejects(alice.sender.send('bob', 'first', {}), { code: 'CERTIFICATE_REJECTED' });
    assert.equal(alice.engine.ledger.contacts.size, 0);
    assert.equal(office.submitted.length, 0);
  }));

// ---- key packages

test('the key package of another device, a damaged one, or none: NO_KEYS, and nothing is sent', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    const carol = await createActor(office, 'carol', 2);
    await carol.start();
    await until(
      () => (office.devices.get(carol.record.device)?.keyPackages.length ?? 0) > 0,
      () => 'key packages',
    );
    const foreign = office.devices.get(carol.record.device)?.keyPackages[0] ?? new Uint8Array(0);
    const device = idBytes(bob.record.device);
    const own = office.devices.get(alice.record.device)?.keyPackages[0] ?? new Uint8Array(0);
    const whole = office.devices.get(bob.record.device)?.keyPackages[0] ?? new Uint8Array(0);
    const damaged = whole.slice();
    damaged[100] = (damaged[100] ?? 0) ^ 1;
    const one = (keyPackage: Uint8Array) => [{ device, keyPackage, lastResort: false }];
    const lies = [
      one(foreign),
      one(own),
      one(damaged),
      one(new Uint8Array(0)),
      one(new Uint8Array(100_000)),
      [],
      [{ device: idBytes(carol.record.device), keyPackage: foreign, lastResort: false }],
      [...one(whole), { device: idBytes(carol.record.device), keyPackage: foreign, lastResort: false }],
      [...one(whole), ...one(whole)],
    ];
    let packages: ReturnType<typeof one> = [];
    answering(play, 'claimKeyPackages', () => ({ packages }));
    for (const [at, lie] of lies.entries()) {
      packages = lie;
      const failures = () => alice.events.filter((event) => event.kind === 'state' && event.state === 'failed');
      const before = failures().length;
      await alice.sender.send('bob', 'hello', {}).catch(() => undefined);
      await until(
        () => failures().length > before,
        () => `lie ${at} is refused`,
      );
      const last = failures().at(-1);
      assert.equal(last?.kind === 'state' ? last.code : undefined, 'NO_KEYS', `lie ${at}`);
    }
    assert.equal(office.submitted.length, 0);
    await carol.engine.stop();
  }));

test('an expired key package is not used', () =>
  on(async (play) => {
    const { alice, office } = play;
    alice.nowMs = () => Date.now() + 91 * DAY_MS;
    await assert.rejects(alice.sender.send('bob', 'hello', {}), { code: 'NO_KEYS' });
    assert.equal(office.submitted.length, 0);
  }));

test('one key package given to two people: the second is refused by its owner, who sees a gap', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    const carol = await createActor(office, 'carol', 2);
    await carol.start();
    const [keyPackage = new Uint8Array(0)] = office.devices.get(bob.record.device)?.keyPackages ?? [];
    const packages = [{ device: idBytes(bob.record.device), keyPackage, lastResort: false }];
    answering(play, 'claimKeyPackages', () => ({ packages }));
    await alice.sender.send('bob', 'from alice', {});
    await shows(bob, ['from alice']);
    await carol.sender.send('bob', 'from carol', {});
    await until(
      () => bob.gaps.length > 0,
      () => 'a gap',
    );
    assert.deepEqual(bob.texts, ['from alice']);
    assert.ok(bob.gaps.includes('UNDECRYPTABLE'));
    await carol.engine.stop();
  }));

test('two foundings accepted for one slot: both are read, and both sides write in the same one', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    const held: { readonly to: Actor; readonly row: Deliver }[] = [];
    office.tamper = (row) => {
      const to = held.length < 2 ? bob : alice;
      held.push({ to, row });
      return [];
    };
    await alice.sender.send('bob', 'from alice', {});
    // The server forgets the first founding.
    office.slots.clear();
    await bob.sender.send('alice', 'from bob', {});
    assert.deepEqual(
      office.submitted.map(({ kind }) => kind),
      ['found', 'found'],
    );
    office.tamper = (row) => [row];
    for (const { to, row } of held) {
      const device = office.devices.get(to.record.device);
      if (device !== undefined) office.put(device, { ...row, seq: 0 as MailboxSeq });
    }
    await shows(bob, ['from alice']);
    await shows(alice, ['from bob']);
    const sendingOf = (actor: Actor, other: string) =>
      actor.engine.ledger
        .conversation(other)
        .lineage.filter(({ state }) => state === 'live')
        .map(({ group }) => group)
        .sort();
    assert.deepEqual(sendingOf(alice, 'bob'), sendingOf(bob, 'alice'));
    assert.equal(sendingOf(alice, 'bob').length, 2);
    office.slots.clear();
    await alice.sender.send('bob', 'again alice', {});
    await bob.sender.send('alice', 'again bob', {});
    await shows(bob, ['from alice', 'again alice']);
    await shows(alice, ['from bob', 'again bob']);
    const groups = new Set(office.submitted.filter(({ kind }) => kind === 'message').map(({ group }) => group));
    assert.equal(groups.size, 1);
    assert.deepEqual([...alice.gaps, ...bob.gaps], []);
  }));

test('a device that was taken off the list is not heard any more once the conversation went on', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await alice.sender.send('bob', 'first', {});
    await bob.sender.send('alice', 'from bob', {});
    await shows(alice, ['from bob']);
    // Held back by the server: two messages of the old device.
    const held: Deliver[] = [];
    office.tamper = (row) => {
      held.push(row);
      return [];
    };
    await bob.sender.send('alice', 'in time', {});
    await bob.sender.send('alice', 'of the thief', {});
    office.tamper = (row) => [row];
    const messages = held.filter(({ kind }) => kind === 'message');
    const aliceAtServer = office.devices.get(alice.record.device);
    assert.ok(aliceAtServer !== undefined && messages[0] !== undefined && messages[1] !== undefined);
    // Bob's keys were replaced; the first message was on its way then.
    office.people.set(bob.record.account, await bundleOf(bob, await forged(bob)));
    await alice.engine.people.lookup(alice.engine, 'bob');
    office.put(aliceAtServer, messages[0]);
    await shows(alice, ['from bob', 'in time']);
    // Much later, the second.
    alice.nowMs = () => Date.now() + 61_000;
    const from = alice.gaps.length;
    office.put(aliceAtServer, messages[1]);
    await until(
      () => alice.gaps.length > from,
      () => 'a gap',
    );
    assert.deepEqual(alice.texts, ['from bob', 'in time']);
    assert.deepEqual(alice.gaps.slice(from), ['SENDER_RESET']);
    assert.deepEqual(
      alice.engine.ledger.failures.map(({ what, user, code }) => [what, user, code]),
      [['gap', 'bob', 'SENDER_RESET']],
      'and who asks later hears why',
    );
    // Its key is used up: the same again is nothing new.
    office.put(aliceAtServer, messages[1]);
    await until(
      () => alice.engine.ledger.cursor === aliceAtServer.next - 1,
      () => `${alice.engine.ledger.cursor}`,
    );
    assert.deepEqual(alice.gaps.slice(from), ['SENDER_RESET']);
  }));
