// Goal: what was on its way to or from the old device is not taken for the new one's. Method: what a full disk kept waiting,
// tried again after new keys.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemEntropy } from '@securechat/crypto';
import type { DeviceId } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { clientId, freshId } from '../src/shell/fresh-id.ts';
import { settleItems } from '../src/shell/send/settle.ts';
import { on, until } from './doubles/play.ts';

test('a row that waited for room on the disk is not read with the new keys', async () => {
  await on(async ({ alice, bob }) => {
    await alice.sender.send('bob', 'read', {});
    await until(
      () => bob.texts.length === 1,
      () => 'the first message',
    );

    const { store } = bob;
    const commit = store.commit.bind(store);
    let refused = 0;
    store.commit = () => {
      refused += 1;
      return Promise.reject(new SecureChatError('PROFILE_UNWRITABLE'));
    };
    await alice.sender.send('bob', 'waits', {});
    await until(
      () => refused > 0,
      () => 'a row that cannot be stored',
    );
    store.commit = commit;

    const { account } = bob.engine.ledger;
    const device = freshId<DeviceId>(systemEntropy);
    // The old private halves are wiped.
    const keys = { signing: account.signing.slice(), sealing: account.sealing.slice() };
    await bob.engine.ledger.commit([{ put: 'successor', value: { ...account, ...keys, device } }]);
    await bob.engine.changeOver();
    await bob.engine.inbox.idle();
    assert.equal(bob.engine.ledger.account.device, device);
    assert.deepEqual(bob.gaps, []);
    assert.equal(bob.engine.ledger.cursor, 0);
  });
});

test('an acceptance counts for the bytes that were accepted, not for what the row was encrypted into since', async () => {
  await on(async ({ office, bob }) => {
    const open = () => [...bob.engine.ledger.outbox.values()].filter(({ acceptedMs }) => acceptedMs === 0);
    office.mishap = () => 'lost';
    const sent = bob.sender.send('alice', 'with new keys', {});
    await until(
      () => open()[0]?.sealed !== undefined,
      () => 'a message that is encrypted and not accepted',
    );
    const [row] = open();
    assert.ok(row?.sealed);
    const { order } = row;

    const before = clientId(1, systemEntropy);
    await settleItems(bob.engine, 'alice', [{ order, id: before, presence: 'offline' }]);
    assert.equal(open().length, 1);
    assert.equal(bob.engine.unsent, 1);

    office.mishap = () => 'none';
    await sent;
    assert.equal(open().length, 0);
    assert.equal(bob.engine.unsent, 0);
  });
});
