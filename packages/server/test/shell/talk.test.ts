/** Goal: two devices register, log in, attach, talk and acknowledge over real sockets, on either transport. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { idOf } from '@securechat/wire';
import { Outbox } from '../client.ts';
import type { Stand } from '../stand.ts';
import { makeStand } from '../stand.ts';

let stand: Stand;
before(async () => {
  stand = await makeStand();
});
after(() => stand.stop());

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

for (const transport of ['ws', 'tcp'] as const)
  test(`register, log in, attach, submit, deliver and acknowledge over ${transport}`, async () => {
    const anna = await stand.register(`anna.${transport}`);
    const bob = await stand.register(`bob.${transport}`);
    const a = await stand.connect(transport);
    const done = await a.login(anna.username, anna.password);
    assert.equal(idOf(done.account), anna.account);
    const attached = await a.attach(anna);
    assert.equal(attached.generation, 1);
    assert.equal(attached.mailboxNext, 1);
    assert.equal(attached.registration, 'invite');

    // Bob is offline: the message waits.
    const outbox = new Outbox();
    const founding = outbox.found(anna, bob);
    a.submit(founding);
    const accepted = await a.accepted.next();
    assert.deepEqual(accepted, {
      id: founding.id,
      presence: 'offline',
      devices: [{ device: bob.device.device, state: 'stored' }],
    });
    const b = await stand.attach(bob, transport);
    assert.equal(text((await b.delivered.next())?.payload), 'invitation');
    const first = await b.delivered.next();
    assert.equal(text(first?.payload), 'first message');
    assert.equal(first?.seq, 2);

    // Now he is there: pushed as it is stored.
    a.submit(outbox.message(founding.group, utf8('second')));
    assert.equal((await a.accepted.next())?.presence, 'online');
    assert.deepEqual([3, 'second'], [...[await b.delivered.next()].flatMap((row) => [row?.seq, text(row?.payload)])]);
    b.ack(2);
    b.close();
    // What was acknowledged is gone, the rest comes again.
    const again = await stand.attach(bob, transport, 2);
    assert.equal(text((await again.delivered.next())?.payload), 'second');
    again.ack(3);
    a.close();
    again.close();
  });
