/** What is done for each effect of the core. */
import type { Effect, EffectKind, EffectOf } from '../core/effect.ts';
import type { OpenAccount } from './open-account.ts';
import { encryptItems, renumberItems, submitItem } from './send/deliver.ts';
import { foundGroup } from './send/found-group.ts';
import { prepareCommit } from './send/prepare-commit.ts';
import { failItem } from './send/settle.ts';
import type { Settling } from './send/settling.ts';
import { buryGroup, dropCommit, dropItem, forgetGroup } from './send/undo.ts';
import { stubbornly } from './stubborn.ts';

type Handlers = { readonly [K in EffectKind]: (effect: EffectOf<K>) => void };

/** Those of the connection and of the end of the session. */
export type ConnectionHandlers = Pick<Handlers, 'connect' | 'disconnect' | 'end'>;

/** One handler per kind: a new effect does not compile until it is handled. */
export function performer(
  account: OpenAccount,
  settling: Settling,
  connection: ConnectionHandlers,
): (effect: Effect) => void {
  const background = (work: () => Promise<void>): void => {
    if (!account.ended()) void work().catch(() => undefined);
  };
  const handlers: Handlers = {
    ...connection,
    reconnect: () => account.link()?.close(),
    'show-connection': ({ state, code }) =>
      account.emit({ kind: 'connection', state, ...(code !== undefined && { code }) }),
    encrypt: (effect) => background(() => encryptItems(account, effect)),
    found: (effect) => background(() => foundGroup(account, effect)),
    commit: (effect) => background(() => prepareCommit(account, effect)),
    renumber: (effect) => background(() => renumberItems(account, effect)),
    submit: (effect) => submitItem(account, effect),
    settle: ({ user, order, id }) =>
      settling.settle(user, { order, id, presence: account.presences.atAcceptance(user) }),
    fail: (effect) => stubbornly(account, () => failItem(account, effect)),
    drop: (effect) => stubbornly(account, () => dropItem(account, effect)),
    'forget-group': (effect) => stubbornly(account, () => forgetGroup(account, effect)),
    'bury-group': (effect) => stubbornly(account, () => buryGroup(account, effect)),
    'drop-commit': (effect) => stubbornly(account, () => dropCommit(account, effect)),
  };
  return (effect) => (handlers[effect.kind] as (effect: Effect) => void)(effect);
}
