/** The one table of operations: a row per kind of request (packages/wire/proto, `Request`). */
import * as account from './operations/account.ts';
import * as attach from './operations/attach.ts';
import * as files from './operations/files.ts';
import * as login from './operations/login.ts';
import * as people from './operations/people.ts';
import * as registration from './operations/registration.ts';
import type { RequestKind, Runnable } from './shell/execute.ts';

export const operations: { readonly [K in RequestKind]: Runnable<K> } = {
  challenge: registration.challenge,
  registerStart: registration.registerStart,
  registerFinish: registration.registerFinish,
  loginStart: login.loginStart,
  loginFinish: login.loginFinish,
  attach: attach.attach,
  attachConfirm: attach.attachConfirm,
  detach: attach.detach,
  getVault: account.getVault,
  putVault: account.putVault,
  publishDevices: account.publishDevices,
  resetKeys: account.resetKeys,
  deleteAccount: account.deleteAccount,
  lookup: people.lookup,
  claimKeyPackages: people.claimKeyPackages,
  putKeyPackages: people.putKeyPackages,
  getPresence: people.getPresence,
  watchPresence: people.watchPresence,
  block: people.block,
  listBlocks: people.listBlocks,
  createInvite: people.createInvite,
  blobCreate: files.blobCreate,
  blobPut: files.blobPut,
  blobFinish: files.blobFinish,
  blobGet: files.blobGet,
  blobRemove: files.blobRemove,
};
