// Goal: what was on its way to the old device does not reach the new one. Method: a disk that is full while others write,
// and new keys before it is tried again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemEntropy } from '@securechat/crypto';
import type { DeviceId } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { freshId } from '../src/shell/fresh-id.ts';
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
