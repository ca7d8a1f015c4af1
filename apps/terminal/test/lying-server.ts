/**
 * The real server with a layer of lies: answers of its operations, its store and its events in the hands of a test. The
 * client meets it over real sockets, in a session that the server's own keys opened.
 */
import type { LinkHandle, Reply, RequestKind, ResponseBody, ServerParts } from '@securechat/server/parts';
import { failure, operations } from '@securechat/server/parts';
import { SecureChatError } from '@securechat/client';
import type { Stand } from './client-stand.ts';
import { openStand } from './client-stand.ts';

/** What an honest answer becomes. Undefined: it stays. */
type Lie = (honest: ResponseBody, request: unknown, link: LinkHandle) => ResponseBody | SecureChatError | undefined;
type Row = { run: (call: { server: ServerParts; caller: { link: LinkHandle }; request: unknown }) => Promise<Reply> };
const table = operations as unknown as Record<RequestKind, Row>;

export interface Liar {
  readonly stand: Stand;
  /** Requests served, by kind. */
  readonly requests: RequestKind[];
  /** The parts of the server as its last request met them: its store can be changed in place. */
  parts(): ServerParts;
  /** The connections that asked for something, newest last. */
  readonly links: LinkHandle[];
  lie<K extends RequestKind>(kind: K, lie: Lie): void;
  /** One answer to every request there is. */
  refuseAll(error: SecureChatError): void;
  honest(): void;
}

/** Runs a play against a server that can be told to lie; afterwards the operations are what they were. */
export async function withLiar(play: (liar: Liar) => Promise<void>, config = {}): Promise<void> {
  const kinds = Object.keys(table) as RequestKind[];
  const before = new Map(kinds.map((kind) => [kind, table[kind].run]));
  const lies = new Map<RequestKind, Lie>();
  const requests: RequestKind[] = [];
  const links: LinkHandle[] = [];
  let parts: ServerParts | undefined;
  for (const kind of kinds) {
    const honest = before.get(kind);
    if (honest === undefined) continue;
    table[kind].run = async (call) => {
      requests.push(kind);
      parts = call.server;
      if (!links.includes(call.caller.link)) links.push(call.caller.link);
      const reply = await honest(call);
      const lie = lies.get(kind);
      if (reply.kind !== 'answer' || lie === undefined) return reply;
      const told = lie(reply.body, call.request, call.caller.link);
      if (told instanceof SecureChatError) return failure(told);
      return told === undefined ? reply : { ...reply, body: told };
    };
  }
  const stand = await openStand(config);
  try {
    await play({
      stand,
      requests,
      links,
      parts() {
        if (parts === undefined) throw new Error('Nobody has asked for anything yet.');
        return parts;
      },
      lie: (kind, lie) => void lies.set(kind, lie),
      refuseAll(error) {
        for (const kind of kinds) lies.set(kind, () => error);
      },
      honest: () => lies.clear(),
    });
  } finally {
    for (const [kind, run] of before) table[kind].run = run;
    await stand.close();
  }
}

/** The same answer with other values. */
export function changed(body: ResponseBody, change: object): ResponseBody {
  return { ...body, value: { ...body.value, ...change } } as ResponseBody;
}

/** For `assert.rejects`: an error of ours with one of these codes. */
export const one =
  (...codes: string[]) =>
  (error: unknown): boolean => {
    if (!(error instanceof SecureChatError)) throw new Error(`not typed: ${String(error)}`, { cause: error });
    if (!codes.includes(error.code)) throw new Error(`refused with ${error.code}`, { cause: error });
    return true;
  };
