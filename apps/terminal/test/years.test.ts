/**
 * Goal: an account outlives the certificate of its device, through a real server. Method: one process with both, its clock
 * moved by years; the server is started again each time, as a server of that age was.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { examineProfile } from '@securechat/client';
import { openPeopledStand, PASSWORD } from './client-stand.ts';
import type { Person, Stand } from './client-stand.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const realNow = Date.now;

afterEach(() => {
  Date.now = realNow;
});

/** Days after the accounts were made: logins renew from 550 on, and the first certificates end after 730. */
async function at(stand: Stand, days: number): Promise<void> {
  Date.now = () => realNow() + days * DAY_MS;
  await stand.restart();
}

async function enter(stand: Stand, name: 'alice' | 'bob'): Promise<Person> {
  const person = await stand.client(name);
  await person.client.login({ username: name, password: PASSWORD });
  return person;
}

async function says(from: Person, to: Person, text: string): Promise<void> {
  assert.equal((await from.client.send(to.name, text)).state, 'sent');
  await to.heard('message', ({ message }) => message.text === text);
}

async function daysLeft({ client }: Person): Promise<number> {
  return Math.round((Date.parse((await client.status()).deviceEnds ?? '') - Date.now()) / DAY_MS);
}

function changes({ events }: Person): string[] {
  const kinds = events.map(({ kind }) => kind);
  return kinds.filter((kind) => kind === 'keyChanged' || kind === 'newDevice' || kind === 'gap');
}

test('logins renew the certificate of a device: after its first end everything is as before', async () => {
  const stand = await openPeopledStand();
  try {
    const day = async (days: number): Promise<readonly [Person, Person]> => {
      await at(stand, days);
      return [await enter(stand, 'alice'), await enter(stand, 'bob')];
    };
    const close = (people: readonly Person[]) => Promise.all(people.map(({ client }) => client.close()));

    let [alice, bob] = await day(0);
    await says(alice, bob, 'in the first year');
    const { safetyNumber } = await alice.client.safetyNumber('bob');
    await alice.client.verify('bob', safetyNumber);
    await close([alice, bob]);

    [alice, bob] = await day(540);
    assert.equal(await daysLeft(alice), 190, 'not yet');
    await close([alice, bob]);

    [alice, bob] = await day(600);
    assert.deepEqual([await daysLeft(alice), await daysLeft(bob)], [730, 730]);
    await says(bob, alice, 'renewed');
    await close([alice, bob]);

    [alice, bob] = await day(760);
    await says(alice, bob, 'after the first end');
    await says(bob, alice, 'and back');
    assert.deepEqual(await alice.client.safetyNumber('bob'), { safetyNumber, verified: true });
    assert.deepEqual([...changes(alice), ...changes(bob)], []);
    await close([alice, bob]);
  } finally {
    await stand.close();
  }
});

test('doctor says until when a device is certified, and from 60 days before, that something is to be done', async () => {
  const stand = await openPeopledStand();
  try {
    const account = { server: stand.address('ws'), username: 'alice', password: PASSWORD };
    const told = async (days: number) => {
      const nowMs = realNow() + days * DAY_MS;
      const found = await examineProfile({ profileDirectory: join(stand.folder, 'alice'), nowMs, account });
      return found.find(({ text }) => text.startsWith('This device is certified until'));
    };
    assert.equal((await told(600))?.level, 'ok');
    assert.equal((await told(669))?.level, 'ok');
    const soon = await told(671);
    assert.deepEqual([soon?.level, soon?.todo], ['finding', 'Log in while the server can be reached: that renews it.']);
    assert.equal((await told(800))?.level, 'finding');
  } finally {
    await stand.close();
  }
});

test('a device that was away for three years is renewed by its first login, and read by those who knew the old one', async () => {
  const stand = await openPeopledStand();
  try {
    const [alice, bob] = await stand.pair();
    await says(alice, bob, 'see you');
    await Promise.all([alice.client.close(), bob.client.close()]);
    await at(stand, 3 * 365);
    const later = [await enter(stand, 'alice'), await enter(stand, 'bob')] as const;
    assert.deepEqual([await daysLeft(later[0]), await daysLeft(later[1])], [730, 730]);
    await says(later[1], later[0], 'I am back');
    await says(later[0], later[1], 'so am I');
    assert.deepEqual([...changes(later[0]), ...changes(later[1])], []);
    await Promise.all(later.map(({ client }) => client.close()));
  } finally {
    await stand.close();
  }
});

test('a client whose certificate ended while it ran says so, and a key reset gives it a new one', async () => {
  const stand = await openPeopledStand();
  try {
    const [alice, bob] = await stand.pair();
    await says(alice, bob, 'see you');
    await bob.client.close();
    Date.now = () => realNow() + 800 * DAY_MS;
    await assert.rejects(alice.client.send('bob', 'unheard'), { code: 'CERTIFICATE_REJECTED' });
    assert.equal(await daysLeft(alice), -70);
    await alice.client.resetKeys();
    assert.equal(await daysLeft(alice), 730);
    const before = alice.events.length;
    await stand.restart();
    await alice.heard('connection', ({ state }) => state === 'online', before);
    const back = await enter(stand, 'bob');
    await says(alice, back, 'under new keys');
    await back.heard('keyChanged', ({ user, verified }) => user === 'alice' && !verified);
    await says(back, alice, 'seen');
    // The password opens the vault of the new identity as well.
    await alice.client.close();
    await at(stand, 800 + 600);
    const again = await enter(stand, 'alice');
    assert.equal(await daysLeft(again), 730);
    await Promise.all([again.client.close(), back.client.close()]);
  } finally {
    await stand.close();
  }
});
