/** A Client whose answers are written by the test: the SDK's interface, no network, no keys. */
import { SecureChatError } from '@securechat/client';
import type { Client, ClientEvent, Contact, Message, SendResult } from '@securechat/client';

export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

type Overrides = Partial<{ [K in keyof Client]: Client[K] }>;

export interface Scripted {
  readonly client: Client;
  readonly calls: Call[];
  emit(event: ClientEvent): void;
  /** Calls of one method, arguments only. */
  of(method: keyof Client): readonly (readonly unknown[])[];
}

export function messageFrom(from: string, text: string, id = `${from}-${text}`): Message {
  return { id, conversation: `@${from}`, from, text, at: '2026-11-22T10:00:00.000Z', own: false };
}

export function scriptedClient(overrides: Overrides = {}): Scripted {
  const calls: Call[] = [];
  const queues = new Set<Queue>();
  let username: string | null = null;
  let sent = 0;
  const fingerprint = `sha256:${'A'.repeat(43)}` as Awaited<ReturnType<Client['resetKeys']>>['fingerprint'];
  const contacts: Contact[] = [];

  const answers: Client = {
    events: () => {
      const queue = new Queue(() => queues.delete(queue));
      queues.add(queue);
      return queue;
    },
    registration: () => Promise.resolve('invite'),
    register: (account) => {
      username = account.username;
      return Promise.resolve({
        account: 'account-1',
        device: 'device-1',
        fingerprint,
        recoveryWords: 'one two three four five six seven eight nine ten eleven twelve',
      });
    },
    login: (account) => {
      username = account.username;
      return Promise.resolve({ account: 'account-1', device: 'device-1', username: account.username, unread: [] });
    },
    hasProfile: () => Promise.resolve(true),
    logout: () => {
      if (username === null) return Promise.reject(new SecureChatError('NOT_LOGGED_IN'));
      username = null;
      return Promise.resolve();
    },
    deleteAccount: () => Promise.resolve(),
    send: () => Promise.resolve<SendResult>({ id: `m${++sent}`, state: 'sent', recipient: 'online' }),
    resend: (id) => Promise.resolve<SendResult>({ id, state: 'sent', recipient: 'online' }),
    history: () => Promise.resolve([]),
    markRead: () => Promise.resolve(),
    presence: () => Promise.resolve('online'),
    contacts: () => Promise.resolve(contacts),
    block: () => Promise.resolve(),
    unblock: () => Promise.resolve(),
    safetyNumber: () => Promise.resolve({ safetyNumber: '12345 67890', verified: false }),
    verify: (_user, number) => Promise.resolve({ safetyNumber: '12345 67890', verified: number === '1234567890' }),
    resetKeys: () => Promise.resolve({ fingerprint }),
    invite: (options) =>
      Promise.resolve({
        code: 'CODE',
        link: 'securechat:ws://h:1?invite=CODE',
        expiresAt: '2026-11-23T10:00:00.000Z',
        uses: options?.uses ?? 1,
      }),
    sendFile: () => Promise.resolve({ id: 'f1' }),
    acceptFile: () => Promise.resolve(),
    declineFile: () => Promise.resolve(),
    status: () =>
      Promise.resolve({
        connection: 'online',
        server: 'ws://127.0.0.1:4200',
        serverFingerprint: fingerprint,
        account: username === null ? null : 'account-1',
        username,
        device: username === null ? null : 'device-1',
        deviceEnds: username === null ? null : '2099-01-01T00:00:00.000Z',
        fingerprint: username === null ? null : fingerprint,
        unsent: 0,
      }),
    close: () => {
      for (const queue of queues) queue.end();
      return Promise.resolve();
    },
    ...overrides,
  };
  const client = new Proxy(answers, {
    get: (target, name: keyof Client) => {
      const answer = target[name] as ((...args: unknown[]) => unknown) | undefined;
      if (typeof answer !== 'function') return answer;
      return (...args: unknown[]) => {
        if (name !== 'events') calls.push({ method: name, args });
        return answer.apply(target, args);
      };
    },
  });
  return {
    client,
    calls,
    emit: (event) => {
      for (const queue of queues) queue.push(event);
    },
    of: (method) => calls.filter((call) => call.method === method).map(({ args }) => args),
  };
}

class Queue implements AsyncIterableIterator<ClientEvent> {
  #events: ClientEvent[] = [];
  #waiting: ((result: IteratorResult<ClientEvent>) => void)[] = [];
  #ended = false;
  readonly #onEnd: () => void;
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }
  push(event: ClientEvent): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#events.push(event);
    else waiting({ done: false, value: event });
  }
  end(): void {
    this.#ended = true;
    this.#onEnd();
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }
  next(): Promise<IteratorResult<ClientEvent>> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
  return(): Promise<IteratorResult<ClientEvent>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }
  [Symbol.asyncIterator](): this {
    return this;
  }
}
