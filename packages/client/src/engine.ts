/** What a simulation puts together instead of `connect.ts`: the engine of an open account over other ports. */
export type { ClientEvent } from './api.ts';
export type { AccountRecord } from './core/record-account.ts';
export { messageRecord } from './core/record-message.ts';
export type { MessageRecord } from './core/record-message.ts';
export { outboxRecord } from './core/record-outbox.ts';
export { sendingGroup } from './core/lineage.ts';
export { certifyAccount, certifyDevice, recoverySigning } from './shell/device-keys.ts';
export { Engine } from './shell/engine.ts';
export type { EngineOptions, Resumption } from './shell/engine.ts';
export { freshId } from './shell/fresh-id.ts';
export { initialChanges, Ledger } from './shell/ledger.ts';
export type { Link, LinkEvents, RequestKind, RequestValue } from './shell/link-port.ts';
export type { NewKeys } from './shell/new-identity.ts';
export { resetIdentity } from './shell/new-identity.ts';
export { queueCommit } from './shell/queue.ts';
export { Requests } from './shell/requests.ts';
export { Sender } from './shell/send.ts';
export type { ClientStore, Collection, StoreChange } from './stores/port.ts';
