/**
 * A server that lies about the mailbox, against two real engines. What it may achieve is a visible gap; never a message
 * shown twice, one that nobody wrote, or a loss that nobody sees.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@securechat/crypto';
import type { control, Deliver, GroupId, MailboxSeq } from '@securechat/wire';
import { codes, control as codec, idBytes, idOf, limits, SecureChatError } from '@securechat/wire';
import { OfficeLink } from './doubles/post-office.ts';
import type { Actor, Play } from './doubles/play.ts';
import { on, until } from './doubles/play.ts';

const settle = (ms = 60) => new Promise((resolve) => setTimeout(resolve, ms));

/** The device of an actor as the server holds it. */
function deviceOf({ office }: Play, actor: Actor) {
  const device = office.devices.get(actor.record.device);
  assert.ok(device !== undefined);
  return device;
}

/** Delivers rows as they are, with whatever numbers they have. */
function deliver(play: Play, actor: Actor, ...rows: readonly Deliver[]): void {
  for (const row of rows)
    deviceOf(play, actor).link?.tell((events) => events.onDeliver({ ...row, payload: row.payload.slice() }));
}

async function shows(actor: Actor, texts: readonly string[]): Promise<void> {
  await until(
    () => actor.texts.length >= texts.length,
    () => `${actor.name} shows ${actor.texts.join()} and not ${texts.join()}; gaps ${actor.gaps.join()}`,
  );
  assert.deepEqual(actor.texts, texts);
}

/** Alice and Bob in a conversation of one message; what is delivered to Bob from here on is kept. */
async function talking(play: Play): Promise<Deliver[]> {
  await play.alice.sender.send('bob', 'first', {});
  await shows(play.bob, ['first']);
  const rows: Deliver[] = [];
  play.office.tamper = (row) => {
    rows.push(row);
    return [row];
  };
  return rows;
}

test('a row that comes twice, or again under a new number, is shown once and is no gap', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    office.tamper = (row) => [row, row, row];
    await alice.sender.send('bob', 'second', {});
    await shows(bob, ['first', 'second']);
    await settle();
    assert.deepEqual(bob.texts, ['first', 'second']);
    assert.deepEqual(bob.gaps, []);
  }));

test('the rows of the founding, replayed after everything, change nothing', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    const rows: Deliver[] = [];
    office.tamper = (row) => {
      rows.push(row);
      return [row];
    };
    await alice.sender.send('bob', 'first', {});
    await bob.sender.send('alice', 'answer', {});
    await shows(alice, ['answer']);
    const before = bob.engine.ledger.conversation('alice').lineage;
    for (const row of rows.filter(({ kind }) => kind === 'invitation' || kind === 'message'))
      office.put(deviceOf(play, bob), row);
    await settle(200);
    await alice.sender.send('bob', 'second', {});
    await shows(bob, ['first', 'second']);
    const after = bob.engine.ledger.conversation('alice').lineage;
    assert.deepEqual(
      after.map(({ group, state }) => [group, state]),
      before.map(({ group, state }) => [group, state]),
    );
  }));

test('a hole in the numbers, and a number that goes back, show a gap and no message twice', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    const rows = await talking(play);
    office.tamper = (row) => {
      rows.push(row);
      return [];
    };
    for (const text of ['one', 'two', 'three']) await alice.sender.send('bob', text, {});
    const next = deviceOf(play, bob).next;
    const [one, two, three] = rows.map((row, at) => ({ ...row, seq: (next + at) as MailboxSeq }));
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    deliver(play, bob, { ...one, seq: (next + 5) as MailboxSeq });
    await until(
      () => bob.gaps.length > 0,
      () => 'a gap',
    );
    // Old numbers are over: what comes under them is not read, and its place in the chain shows that it is missing.
    deliver(play, bob, { ...two, seq: (next + 2) as MailboxSeq });
    deliver(play, bob, { ...three, seq: (next + 6) as MailboxSeq });
    await shows(bob, ['first', 'one', 'three']);
    await until(
      () => bob.gaps.length === 2,
      () => `two gaps: ${bob.gaps.join()}`,
    );
    assert.deepEqual(new Set(bob.gaps), new Set(['GAP']));
  }));

test('a dropped message is a gap as soon as the next one comes', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    office.tamper = () => [];
    await alice.sender.send('bob', 'lost', {});
    office.tamper = (row) => [row];
    await alice.sender.send('bob', 'here', {});
    await shows(bob, ['first', 'here']);
    assert.deepEqual(bob.gaps, ['GAP']);
    const gap = bob.events.find(({ kind }) => kind === 'gap');
    assert.deepEqual(gap, { kind: 'gap', conversation: '@alice', missing: 1, code: 'GAP' });
  }));

test('messages in another order are shown once each, with a gap in between', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    const held: Deliver[] = [];
    office.tamper = (row) => {
      held.push(row);
      return [];
    };
    for (const text of ['one', 'two', 'three']) await alice.sender.send('bob', text, {});
    for (const row of held.toReversed()) office.put(deviceOf(play, bob), row);
    await shows(bob, ['first', 'three', 'two', 'one']);
    assert.deepEqual(bob.gaps, ['GAP']);
  }));

test('a message that is moved to another group is not read there', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    const foreign = idOf<GroupId>(new Uint8Array(16).fill(0xee));
    office.tamper = (row) => [{ ...row, group: foreign }];
    await alice.sender.send('bob', 'elsewhere', {});
    await until(
      () => bob.engine.ledger.parked.size === 1,
      () => 'it is parked: its invitation may still come',
    );
    office.tamper = (row) => [row];
    await alice.sender.send('bob', 'here', {});
    await shows(bob, ['first', 'here']);
    // Its chain number is missing where it was written.
    assert.deepEqual(bob.gaps, ['GAP']);
  }));

test('bytes changed anywhere in a message or an invitation are a gap, and what is whole is read', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    let damages = 0;
    const damaged = (row: Deliver, at: number): Deliver => {
      const payload = row.payload.slice();
      payload[at % payload.length] = (payload[at % payload.length] ?? 0) ^ 0x40;
      return { ...row, payload };
    };
    office.tamper = (row) => {
      damages += 1;
      const places = [0, 7, 40, 90, row.payload.length >> 1, row.payload.length - 1];
      return [...places.map((at) => damaged(row, at)), row];
    };
    await alice.sender.send('bob', 'second', {});
    await shows(bob, ['first', 'second']);
    assert.ok(damages > 0);
    assert.ok(bob.gaps.every((code) => code === 'UNDECRYPTABLE') && bob.gaps.length >= 5, bob.gaps.join());
    assert.deepEqual(alice.gaps, []);
  }));

test('an invitation with changed bytes is refused; the whole one behind it is taken', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    office.tamper = (row) => {
      if (row.kind !== 'invitation') return [row];
      const places = [0, 1, 30, 200, 700, row.payload.length >> 1, row.payload.length - 1];
      const damaged = places.map((at) => {
        const payload = row.payload.slice();
        payload[at] = (payload[at] ?? 0) ^ 1;
        return { ...row, payload };
      });
      return [...damaged, row];
    };
    await alice.sender.send('bob', 'first', {});
    await shows(bob, ['first']);
    assert.equal(bob.gaps.length, 7);
    assert.equal(bob.engine.ledger.conversation('alice').lineage.length, 1);
  }));

test('rows that no client writes are gaps and stop nothing', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    const group = bob.engine.ledger.conversation('alice').lineage[0]?.group;
    assert.ok(group !== undefined);
    const bob1 = deviceOf(play, bob);
    const row = (kind: Deliver['kind'], payload: Uint8Array): Deliver => ({
      seq: 0 as MailboxSeq,
      kind,
      group,
      storedAtMs: 2 ** 52,
      payload,
    });
    const kinds = ['message', 'commit', 'invitation', 'bounce', 'resync', 'expired'] as const;
    const junk = [
      new Uint8Array(0),
      new Uint8Array(1).fill(0xff),
      new Uint8Array(200).fill(0xff),
      sha256(new Uint8Array(1)),
    ];
    for (const kind of kinds) for (const payload of junk) office.put(bob1, row(kind, payload));
    // Larger than anything that may be sent.
    for (const kind of kinds) office.put(bob1, row(kind, new Uint8Array(300_000)));
    await alice.sender.send('bob', 'second', {});
    await shows(bob, ['first', 'second']);
    assert.equal(bob.engine.connection, 'online');
    assert.ok(bob.gaps.length >= 20, String(bob.gaps.length));
  }));

test('a flood before the attach is stored ends that connection, and the next one is heard', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    const honest = office.open.bind(office);
    let floods = 0;
    office.open = (device, events) => {
      const link = honest(device, events);
      const attach = link.attach.bind(link);
      link.attach = async (options) => {
        const answer = await attach(options);
        floods += 1;
        const value = { account: new Uint8Array(16), presence: 1 };
        if (floods === 1) for (let at = 0; at < 5000; at += 1) events.onEvent({ body: { $case: 'presence', value } });
        return answer;
      };
      return link;
    };
    await bob.engine.stop();
    const from = bob.events.length;
    await bob.start();
    await until(
      () => bob.events.slice(from).some((event) => event.kind === 'connection' && event.state === 'offline'),
      () => 'the connection ends',
    );
    await until(
      () => floods > 1 && bob.engine.connection === 'online',
      () => 'online again',
    );
    await alice.sender.send('bob', 'second', {});
    await shows(bob, ['first', 'second']);
  }));

test('a row whose reading fails for a reason that passes is kept, and read at the next attach', () =>
  on(async (play) => {
    const { alice, bob } = play;
    await talking(play);
    const { people } = bob.engine;
    const honest = people.bundle.bind(people);
    people.bundle = () => Promise.reject(new SecureChatError('CERTIFICATE_REJECTED'));
    await alice.sender.send('bob', 'second', {});
    await until(
      () => bob.engine.ledger.parked.size > 0,
      () => 'parked',
    );
    people.bundle = () => Promise.reject(new TypeError('a bug'));
    await alice.sender.send('bob', 'third', {});
    await until(
      () => bob.engine.ledger.parked.size > 1,
      () => 'parked as well',
    );
    // Acknowledged, because it is on disk.
    assert.equal(deviceOf(play, bob).rows.length, 0);
    assert.deepEqual(bob.gaps, []);
    people.bundle = honest;
    await bob.crash();
    await shows(bob, ['first', 'second', 'third']);
    assert.equal(bob.engine.ledger.parked.size, 0);
    assert.deepEqual(bob.gaps, []);
  }));

test('more rows than the window allows end the connection, and the memory stays bounded', () =>
  on(async (play) => {
    const { alice, bob } = play;
    const rows = await talking(play);
    await alice.sender.send('bob', 'second', {});
    await shows(bob, ['first', 'second']);
    const [row] = rows;
    assert.ok(row !== undefined);
    const from = bob.events.length;
    const flood = limits.deliverRowsInFlightMax.value + 1;
    const { link } = deviceOf(play, bob);
    link?.tell((events) => {
      for (let at = 0; at < flood; at += 1) events.onDeliver({ ...row, seq: (1000 + at) as MailboxSeq });
    });
    await until(
      () => bob.events.slice(from).some((event) => event.kind === 'connection' && event.state === 'offline'),
      () => 'the connection ends',
    );
  }));

test('a bounce of an accepted message shows it as failed; one of an unknown id is nothing', () =>
  on(async (play) => {
    const { alice, office } = play;
    await talking(play);
    const { id } = await alice.sender.send('bob', 'second', {});
    const submit = office.submitted.at(-1);
    assert.ok(submit !== undefined);
    const bounce = (submitId: Uint8Array): Deliver => {
      const payload = codec.Bounce.encode({ id: submitId, code: codes.RECIPIENT_RESET.number }).finish();
      return { seq: 0 as MailboxSeq, kind: 'bounce', group: submit.group, storedAtMs: 0, payload };
    };
    office.put(deviceOf(play, alice), bounce(new Uint8Array(16).fill(9)));
    office.put(deviceOf(play, alice), bounce(idBytes(submit.id)));
    office.put(deviceOf(play, alice), bounce(idBytes(submit.id)));
    const failed = () => alice.events.filter((event) => event.kind === 'state' && event.state === 'failed');
    await until(
      () => failed().length > 0,
      () => 'failed',
    );
    await settle();
    assert.deepEqual(failed(), [{ kind: 'state', id, conversation: '@bob', state: 'failed', code: 'RECIPIENT_RESET' }]);
  }));

test('a bounce instead of an acceptance fails the message, and what follows goes out', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    office.mishap = (submit) => {
      office.mishap = () => 'none';
      const payload = codec.Bounce.encode({ id: idBytes(submit.id), code: codes.RECIPIENT_RESET.number }).finish();
      office.put(deviceOf(play, alice), {
        seq: 0 as MailboxSeq,
        kind: 'bounce',
        group: submit.group,
        storedAtMs: 0,
        payload,
      });
      return 'lost';
    };
    await assert.rejects(alice.sender.send('bob', 'second', {}), { code: 'RECIPIENT_RESET' });
    await until(
      () => alice.engine.connection === 'online',
      () => 'online again',
    );
    await alice.sender.send('bob', 'third', {});
    await shows(bob, ['first', 'third']);
    assert.equal(alice.engine.unsent, 0);
  }));

test('a message that was called refused and delivered all the same is shown once, and nothing is lost', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    const rows: Deliver[] = [];
    office.mishap = (submit) => {
      rows.push({
        seq: 0 as MailboxSeq,
        kind: 'message',
        group: submit.group,
        storedAtMs: 0,
        payload: submit.payload,
      });
      office.mishap = () => 'none';
      return new SecureChatError('BLOCKED');
    };
    await assert.rejects(alice.sender.send('bob', 'refused', {}), { code: 'BLOCKED' });
    for (const row of rows) office.put(deviceOf(play, bob), row);
    await alice.sender.send('bob', 'next', {});
    await shows(bob, ['first', 'refused', 'next']);
  }));

test('EPOCH_STALE for a message that was stored: encrypted again, it is still shown once', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    office.mishap = (submit) => {
      office.mishap = () => 'none';
      const row: Deliver = {
        seq: 0 as MailboxSeq,
        kind: 'message',
        group: submit.group,
        storedAtMs: 0,
        payload: submit.payload,
      };
      office.put(deviceOf(play, bob), row);
      return new SecureChatError('EPOCH_STALE', { epoch: submit.epoch });
    };
    await alice.sender.send('bob', 'second', {});
    await alice.sender.send('bob', 'third', {});
    await shows(bob, ['first', 'second', 'third']);
    await settle();
    assert.deepEqual(bob.texts, ['first', 'second', 'third']);
  }));

// ---- what the server says at attach

/** From the next attach on, `change` decides what the server answers. */
function atAttach(play: Play, change: (answer: control.Attached) => control.Attached): void {
  play.office.open = (device, events) => {
    const link = new OfficeLink(play.office, device, events);
    const attach = link.attach.bind(link);
    link.attach = async (options) => change(await attach(options));
    return link;
  };
}

test('a server put back to an older mailbox is noticed, and nothing new is taken for old', () =>
  on(async (play) => {
    const { alice, bob } = play;
    await talking(play);
    await alice.sender.send('bob', 'second', {});
    await shows(bob, ['first', 'second']);
    const cursor = bob.engine.ledger.cursor;
    assert.ok(cursor >= 2);
    atAttach(play, (answer) => ({ ...answer, mailboxNext: 2 }));
    deviceOf(play, bob).next = 2;
    await bob.engine.stop();
    await bob.start();
    assert.equal(bob.engine.ledger.cursor, 1);
    assert.deepEqual(
      bob.events.filter(({ kind }) => kind === 'gap'),
      [{ kind: 'gap', conversation: '', missing: cursor - 1, code: 'GAP' }],
    );
    await alice.sender.send('bob', 'third', {});
    await shows(bob, ['first', 'second', 'third']);
  }));

test('a hole in a conversation is shown, although the power fails as the message behind it is stored', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    office.tamper = () => [];
    await alice.sender.send('bob', 'second', {});
    office.tamper = (row) => [row];
    bob.store.cutAfter = { commits: bob.store.commits + 1, applied: true };
    const off = Promise.withResolvers<void>();
    const cut = bob.store.onCut;
    bob.store.onCut = () => (cut(), off.resolve());
    await alice.sender.send('bob', 'third', {});
    await off.promise;
    await bob.crash();
    assert.deepEqual(await bob.history('alice'), ['first', 'third']);
    assert.ok(
      bob.events.some((event) => event.kind === 'gap' && event.conversation === '@alice' && event.missing === 1),
    );
  }));

test('a server that forgot accepted messages is noticed: they are shown as failed', () =>
  on(async (play) => {
    const { alice, office } = play;
    await talking(play);
    office.tamper = () => [];
    const { id, state } = await alice.sender.send('bob', 'second', {});
    assert.equal(state, 'sent');
    const failures = () => alice.events.filter((event) => event.kind === 'state' && event.state === 'failed');
    for (const [submitNumberHighest, count] of [
      [2, 0],
      [1, 1],
    ] as const) {
      atAttach(play, (answer) => ({ ...answer, submitNumberHighest }));
      await alice.engine.stop();
      await alice.start();
      assert.equal(failures().length, count);
    }
    assert.deepEqual(failures(), [{ kind: 'state', id, conversation: '@bob', state: 'failed', code: 'EXPIRED' }]);
  }));

test('numbers that no server reaches are refused, and use up none of ours', () =>
  on(async (play) => {
    const { alice } = play;
    await talking(play);
    const { submitNumber } = alice.engine.ledger.counters;
    for (const lie of [{ submitNumberHighest: 2 ** 53 - 1 }, { mailboxNext: 2 ** 53 - 1 }]) {
      atAttach(play, (answer) => ({ ...answer, ...lie }));
      await alice.engine.stop();
      assert.equal(await alice.start(), 'MALFORMED');
      assert.equal(alice.engine.ledger.counters.submitNumber, submitNumber);
    }
  }));

test('rows that are announced and never come hold nothing back for long', () =>
  on(async (play) => {
    const { alice, bob } = play;
    await talking(play);
    // With the claim that this is an old copy of a profile, where the wait is short.
    const lie = { submitNumberHighest: 100 };
    deviceOf(play, alice).submitHighest = 100;
    atAttach(play, (answer) => ({ ...answer, ...lie, mailboxNext: answer.mailboxNext + 3 }));
    await alice.engine.stop();
    assert.equal(await alice.start(), undefined);
    await until(
      () => alice.gaps.length > 0,
      () => 'a gap',
    );
    assert.deepEqual(alice.gaps, ['GAP']);
    await alice.sender.send('bob', 'second', {});
    await shows(bob, ['first', 'second']);
  }));

test('events without end cost a look-up and a refill a second, not one each', () =>
  on(async (play) => {
    const { alice, bob, office } = play;
    await talking(play);
    office.requests.length = 0;
    const { account } = bob.record;
    deviceOf(play, alice).link?.tell((events) => {
      for (let at = 0; at < 5000; at += 1) {
        events.onEvent({ body: { $case: 'keysChanged', value: { account: idBytes(account) } } });
        events.onEvent({ body: { $case: 'stock', value: { left: 0 } } });
      }
    });
    const startMs = performance.now();
    await settle(1500);
    await until(
      () => office.requests.length > 0,
      () => 'a look-up',
    );
    const most = 10 + ((performance.now() - startMs) / 1000) * 7;
    assert.ok(office.requests.length < most, `${office.requests.length} requests`);
    assert.ok(alice.engine.ledger.keyPackages.size < 100, `${alice.engine.ledger.keyPackages.size} key packages`);
  }));
