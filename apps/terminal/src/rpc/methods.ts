import { SecureChatError } from '@securechat/client';
import type { Client, SendOptions } from '@securechat/client';
import { parseInviteLink } from '../invite-link.ts';
import { readParams } from './params.ts';
import type { ParamSchema, ParamsOf } from './params.ts';

/** What `securechat rpc` was started with and its methods need. */
export interface RpcContext {
  readonly client: Client;
  /** From `--online-only` and `--require-verified`: hold for every `send`. */
  readonly sendOptions: SendOptions;
  /** Asked by another process: methods that are `alone` are the holder's to call. */
  readonly forwarded?: boolean;
  /** After a registration or a login. */
  readonly onEntered?: () => Promise<void>;
}

export interface Method {
  /** Waits for everything before it, and everything after it waits: what it changes decides how the others end. */
  readonly alone: boolean;
  /** Starts the work in the same turn, so that sends keep the order of their lines. The sentence says what params lack. */
  readonly begin: (
    context: RpcContext,
    params: unknown,
  ) => { readonly work: Promise<unknown> } | { readonly wrong: string };
}

function method<S extends ParamSchema>(
  schema: S,
  run: (context: RpcContext, params: ParamsOf<S>) => Promise<unknown>,
  alone = false,
): Method {
  return {
    alone,
    begin: (context, given) => {
      const read = readParams(schema, given);
      return 'wrong' in read ? read : { work: run(context, read.params) };
    },
  };
}

const alone = true;
const text = { kind: 'text' } as const;
const user = { kind: 'user' } as const;
const target = { kind: 'target' } as const;
const optionalText = { kind: 'text', optional: true } as const;
const optionalCount = { kind: 'count', optional: true } as const;
const optionalFlag = { kind: 'flag', optional: true } as const;

/** Groups, and several devices, are named already so that scripts learn a code and not a misspelling. */
const later: Method = {
  alone: false,
  begin: () => ({ work: Promise.reject(new SecureChatError('NOT_SUPPORTED')) }),
};

export const methods: { readonly [name: string]: Method } = {
  register: method(
    { username: user, password: text, invite: optionalText },
    async ({ client, onEntered }, { username, password, invite }) => {
      const code = invite === undefined ? {} : { invite: parseInviteLink(invite)?.invite ?? invite };
      const made = await client.register({ username, password, ...code });
      await onEntered?.();
      const { account, device, fingerprint, recoveryWords } = made;
      return { account, device, fingerprint, recoveryWords };
    },
    alone,
  ),
  login: method(
    { username: user, password: text, recoveryWords: optionalText },
    async ({ client, onEntered }, { username, password, recoveryWords }) => {
      const words = recoveryWords === undefined ? {} : { recoveryWords };
      const { account, device, unread } = await client.login({ username, password, ...words });
      await onEntered?.();
      return { account, device, unread };
    },
    alone,
  ),
  logout: method({}, ({ client }) => client.logout().then(nothing), alone),
  deleteAccount: method(
    { username: user, confirm: { kind: 'true' } },
    ({ client }, { username }) => client.deleteAccount(username).then(nothing),
    alone,
  ),
  send: method(
    { to: target, text, replyTo: optionalText, onlineOnly: optionalFlag, requireVerified: optionalFlag },
    async ({ client, sendOptions }, params) => {
      const { replyTo, onlineOnly, requireVerified } = params;
      const { id, state, recipient } = await client.send(person(params.to), params.text, {
        ...(replyTo !== undefined && { replyTo }),
        ...((onlineOnly ?? sendOptions.onlineOnly) === true && { onlineOnly: true }),
        ...((requireVerified ?? sendOptions.requireVerified) === true && { requireVerified: true }),
      });
      return { id, state, recipient };
    },
  ),
  resend: method({ id: text }, async ({ client }, params) => {
    const { id, state } = await client.resend(params.id);
    return { id, state };
  }),
  presence: method({ user }, async ({ client }, params) => {
    const presence = await client.presence(params.user);
    return { user: params.user, online: presence === 'unknown' ? null : presence === 'online' };
  }),
  contacts: method({}, async ({ client }) => ({ contacts: await client.contacts() })),
  invite: method({ uses: optionalCount, hours: optionalCount }, async ({ client }, { uses, hours }) =>
    client.invite({ ...(uses !== undefined && { uses }), ...(hours !== undefined && { hours }) }),
  ),
  block: method({ user, quiet: optionalFlag }, ({ client }, params) =>
    client.block(params.user, { quiet: params.quiet === true }).then(nothing),
  ),
  unblock: method({ user }, ({ client }, params) => client.unblock(params.user).then(nothing)),
  resetKeys: method({ confirm: { kind: 'true' } }, ({ client }) => client.resetKeys(), alone),
  safetyNumber: method({ user }, ({ client }, params) => client.safetyNumber(params.user)),
  verify: method({ user, safetyNumber: text }, ({ client }, params) => client.verify(params.user, params.safetyNumber)),
  history: method({ with: target, before: optionalText, limit: optionalCount }, async ({ client }, params) => {
    const { before, limit } = params;
    const query = { ...(before !== undefined && { before }), ...(limit !== undefined && { limit }) };
    return { messages: await client.history({ with: person(params.with), ...query }) };
  }),
  markRead: method({ with: target }, ({ client }, params) => client.markRead(person(params.with)).then(nothing)),
  sendFile: method({ to: target, path: text }, async ({ client }, { to, path }) => {
    const { id } = await client.sendFile(person(to), path);
    return { id };
  }),
  acceptFile: method({ id: text, directory: optionalText }, ({ client }, { id, directory }) =>
    client.acceptFile(id, directory).then(nothing),
  ),
  declineFile: method({ id: text }, ({ client }, { id }) => client.declineFile(id).then(nothing)),
  devices: method({}, async ({ client }) => {
    const { device } = await client.status();
    if (device === null) throw new SecureChatError('NOT_LOGGED_IN');
    return { devices: [{ device, current: true }] };
  }),
  status: method({}, ({ client }) => client.status()),
  createGroup: later,
  addMembers: later,
  removeMember: later,
  leaveGroup: later,
  members: later,
  revokeDevice: later,
};

function person(to: string): string {
  if (to.startsWith('#')) throw new SecureChatError('NOT_SUPPORTED');
  return to;
}

function nothing(): Record<string, never> {
  return {};
}
