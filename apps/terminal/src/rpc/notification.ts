import type { ClientEvent, Message } from '@securechat/client';

export interface Notification {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

type Event<K extends ClientEvent['kind']> = Extract<ClientEvent, { readonly kind: K }>;

/** An event as RPC and `listen --json` tell it: the names are public, so they are written out here one by one. */
export function notificationOf(event: ClientEvent): Notification {
  const row = rows[event.kind] as (event: ClientEvent) => Readonly<Record<string, unknown>>;
  return { method: event.kind, params: row(event) };
}

const rows: { readonly [K in ClientEvent['kind']]: (event: Event<K>) => Readonly<Record<string, unknown>> } = {
  message: ({ message }) => messageParams(message),
  state: ({ id, conversation, state, code }) => ({ id, conversation, state, ...(code !== undefined && { code }) }),
  fileOffer: ({ id, from, name, bytes }) => ({ id, from, name, bytes }),
  fileProgress: ({ id, bytes, of, direction }) => ({ id, bytes, of, direction }),
  fileAnswered: ({ id, user, name, accepted, code }) => ({
    id,
    user,
    name,
    accepted,
    ...(code !== undefined && { code }),
  }),
  fileDelivered: ({ id, user, name }) => ({ id, user, name }),
  fileReceived: ({ id, from, path, sha256 }) => ({ id, from, path, sha256 }),
  fileFailed: ({ id, user, name, code }) => ({ id, user, name, code }),
  presence: ({ user, online }) => ({ user, online }),
  keyChanged: ({ user, verified }) => ({ user, verified }),
  newDevice: ({ user }) => ({ user }),
  deviceEnds: ({ at, renewable }) => ({ at, renewable }),
  loggedOut: ({ code, reason }) => ({ code, reason }),
  connection: ({ state, code }) => ({ state, ...(code !== undefined && { code }) }),
  gap: ({ conversation, missing, code }) => ({ conversation, missing, code }),
  serverPinned: ({ fingerprint }) => ({ fingerprint }),
};

export function messageParams(message: Message): Readonly<Record<string, unknown>> {
  const { id, conversation, from, text, at, replyTo, own } = message;
  return { id, conversation, from, text, at, ...(replyTo !== undefined && { replyTo }), ...(own && { own }) };
}
