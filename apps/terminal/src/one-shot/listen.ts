import type { Client, ClientEvent, LoggedIn, Message } from '@securechat/client';
import { formatBytes } from '../byte-size.ts';
import { jsonLine } from '../json-line.ts';
import { exitCodeOfLogout, exitCodes } from '../exit-codes.ts';
import { notificationOf } from '../rpc/notification.ts';
import { sanitizeLine, sanitizeText } from '../sanitize.ts';
import { sentenceOfCode } from '../sentence.ts';
import type { Output } from './send.ts';

/** Version of the shape of a line of `listen --json`. */
export const LISTEN_VERSION = 1;

/**
 * `securechat listen`: prints what arrives, beginning with what was unread, until the client is closed (exit code 0) or
 * logged out from elsewhere (5). What somebody took from standard output counts as read, so that the next `listen` goes on
 * behind it.
 */
export async function listen(
  client: Pick<Client, 'history' | 'markRead'>,
  events: AsyncIterable<ClientEvent>,
  unread: LoggedIn['unread'],
  json: boolean,
  output: Output,
): Promise<number> {
  const show = async (event: ClientEvent): Promise<void> => {
    if (event.kind === 'message' && event.message.own) return;
    if (json) {
      const { method, params } = notificationOf(event);
      await output.write(jsonLine({ v: LISTEN_VERSION, event: method, ...params }));
    } else {
      for (const line of plainLines(event)) await output.write(line);
      const warning = warningOf(event);
      if (warning !== undefined) output.complain(warning);
    }
    if (event.kind === 'message') await client.markRead(event.message.conversation).catch(() => undefined);
  };
  // What came between the start of the events and the login is in both.
  const twice = new Set<string>();
  for (const { user, count } of [...unread].reverse()) {
    for (const message of await unreadOf(client, user, count)) {
      twice.add(message.id);
      await show({ kind: 'message', message });
    }
  }
  for await (const event of events) {
    if (event.kind === 'message' && twice.delete(event.message.id)) continue;
    await show(event);
    if (event.kind === 'loggedOut') {
      output.complain(sentenceOfCode(event.code));
      return exitCodeOfLogout(event.code);
    }
  }
  return exitCodes.ok;
}

/** `@user: text`, further lines indented; other things that a person would want to know without JSON. */
function plainLines(event: ClientEvent): readonly string[] {
  switch (event.kind) {
    case 'message': {
      const [first = '', ...others] = sanitizeText(event.message.text).split('\n');
      return [`@${event.message.from}: ${first}`, ...others.map((line) => `  ${line}`)];
    }
    case 'fileReceived':
      return [`Received from ${event.from}: ${sanitizeLine(event.path)}`];
    default:
      return [];
  }
}

/** What must not go by unseen: on standard error, so that the messages can be piped on. */
function warningOf(event: ClientEvent): string | undefined {
  switch (event.kind) {
    case 'gap': {
      const whose = event.conversation === '' ? '' : ` of ${sanitizeLine(event.conversation)}`;
      const count = event.missing === 0 ? '' : `${event.missing} missing${whose}: `;
      return `${count}${sentenceOfCode(event.code)}`;
    }
    case 'fileOffer':
      return `${event.from} offers ${sanitizeLine(event.name)} (${formatBytes(event.bytes)}): accept it in the client.`;
    case 'keyChanged':
      return `The identity of ${event.user} changed${event.verified ? ', whom you had verified' : ''}.`;
    case 'fileFailed':
      return `${sanitizeLine(event.name)} (${event.user}): ${sentenceOfCode(event.code)}`;
    default:
      return undefined;
  }
}

const PAGE = 200;

/** The last `count` messages of a person, oldest first, own ones in between left out. */
async function unreadOf(client: Pick<Client, 'history'>, user: string, count: number): Promise<readonly Message[]> {
  const received: Message[] = [];
  let before: string | undefined;
  while (received.length < count) {
    const query = { with: `@${user}`, limit: PAGE, ...(before !== undefined && { before }) };
    const page = await client.history(query);
    received.unshift(...page.filter((message) => !message.own));
    before = page[0]?.id;
    if (page.length === 0 || before === undefined) break;
  }
  return received.slice(-count);
}
