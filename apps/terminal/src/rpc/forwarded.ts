/**
 * Both ends of a forwarded account: the process that has it open answers JSON-RPC from another process of the same owner,
 * which drives it as if it were a client of its own.
 */
import { isCode, SecureChatError } from '@securechat/client';
import type { Client, ClientEvent, ForwardedLines } from '@securechat/client';
import { jsonLine } from '../json-line.ts';
import type { InputLine } from '../input-lines.ts';
import { serveRpc } from './serve.ts';

/** The holder's side: until the other process leaves. Who is logged in stays the holder's own business. */
export async function serveForwarded(client: Client, lines: ForwardedLines): Promise<void> {
  await serveRpc(
    { client, sendOptions: {}, forwarded: true },
    {
      lines: received(lines),
      write: (line) => {
        lines.send(line);
        return Promise.resolve();
      },
    },
  );
  lines.close();
}

async function* received(lines: ForwardedLines): AsyncGenerator<InputLine, undefined> {
  const queue: string[] = [];
  let closed = false;
  let wake = Promise.withResolvers<void>();
  lines.onLine((line) => {
    queue.push(line);
    wake.resolve();
  });
  lines.onClose(() => {
    closed = true;
    wake.resolve();
  });
  for (;;) {
    for (let text = queue.shift(); text !== undefined; text = queue.shift()) yield { kind: 'line', text };
    if (closed) return undefined;
    await wake.promise;
    wake = Promise.withResolvers<void>();
  }
}

/** What `send` and `listen` need of a client. */
export type ForwardedClient = Pick<Client, 'events' | 'send' | 'history' | 'markRead' | 'close'>;

/** The other side. Events are those the holder tells; when it ends, they end with CONNECTION_LOST. */
export function forwardedClient(lines: ForwardedLines): ForwardedClient {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const listeners = new Set<(event: ClientEvent | undefined) => void>();
  let last = 0;
  let closed = false;
  lines.onLine((line) => {
    const { id, method, params, result, error } = JSON.parse(line) as Reply;
    if (method !== undefined) {
      for (const listener of listeners) listener(eventOf(method, params ?? {}));
      return;
    }
    const request = waiting.get(id ?? 0);
    waiting.delete(id ?? 0);
    if (error === undefined) request?.resolve(result);
    else request?.reject(new SecureChatError(isCode(error.data?.code) ? error.data.code : 'INTERNAL'));
  });
  lines.onClose(() => {
    closed = true;
    for (const request of waiting.values()) request.reject(new SecureChatError('CONNECTION_LOST'));
    waiting.clear();
    for (const listener of listeners) {
      listener({ kind: 'loggedOut', code: 'CONNECTION_LOST', reason: '' });
      listener(undefined);
    }
  });
  const ask = async (method: string, params: object): Promise<unknown> => {
    if (closed) throw new SecureChatError('CONNECTION_LOST');
    const request = Promise.withResolvers<unknown>();
    waiting.set(++last, request);
    lines.send(jsonLine({ jsonrpc: '2.0', id: last, method, params }));
    return request.promise;
  };
  return {
    events: () => eventQueue(listeners),
    send: (to, text, options = {}) => ask('send', { to, text, ...options }) as ReturnType<Client['send']>,
    history: async (query) =>
      ((await ask('history', query)) as { messages: Awaited<ReturnType<Client['history']>> }).messages,
    // The person reads at the holder; what is printed here as well says nothing about that.
    markRead: () => Promise.resolve(),
    close: () => {
      closed = true;
      lines.close();
      return Promise.resolve();
    },
  };
}

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
  readonly error?: { readonly data?: { readonly code?: unknown } };
}

/** The opposite of `notificationOf`. */
function eventOf(method: string, params: Readonly<Record<string, unknown>>): ClientEvent {
  if (method === 'message') return { kind: 'message', message: { own: false, ...params } } as unknown as ClientEvent;
  return { kind: method, ...params } as unknown as ClientEvent;
}

async function* eventQueue(
  listeners: Set<(event: ClientEvent | undefined) => void>,
): AsyncGenerator<ClientEvent, undefined> {
  const queue: (ClientEvent | undefined)[] = [];
  let wake = Promise.withResolvers<void>();
  const listener = (event: ClientEvent | undefined): void => {
    queue.push(event);
    wake.resolve();
  };
  listeners.add(listener);
  try {
    for (;;) {
      while (queue.length > 0) {
        const event = queue.shift();
        if (event === undefined) return undefined;
        yield event;
      }
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  } finally {
    listeners.delete(listener);
  }
}
