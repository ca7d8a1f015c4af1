/** Goal: looking people up, their key packages, presence, blocks and invites; what each may not do. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { proofOfWork, systemEntropy } from '@securechat/crypto';
import { idBytes, presences } from '@securechat/wire';
import type { TestClient } from '../client.ts';
import { Outbox } from '../client.ts';
import type { Person } from '../people.ts';
import { makePerson } from '../people.ts';
import type { Stand } from '../stand.ts';
import { coded, makeStand } from '../stand.ts';

let stand: Stand;
let anna: Person;
let bob: Person;
let a: TestClient;
let b: TestClient;
let hours = 0;
before(async () => {
  stand = await makeStand({
    limits: {
      lookupsPerHour: 5,
      keyPackageClaimsPerPairPerHour: 4,
      keyPackageClaimsPerTargetPerHour: 6,
      invitesPerDay: 2,
      blocksMax: 2,
      keyPackagesStoredMax: 15,
      // The clock jumps by hours here; nobody is dead for it.
      deadMs: 10 ** 9,
    },
    surroundings: {
      clock: { wallMs: () => Date.now(), monotonicMs: () => performance.now() + hours * 3_600_000 },
      // One random byte is asked for delays alone: a tenth of the longest one.
      entropy: (bytes) => (bytes === 1 ? Uint8Array.of(25) : systemEntropy(bytes)),
    },
  });
  anna = await stand.register('anna');
  bob = await stand.register('bob');
  a = await stand.attach(anna);
  b = await stand.attach(bob, 'ws');
});
after(async () => {
  a.close();
  b.close();
  await stand.stop();
});

const byName = (value: string) => ({ who: { $case: 'username', value } }) as const;
const nothing = new Uint8Array(0);

test('people are found by exact name in any spelling, and by id; nobody else is', async () => {
  const found = await a.ask('lookup', byName('BOB'), 'lookup');
  assert.deepEqual([found.accountJws, found.listJws, found.deviceJws], [bob.accountJws, bob.listJws, [bob.deviceJws]]);
  const byId = { who: { $case: 'account', value: idBytes(bob.account) } } as const;
  assert.equal((await a.ask('lookup', byId, 'lookup')).accountJws, bob.accountJws);
  await assert.rejects(a.request('lookup', byName('nobody')), coded('NO_SUCH_USER'));
  await assert.rejects(a.request('lookup', byName('?')), coded('NO_SUCH_USER'));
  await assert.rejects(a.request('lookup', { who: undefined }), coded('MALFORMED'));
  // lookupsPerHour is 5 here: the sixth waits.
  await assert.rejects(a.request('lookup', byName('bob')), coded('RATE_LIMITED'));
  hours += 1;
  await a.ask('lookup', byName('bob'), 'lookup');
});

test('a one-time key package is handed out once; the last-resort one serves when none is left', async () => {
  const package_ = (name: number): Uint8Array => new Uint8Array(100).fill(name);
  const put = await b.ask('putKeyPackages', { oneTime: [package_(1), package_(2)], lastResort: package_(9) }, 'stock');
  assert.equal(put.left, 2);
  const claim = async () => {
    const { packages } = await a.ask('claimKeyPackages', { account: idBytes(bob.account) }, 'keyPackages');
    return packages.map((one) => [one.keyPackage[0], one.lastResort]);
  };
  assert.deepEqual(new Set([await claim(), await claim()].map(String)), new Set(['1,false', '2,false']));
  // Few are left: the owner is told.
  const event = await b.events.next();
  assert.ok(event?.body?.$case === 'stock' && event.body.value.left === 1);
  assert.deepEqual(await claim(), [[9, true]]);
  assert.deepEqual(await claim(), [[9, true]]);
  // keyPackageClaimsPerPairPerHour is 4 here.
  await assert.rejects(claim(), coded('RATE_LIMITED'));
  hours += 1;
});

test('many together cannot drain somebody: beyond the rate of the target only the last resort is handed out', async () => {
  await b.ask(
    'putKeyPackages',
    { oneTime: Array.from({ length: 10 }, (_, i) => new Uint8Array(50).fill(20 + i)), lastResort: nothing },
    'stock',
  );
  let oneTime = 0;
  for (const name of ['c1', 'c2', 'c3'].map((one) => `claimer.${one}`)) {
    const claimer = await stand.attach(await stand.register(name));
    for (let count = 0; count < 3; count += 1) {
      const { packages } = await claimer.ask('claimKeyPackages', { account: idBytes(bob.account) }, 'keyPackages');
      if (packages[0]?.lastResort === false) oneTime += 1;
    }
    claimer.close();
  }
  assert.equal(oneTime, stand.config.limits.keyPackageClaimsPerTargetPerHour);
  hours += 1;
});

test('key packages that are too many, too large or empty are refused', async () => {
  const { keyPackagesPerRequestMax, keyPackageBytesMax } = stand.config.limits;
  const put = (oneTime: Uint8Array[], lastResort = nothing) => a.request('putKeyPackages', { oneTime, lastResort });
  const many = (count: number) => Array.from({ length: count }, (_, i) => new Uint8Array(10).fill(100 + i));
  assert.equal((await put(many(keyPackagesPerRequestMax))).$case, 'stock');
  await assert.rejects(put(many(keyPackagesPerRequestMax + 1)), coded('TOO_LARGE'));
  await put([new Uint8Array(keyPackageBytesMax)]);
  await assert.rejects(put([new Uint8Array(keyPackageBytesMax + 1)]), coded('TOO_LARGE'));
  await assert.rejects(put([], new Uint8Array(keyPackageBytesMax + 1)), coded('TOO_LARGE'));
  await assert.rejects(put([nothing]), coded('MALFORMED'));
});

test('presence on an invite-only server: everyone may know, except of those who block them', async () => {
  const presence = async (client: TestClient, person: Person): Promise<number> =>
    (await client.ask('getPresence', { account: idBytes(person.account) }, 'presence')).presence;
  const carl = await stand.register('carl');
  assert.equal(await presence(a, bob), presences.online);
  assert.equal(await presence(a, carl), presences.offline);
  const nobody = await makePerson({ username: 'ghost', server: stand.server.ready.fingerprint });
  assert.equal(await presence(a, nobody), presences.unknown);
  await b.ask('block', { account: idBytes(anna.account), blocked: true, quiet: true }, 'done');
  assert.equal(await presence(a, bob), presences.offline);
  await b.ask('block', { account: idBytes(anna.account), blocked: false, quiet: false }, 'done');
  assert.equal(await presence(a, bob), presences.online);
});

test('a watcher is told the present state, and of changes after a moment', async () => {
  const dan = await stand.register('dan');
  await a.ask('watchPresence', { accounts: [idBytes(bob.account), idBytes(dan.account)] }, 'done');
  const next = async () => {
    for (;;) {
      const event = await a.events.next();
      if (event?.body?.$case === 'presence') return event.body.value;
    }
  };
  assert.deepEqual([(await next()).presence, (await next()).presence], [presences.online, presences.offline]);
  const startMs = performance.now();
  const d = await stand.attach(dan);
  const change = await next();
  assert.deepEqual(change.account, idBytes(dan.account));
  assert.equal(change.presence, presences.online);
  const elapsedMs = performance.now() - startMs;
  assert.ok(elapsedMs > 400, `told after ${elapsedMs} ms`);
  await a.ask('watchPresence', { accounts: [] }, 'done');
  d.close();
  await assert.rejects(
    a.request('watchPresence', { accounts: Array.from({ length: 1001 }, () => idBytes(bob.account)) }),
    coded('TOO_LARGE'),
  );
});

test('blocks: told or quiet, listed, limited, not of oneself; they stop messages, claims and files', async () => {
  const block = (person: { account: Person['account'] }, blocked = true, quiet = false) =>
    b.request('block', { account: idBytes(person.account), blocked, quiet });
  await assert.rejects(block(bob), coded('SELF'));
  const ghost = await makePerson({ username: 'ghost', server: stand.server.ready.fingerprint });
  await assert.rejects(block(ghost), coded('NO_SUCH_USER'));
  await block(anna);
  a.submit(new Outbox(50).found(anna, bob));
  assert.equal((await a.refused.next())?.error.code, 'BLOCKED');
  await assert.rejects(a.request('claimKeyPackages', { account: idBytes(bob.account) }), coded('BLOCKED'));
  const blob = { blob: new Uint8Array(16).fill(1), size: 10, recipient: idBytes(bob.account) };
  await assert.rejects(a.request('blobCreate', blob), coded('BLOCKED'));
  await block(anna, true, true);
  a.submit(new Outbox(60).found(anna, bob));
  assert.equal((await a.accepted.next())?.presence, 'offline');
  assert.deepEqual(
    (await b.ask('listBlocks', {}, 'blocks')).accounts.map(({ quiet }) => quiet),
    [true],
  );
  // blocksMax is 2 here.
  await block(await stand.register('pest.one'));
  await assert.rejects(block(await stand.register('pest.two')), coded('QUOTA_EXCEEDED'));
  await block(anna, false);
  assert.equal((await b.ask('listBlocks', {}, 'blocks')).accounts.length, 1);
});

test('anybody attached makes invites, a few a day, that really work', async () => {
  const askedMs = Date.now();
  const invite = await a.ask('createInvite', { uses: 0, hours: 0 }, 'invite');
  assert.equal(invite.uses, 1);
  const madeMs = invite.expiresMs - 24 * 3_600_000;
  assert.ok(askedMs <= madeMs && madeMs <= Date.now(), `${madeMs - askedMs}`);
  const client = await stand.connect();
  await client.register(await makePerson({ username: 'friend', server: client.fingerprint }), { invite: invite.code });
  client.close();
  await assert.rejects(a.request('createInvite', { uses: 101, hours: 1 }), coded('TOO_LARGE'));
  await a.ask('createInvite', { uses: 100, hours: 720 }, 'invite');
  await assert.rejects(a.request('createInvite', { uses: 1, hours: 1 }), coded('RATE_LIMITED'));
});

test('on a server with open registration unansweredPerDay messages go to people who never wrote back; one more is refused', async () => {
  const nowMs = Math.floor(Date.now() / 86_400_000) * 86_400_000 + 43_200_000;
  const clock = { wallMs: () => nowMs, monotonicMs: () => performance.now() };
  const flags = { registration: 'open', registrationPowBits: '1' };
  const unansweredPerDay = 3;
  const open = await makeStand({ flags, limits: { unansweredPerDay }, surroundings: { clock } });
  try {
    const [ida, jon, kim] = [await open.register('ida'), await open.register('jon'), await open.register('kim')];
    const [i, j] = [await open.attach(ida), await open.attach(jon)];
    const outbox = new Outbox();
    const founding = outbox.found(ida, jon);
    const submits = [founding];
    for (let count = 1; count < unansweredPerDay; count += 1)
      submits.push(outbox.message(founding.group, new Uint8Array([count])));
    for (const submit of submits) i.submit(submit);
    for (let count = 0; count < unansweredPerDay; count += 1) assert.ok(await i.accepted.next());
    const past = outbox.message(founding.group, new Uint8Array([9]));
    i.submit(past);
    const refused = await i.refused.next();
    assert.equal(refused?.error.code, 'UNANSWERED');
    // What was accepted is answered again, and another stranger counts together with the first.
    i.submit(submits.at(-1) ?? founding);
    assert.ok(await i.accepted.next());
    i.submit(outbox.found(ida, kim));
    assert.equal((await i.refused.next())?.error.code, 'UNANSWERED');
    // An answer ends it, for this one.
    j.submit(new Outbox().message(founding.group, new Uint8Array([1])));
    assert.ok(await j.accepted.next());
    i.submit({ ...past, submitNumber: past.submitNumber + 10, lowestUnresolved: past.submitNumber + 10 });
    assert.ok(await i.accepted.next());
    for (const client of [i, j]) client.close();
  } finally {
    await open.stop();
  }
});

test('on a server with open registration presence is for contacts alone', async () => {
  let laterMs = 0;
  const open = await makeStand({
    flags: { registration: 'open', registrationPowBits: '1' },
    limits: { newRecipientsPerDay: 1 },
    surroundings: { clock: { wallMs: () => Date.now(), monotonicMs: () => performance.now() + laterMs } },
  });
  try {
    const join = async (username: string) => {
      const client = await open.connect();
      const person = await makePerson({ username, server: client.fingerprint });
      const { challenge, powBits } = await client.ask('challenge', {}, 'challenge');
      await client.register(person, { challenge, powNonce: await proofOfWork.solve(challenge, powBits) });
      await client.login(username, person.password);
      await client.attach(person);
      return { client, person };
    };
    const [ida, jon] = [await join('ida'), await join('jon')];
    const seen = async () =>
      (await ida.client.ask('getPresence', { account: idBytes(jon.person.account) }, 'presence')).presence;
    assert.equal(await seen(), presences.unknown);
    const outbox = new Outbox();
    const founding = outbox.found(ida.person, jon.person);
    ida.client.submit(founding);
    assert.equal((await ida.client.accepted.next())?.presence, 'unknown');
    jon.client.submit(new Outbox().message(founding.group, new Uint8Array([1])));
    await jon.client.accepted.next();
    // What is known of contacts is kept for some seconds.
    laterMs += 10_000;
    assert.equal(await seen(), presences.online);
    // newRecipientsPerDay is 1 here: people who did not ask for it hear from one new account a day.
    const kim = await join('kim');
    ida.client.submit(outbox.found(ida.person, kim.person));
    assert.equal((await ida.client.refused.next())?.error.code, 'RATE_LIMITED');
    for (const { client } of [ida, jon, kim]) client.close();
  } finally {
    await open.stop();
  }
});
