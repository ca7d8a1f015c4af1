/** Somebody at another machine, with no more than a password and the recovery words: what a login makes of them. */
import type { AccountRecord, ClientStore, Link } from '@securechat/client/engine';
import {
  freshId,
  initialChanges,
  Ledger,
  publishDevice,
  recoverDevice,
  replaceDevice,
} from '@securechat/client/engine';
import type { Entropy } from '@securechat/crypto';
import { ed25519 } from '@securechat/crypto';
import type { MlsEngine } from '@securechat/e2ee';
import type { DeviceId } from '@securechat/wire';
import type { Person } from './people.ts';

interface Recovering {
  readonly person: Person;
  readonly link: Link;
  readonly store: ClientStore;
  /** Nothing is on this disk yet; else the device on it is one that the server does not know. */
  readonly empty: boolean;
  readonly mls: MlsEngine;
  readonly entropy: Entropy;
  readonly nowMs: number;
}

/** The new device is on the disk before it is published. Rejects with what kept it from either. */
export async function recover({ person, link, store, empty, mls, entropy, nowMs }: Recovering): Promise<void> {
  const { done } = await link.login(person.name, '');
  const device = {
    device: freshId<DeviceId>(entropy),
    signing: ed25519.generate(entropy),
    sealing: person.nextSealing,
  };
  const account: AccountRecord = await recoverDevice({
    link,
    done,
    username: person.name,
    recoveryEntropy: person.recoveryEntropy.slice(),
    device: Promise.resolve(device),
    nowMs,
    entropy,
  });
  if (empty) await store.commit(initialChanges(account));
  else await replaceDevice(await Ledger.open(store, mls), account);
  await publishDevice(link, account);
}
