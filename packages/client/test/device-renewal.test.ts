/**
 * Goal: an account lives for years. Method: real engines over a server in memory, their clocks moved towards and past the
 * end of the certificates; power cuts and lost answers at each step; a server that lies.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountBundle } from '@securechat/crypto';
import { DEVICE_CERTIFICATE_MS, generateRsa, sha256, systemEntropy } from '@securechat/crypto';
import { createVault, replaceVaultIdentity, safetyNumber, safetyPart } from '@securechat/e2ee';
import type { control, Deliver } from '@securechat/wire';
import { idBytes, SecureChatError } from '@securechat/wire';
import { resetIdentity } from '../src/shell/account/new-identity.ts';
import {
  isRenewalDue,
  ownCertificate,
  RENEWAL_MS,
  renewDevice,
  WARNING_MS,
} from '../src/shell/account/renew-device.ts';
import type { Actor, Play } from './doubles/play.ts';
import { EXPORT_KEY, on, until } from './doubles/play.ts';
import type { PostOffice } from './doubles/post-office.ts';

const patient = { timeout: 120_000 };
const DAY_MS = 24 * 60 * 60 * 1000;
/** A month after logins begin to renew; a month after the first certificates ended. */
const DUE_MS = DEVICE_CERTIFICATE_MS - RENEWAL_MS + 30 * DAY_MS;
const OVER_MS = DEVICE_CERTIFICATE_MS + 30 * DAY_MS;

/** The rest of the server: device lists by its rules, and vaults. `published`: requests that it was sent. */
function withLists(office: PostOffice, actors: readonly Actor[]): { published: number } {
  const counted = { published: 0 };
  const rest = office.answer.bind(office);
  office.answer = (id, kind, value) => {
    const actor = actors.find(({ record }) => record.device === id);
    if (kind === 'getVault' && actor !== undefined)
      return { $case: 'vault', value: { vault: actor.vault.slice(), version: 1 } };
    if (kind !== 'publishDevices' || actor === undefined) return rest(id, kind, value);
    counted.published += 1;
    const { account } = actor.record;
    const stored = office.people.get(account);
    const { listJws, deviceJws } = value as control.PublishDevices;
    if (stored === undefined) return new SecureChatError('NOT_AUTHENTICATED');
    if (listJws !== stored.list.jws) {
      const next = relisted(stored, listJws, deviceJws);
      if (next === undefined) return new SecureChatError('VERSION_CONFLICT');
      office.people.set(account, next);
    }
    return { $case: 'done', value: {} };
  };
  return counted;
}

function relisted(stored: AccountBundle, listJws: string, deviceJws: string): AccountBundle | undefined {
  const [, payload = ''] = listJws.split('.');
  const { version } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { version: number };
  if (version !== stored.list.version + 1) return undefined;
  const list = { ...stored.list, jws: listJws, version, hash: sha256(new TextEncoder().encode(listJws)) };
  return { ...stored, list, devices: stored.devices.map((one) => ({ ...one, jws: deviceJws })) };
}

function later(actors: readonly Actor[], ms: number): void {
  for (const actor of actors) actor.nowMs = () => Date.now() + ms;
}

/** What a login with the password does before it attaches. `shown`: what the server answers to it. */
async function logIn(actor: Actor, shown = actor.office.people.get(actor.record.account)): Promise<void> {
  assert.ok(shown !== undefined);
  const { office, record } = actor;
  await renewDevice({
    ledger: actor.engine.ledger,
    link: office.open(record.device, silent),
    done: {
      account: idBytes(record.account),
      accountJws: shown.account.jws,
      listJws: shown.list.jws,
      deviceJws: shown.devices.map(({ jws }) => jws),
    },
    exportKey: EXPORT_KEY.slice(),
    nowMs: actor.nowMs(),
    entropy: systemEntropy,
  });
}

const silent = {
  onDeliver: () => undefined,
  onAccepted: () => undefined,
  onRefused: () => undefined,
  onEvent: () => undefined,
  onClosed: () => undefined,
};

/** A new process: a login, then the attach that publishes. */
async function comeBack(actor: Actor): Promise<void> {
  await actor.engine.stop();
  await actor.start();
}

async function renewAndAttach(actor: Actor): Promise<void> {
  await logIn(actor);
  await comeBack(actor);
}

async function shows(actor: Actor, texts: readonly string[]): Promise<void> {
  await until(
    () => actor.texts.length >= texts.length,
    () => `${actor.name} shows ${actor.texts.join()}; gaps ${actor.gaps.join()}`,
  );
  assert.deepEqual(actor.texts, texts);
  assert.deepEqual(actor.gaps, []);
}

function endsMs({ engine }: Actor): Promise<number> {
  return ownCertificate(engine.ledger.account).then(({ notAfterMs }) => notAfterMs);
}

function groupsWith(actor: Actor, user: string): number {
  return actor.engine.ledger.conversation(user).lineage.length;
}

function toldOfKeys(actor: Actor): string[] {
  const kinds = actor.events.map(({ kind }) => kind);
  return kinds.filter((kind) => kind === 'keyChanged' || kind === 'newDevice');
}

async function digits(actor: Actor, user: string): Promise<string> {
  const { people, ledger } = actor.engine;
  const contact = ledger.contacts.get(user);
  assert.ok(contact !== undefined);
  const [me, them] = [await people.me(), await people.bundleOfAnyTime(contact)];
  return safetyNumber(ledger.account.server, safetyPart(me.person.account), safetyPart(them.account)).digits;
}

async function verify(actor: Actor, user: string): Promise<void> {
  const contact = actor.engine.ledger.contacts.get(user);
  assert.ok(contact !== undefined);
  await actor.engine.ledger.commit([{ put: 'contact', value: { ...contact, verified: true } }]);
}

/** They wrote to each other in the first days, and Alice verified Bob. */
async function acquainted(play: Play): Promise<{ published: number }> {
  const { alice, bob, office } = play;
  const counted = withLists(office, [alice, bob]);
  await alice.sender.send('bob', 'first', {});
  await shows(bob, ['first']);
  await bob.sender.send('alice', 'hello', {});
  await shows(alice, ['hello']);
  await verify(alice, 'bob');
  return counted;
}

test('a login in the last 180 days renews the certificate, no earlier, and only where the password opens the vault', () =>
  on(async ({ bob }) => {
    const { ledger } = bob.engine;
    const beginsMs = (await endsMs(bob)) - RENEWAL_MS;
    assert.equal(await isRenewalDue(ledger, beginsMs), false);
    assert.equal(await isRenewalDue(ledger, beginsMs + 1), true);
    assert.equal(await isRenewalDue(ledger, beginsMs + 2 * RENEWAL_MS), true, 'also after its end');
    const { account } = ledger;
    await ledger.commit([{ put: 'account', value: { ...account, passwordSlot: new Uint8Array(0) } }]);
    assert.equal(await isRenewalDue(ledger, beginsMs + 1), false);
  }));

test(
  'messages go both ways in the same group after the first certificates ended, and nobody is asked anything',
  patient,
  () =>
    on(async (play) => {
      const { alice, bob, office } = play;
      await acquainted(play);
      const before = [await digits(alice, 'bob'), bob.engine.ledger.account] as const;
      later([alice, bob], DUE_MS);
      for (const actor of [alice, bob]) await renewAndAttach(actor);
      const { account } = bob.engine.ledger;
      assert.notEqual(account.deviceJws, before[1].deviceJws);
      assert.deepEqual(account.signing, before[1].signing);
      assert.equal(account.device, before[1].device);
      assert.equal(await endsMs(bob), (await ownCertificate(account)).notAfterMs);
      assert.ok((await endsMs(bob)) > Date.now() + DUE_MS + DEVICE_CERTIFICATE_MS - DAY_MS);
      assert.equal(office.people.get(account.account)?.list.version, 2);
      assert.equal(bob.engine.ledger.successor, undefined);

      later([alice, bob], OVER_MS);
      for (const actor of [alice, bob]) await comeBack(actor);
      await alice.sender.send('bob', 'years later', {});
      await shows(bob, ['first', 'years later']);
      await bob.sender.send('alice', 'indeed', {});
      await shows(alice, ['hello', 'indeed']);
      assert.deepEqual([groupsWith(alice, 'bob'), groupsWith(bob, 'alice')], [1, 1]);
      assert.deepEqual([...toldOfKeys(alice), ...toldOfKeys(bob)], []);
      assert.equal(alice.engine.ledger.contacts.get('bob')?.verified, true);
      assert.equal(await digits(alice, 'bob'), before[0]);
    }),
);

test(
  'who was away for years reads what came from renewed certificates, and renews their own after its end',
  patient,
  () =>
    on(async (play) => {
      const { alice, bob } = play;
      await acquainted(play);
      await alice.engine.stop();
      later([bob], DUE_MS);
      await renewAndAttach(bob);
      later([alice, bob], OVER_MS);
      await bob.sender.send('alice', 'where are you?', {});
      await alice.start();
      // Alice knows the old certificate of Bob alone, and her own has ended.
      await shows(alice, ['hello', 'where are you?']);
      assert.equal(alice.engine.ledger.contacts.get('bob')?.listVersion, 2);
      assert.equal(alice.engine.ledger.parked.size, 0);
      await assert.rejects(alice.sender.send('bob', 'unheard', {}), { code: 'CERTIFICATE_REJECTED' });
      await renewAndAttach(alice);
      await alice.sender.send('bob', 'here again', {});
      await shows(bob, ['first', 'here again']);
      assert.deepEqual([...toldOfKeys(alice), ...toldOfKeys(bob)], []);
    }),
);

test('a contact looks a certificate up that nears its end, once a day, while they are connected', patient, () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await acquainted(play);
    later([bob], DUE_MS);
    await renewAndAttach(bob);
    const lookups = () => office.requests.filter((kind) => kind === 'lookup').length;
    const before = lookups();
    const version = () => alice.engine.ledger.contacts.get('bob')?.listVersion;
    const far = DEVICE_CERTIFICATE_MS - RENEWAL_MS / 2;
    later([alice], far - 2 * DAY_MS);
    const requests = office.requests.length;
    alice.engine.renewal.pulse();
    await until(
      () => office.requests.length > requests,
      () => 'the day was seen to',
    );
    assert.deepEqual([lookups() - before, version()], [0, 1]);
    later([alice], far + DAY_MS);
    alice.engine.renewal.pulse();
    await until(
      () => version() === 2,
      () => 'the new list',
    );
    assert.deepEqual(toldOfKeys(alice), []);
  }),
);

test('an invitation that was founded before a renewal, and is read after it, is joined', patient, () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    withLists(office, [alice, bob]);
    later([alice, bob], DUE_MS);
    for (const actor of [alice, bob]) await comeBack(actor);
    const held: Deliver[] = [];
    office.tamper = (row) => (held.push(row), []);
    await bob.sender.send('alice', 'from before', {});
    await renewAndAttach(bob);
    await alice.engine.people.lookup(alice.engine, 'bob');
    assert.equal(alice.engine.ledger.contacts.get('bob')?.listVersion, 2);
    office.tamper = (row) => [row];
    const device = office.devices.get(alice.record.device);
    assert.ok(device !== undefined);
    for (const row of held) office.put(device, row);
    await shows(alice, ['from before']);
    await alice.sender.send('bob', 'answered', {});
    await shows(bob, ['answered']);
  }),
);

test('key packages made under the old certificate are replaced at the server by the next attach', patient, () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    withLists(office, [alice, bob]);
    const offered = () => {
      const { keyPackages = [], lastResort } = office.devices.get(bob.record.device) ?? {};
      return [...keyPackages, lastResort ?? new Uint8Array(0)].map((one) => Buffer.from(one).toString('base64'));
    };
    // Ten days before the end: what was made today ends with the certificate.
    later([alice, bob], DEVICE_CERTIFICATE_MS - 10 * DAY_MS);
    await comeBack(bob);
    const before = offered();
    await renewAndAttach(bob);
    const after = offered();
    assert.equal(after.length, before.length);
    assert.deepEqual(
      after.filter((one) => before.includes(one)),
      [],
    );
    later([alice, bob], OVER_MS);
    await renewAndAttach(alice);
    await alice.sender.send('bob', 'first after years', {});
    await shows(bob, ['first after years']);
  }),
);

// ---- power cuts and lost answers

test('a power cut before the list is published: the next attach publishes it, without another login', patient, () =>
  on(async (play) => {
    const { bob } = play;
    const counted = await acquainted(play);
    later([bob], DUE_MS);
    await logIn(bob);
    assert.ok(bob.engine.ledger.successor !== undefined);
    assert.equal(await isRenewalDue(bob.engine.ledger, bob.nowMs()), false, 'one is under way');
    await bob.crash();
    assert.equal(counted.published, 1);
    await renewed(play);
  }),
);

test('an answer that is lost after the list was stored: the same list again is one list', patient, () =>
  on(async (play) => {
    const { bob, office } = play;
    const counted = await acquainted(play);
    later([bob], DUE_MS);
    const honest = office.answer.bind(office);
    office.answer = (id, kind, value) => {
      const answer = honest(id, kind, value);
      if (kind !== 'publishDevices' || counted.published > 1) return answer;
      office.cut(id);
      return new SecureChatError('CONNECTION_LOST');
    };
    await renewAndAttach(bob);
    await until(
      () => bob.engine.ledger.successor === undefined,
      () => 'the outcome is known',
    );
    assert.equal(counted.published, 2);
    await renewed(play);
  }),
);

for (const applied of [false, true])
  test(
    `a power cut ${applied ? 'after' : 'before'} each commit of a renewal leaves a device that ends up renewed`,
    patient,
    async () => {
      const steps = 4;
      for (let step = 1; step <= steps; step += 1)
        await on(async (play) => {
          const { bob } = play;
          await acquainted(play);
          later([bob], DUE_MS);
          const { store } = bob;
          store.cutAfter = { commits: store.commits + step, applied };
          await logIn(bob).catch(() => undefined);
          // The process ends here as well; the next one goes on with the same disk, up to the cut.
          if (step > 1) await comeBack(bob);
          await bob.crash();
          if (await isRenewalDue(bob.engine.ledger, bob.nowMs())) await renewAndAttach(bob);
          await renewed(play);
        });
    },
  );

/** Bob has the second list, and so has the server; both still hear each other. */
async function renewed({ alice, bob, office }: Play): Promise<void> {
  assert.equal(bob.engine.ledger.successor, undefined);
  assert.equal(bob.engine.ledger.account.listJws, office.people.get(bob.record.account)?.list.jws);
  assert.equal(office.people.get(bob.record.account)?.list.version, 2);
  assert.ok((await endsMs(bob)) > bob.nowMs() + DEVICE_CERTIFICATE_MS - DAY_MS);
  later([alice], DUE_MS);
  const count = [alice.texts.length, bob.texts.length] as const;
  await alice.sender.send('bob', 'still there?', {});
  await bob.sender.send('alice', 'still here', {});
  await until(
    () => alice.texts.length > count[0] && bob.texts.length > count[1],
    () => `${alice.texts.join()} / ${bob.texts.join()}`,
  );
  assert.deepEqual(toldOfKeys(alice), []);
}

test('a profile put back from before its renewal takes up the certificate that the server shows', patient, () =>
  on(async (play) => {
    const { bob } = play;
    const counted = await acquainted(play);
    const old = bob.engine.ledger.account;
    later([bob], DUE_MS);
    await renewAndAttach(bob);
    const { deviceJws, listJws } = bob.engine.ledger.account;
    await bob.engine.ledger.commit([{ put: 'account', value: old }]);
    await comeBack(bob);
    await renewAndAttach(bob);
    const { account } = bob.engine.ledger;
    assert.deepEqual([account.deviceJws, account.listJws], [deviceJws, listJws]);
    assert.equal(counted.published, 1);
    await renewed(play);
  }),
);

test('a server that was put back to a copy from before the renewal is given the newer list again', patient, () =>
  on(async (play) => {
    const { bob, office } = play;
    const counted = await acquainted(play);
    const first = office.people.get(bob.record.account);
    assert.ok(first !== undefined);
    later([bob], DUE_MS);
    await renewAndAttach(bob);
    office.people.set(bob.record.account, first);
    await comeBack(bob);
    assert.equal(counted.published, 2);
    await renewed(play);
    await comeBack(bob);
    assert.equal(counted.published, 2, 'once is enough');
  }),
);

// ---- a server that lies

test('an older list, another account or vault, and a vault that does not open: nothing is renewed', patient, () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await acquainted(play);
    const first = office.people.get(bob.record.account);
    later([bob], DUE_MS);
    await renewAndAttach(bob);
    const kept = { record: bob.engine.ledger.account, account: (await bob.engine.people.me()).person.account };
    later([bob], DUE_MS + DEVICE_CERTIFICATE_MS);
    await assert.rejects(logIn(bob, first), { code: 'CERTIFICATE_REJECTED' });
    await assert.rejects(logIn(bob, office.people.get(alice.record.account)), { code: 'CERTIFICATE_REJECTED' });

    const honest = office.answer.bind(office);
    const showing = (vault: Uint8Array) => {
      office.answer = (id, kind, value) =>
        kind === 'getVault' ? { $case: 'vault', value: { vault, version: 1 } } : honest(id, kind, value);
    };
    const recoverySealing = await generateRsa('sealing', 2048);
    const identity = await generateRsa('identity', 2048);
    const owner = { account: bob.record.account, sequence: 1, entropy: systemEntropy };
    showing(createVault({ ...owner, identity, recoverySealing, recoveryEntropy: new Uint8Array(16) }));
    await assert.rejects(logIn(bob), { code: 'MALFORMED' });
    // The recovery key is public: a server can seal to it whatever it likes.
    const { recoverySealing: real } = kept.account;
    showing(replaceVaultIdentity({ ...owner, vault: bob.vault, identity, recoverySealing: real }));
    await assert.rejects(logIn(bob), { code: 'CERTIFICATE_REJECTED' });
    showing(alice.vault);
    await assert.rejects(logIn(bob), { code: 'MALFORMED' });
    showing(new Uint8Array(0));
    await assert.rejects(logIn(bob));
    assert.equal(bob.engine.ledger.successor, undefined);
    assert.equal(bob.engine.ledger.account, kept.record);
  }),
);

test(
  'a list that the server refuses is given up: the device attaches as it was, and the next login tries again',
  patient,
  () =>
    on(async (play) => {
      const { bob, office } = play;
      const counted = await acquainted(play);
      later([bob], DUE_MS);
      const honest = office.answer.bind(office);
      office.answer = (id, kind, value) =>
        kind === 'publishDevices' ? new SecureChatError('CERTIFICATE_REJECTED') : honest(id, kind, value);
      const { deviceJws } = bob.engine.ledger.account;
      await renewAndAttach(bob);
      assert.equal(bob.engine.connection, 'online');
      assert.equal(bob.engine.ledger.successor, undefined);
      assert.equal(bob.engine.ledger.account.deviceJws, deviceJws);
      office.answer = honest;
      await renewAndAttach(bob);
      assert.equal(counted.published, 1);
      await renewed(play);
    }),
);

test('keys are not reset while nobody knows what became of a renewal, and it is no reset', patient, () =>
  on(async (play) => {
    const { bob, office } = play;
    await acquainted(play);
    later([bob], DUE_MS);
    await logIn(bob);
    const create = () => assert.fail('no keys are made');
    await assert.rejects(resetIdentity(bob.engine, create), { code: 'BUSY' });
    office.answer = () => new SecureChatError('TIMEOUT');
    await comeBack(bob);
    assert.ok(bob.engine.ledger.successor !== undefined);
    assert.equal(bob.engine.ledger.account.device, bob.record.device);
  }),
);

// ---- what a person is told

test('in the last 60 days a person is told once a day, with what to do', patient, () =>
  on(async ({ bob }) => {
    const told = () => bob.events.filter(({ kind }) => kind === 'deviceEnds');
    const left = async (ms: number) => (await endsMs(bob)) - Date.now() - ms;
    const seenTo = async (): Promise<void> => {
      const { length } = bob.office.requests;
      bob.engine.renewal.pulse();
      await until(
        () => bob.office.requests.length > length,
        () => 'the day was seen to',
      );
    };
    later([bob], await left(WARNING_MS + DAY_MS));
    await seenTo();
    assert.equal(told().length, 0);
    const at = new Date(await endsMs(bob)).toISOString();
    for (const days of [59, 58]) {
      later([bob], await left(days * DAY_MS));
      await seenTo();
      bob.engine.renewal.pulse();
    }
    assert.deepEqual(
      told(),
      Array.from({ length: 2 }, () => ({ kind: 'deviceEnds', at, renewable: true })),
    );
  }),
);
