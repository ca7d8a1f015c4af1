/** What the server says unasked, on the connection of an open account. */
import type { AccountId, control } from '@securechat/wire';
import { idOf } from '@securechat/wire';
import { replenish } from './people/key-packages.ts';
import type { OpenAccount } from './open-account.ts';
import { presenceOf } from './people/presences.ts';

export function hear(account: OpenAccount, { body }: control.Event): void {
  switch (body?.$case) {
    case 'presence': {
      const user = account.ledger.userOfAccount(idOf<AccountId>(body.value.account));
      if (user !== undefined) account.presences.hear(user, presenceOf(body.value.presence));
      return;
    }
    case 'stock':
      return account.chores.once('stock', () => replenish(account, body.value.left, true));
    case 'keysChanged': {
      const user = account.ledger.userOfAccount(idOf<AccountId>(body.value.account));
      // What was written with the old keys is read first: newer keys would make it stale.
      if (user !== undefined)
        account.chores.once(`keys ${user}`, async () => {
          await account.inbox.rowsDone();
          await account.people.lookup(account, user);
        });
      return;
    }
    // Why the connection ends comes with its end.
    case 'loggedOut':
    case undefined:
      return;
  }
}
