import { SecureChatError } from '@securechat/client';
import type { Client, MessageState, SendOptions } from '@securechat/client';
import { jsonLine } from '../json-line.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { sentenceOfCode } from '../sentence.ts';

export interface SendOnce {
  readonly to: string;
  readonly text: string;
  readonly options: SendOptions;
  /** How long a message that is only queued may wait for the server; undefined: not at all. */
  readonly timeoutMs: number | undefined;
  readonly json: boolean;
}

export interface Output {
  /** Resolves when the line has left this process. Never, when nobody reads any more: the program ends then. */
  readonly write: (line: string) => Promise<void>;
  readonly complain: (line: string) => void;
}

/** `securechat send`: one message by a client that is logged in. Resolves with the exit code; refusals reject. */
export async function sendOnce(
  client: Pick<Client, 'events' | 'send'>,
  { to, text, options, timeoutMs, json }: SendOnce,
  output: Output,
): Promise<number> {
  if (to.startsWith('#')) throw new SecureChatError('NOT_SUPPORTED');
  const events = client.events();
  const { id, state, recipient } = await client.send(to, text, options);
  const settled = state === 'queued' && timeoutMs !== undefined ? await leftTheQueue(events, id, timeoutMs) : { state };
  await events.return?.();
  if (json)
    await output.write(jsonLine({ v: 1, id, state: settled.state, ...(settled.code && { code: settled.code }) }));
  if (settled.state === 'failed') {
    output.complain(sentenceOfCode(settled.code ?? 'INTERNAL'));
    return exitCodeOf(settled.code ?? 'INTERNAL');
  }
  if (settled.state === 'queued') {
    output.complain(
      'The server cannot be reached. The message is queued in the profile and goes out at the next login.',
    );
    return timeoutMs === undefined ? exitCodes.unreachable : exitCodes.timeout;
  }
  if (recipient === 'offline') {
    output.complain('User is offline. Your message will be delivered, encrypted, when they return.');
  }
  return exitCodes.ok;
}

type Settled = { readonly state: MessageState; readonly code?: Parameters<typeof exitCodeOf>[0] };

async function leftTheQueue(events: ReturnType<Client['events']>, id: string, timeoutMs: number): Promise<Settled> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), timeoutMs);
  try {
    for (;;) {
      const next = await Promise.race([events.next(), late.promise]);
      if (next === undefined || next.done === true) return { state: 'queued' };
      const event = next.value;
      if (event.kind === 'state' && event.id === id && event.state !== 'queued') {
        return { state: event.state, ...(event.code !== undefined && { code: event.code }) };
      }
    }
  } finally {
    clearTimeout(timer);
  }
}
