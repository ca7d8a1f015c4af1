import { SecureChatError } from '@securechat/client';
import type { ClientEvent } from '@securechat/client';
import { jsonLine } from '../json-line.ts';
import type { InputLine } from '../input-lines.ts';
import { asSecureChatError } from '../sentence.ts';
import type { RpcContext } from './methods.ts';
import { methods } from './methods.ts';
import {
  errorResponse,
  failureResponse,
  notText,
  parseRpcLine,
  resultResponse,
  rpcNumbers,
  tooLarge,
} from './json-rpc.ts';
import type { RpcItem, RpcRequest, RpcResponse } from './json-rpc.ts';
import { notificationOf } from './notification.ts';

/** The largest text (64 KiB) as JSON escapes (six bytes a character), and room around it. */
export const RPC_LINE_BYTES_MAX = 1024 * 1024;
/** Requests under way; beyond it the next line is read later, and the writer of standard input waits. */
const IN_FLIGHT_MAX = 256;

export interface RpcStreams {
  readonly lines: AsyncIterable<InputLine>;
  /** Resolves when there is room for more. */
  readonly write: (line: string) => Promise<void>;
}

/**
 * JSON-RPC until the input ends; resolves when everything open is answered. Requests run at
 * the same time and may be answered out of order; they begin in the order of their lines, which is the order of sends
 * within a conversation. Methods marked `alone` wait for those before them, and hold back those after them.
 */
export async function serveRpc(context: RpcContext, { lines, write }: RpcStreams): Promise<void> {
  const events = context.client.events();
  const notifying = notify(events, write);
  const inFlight = new Set<Promise<unknown>>();

  const open = new Set<Promise<void>>();
  for await (const line of lines) {
    if (line.kind !== 'line') {
      await write(jsonLine(line.kind === 'too-long' ? tooLarge(RPC_LINE_BYTES_MAX) : notText()));
      continue;
    }
    if (line.text.trim() === '') continue;
    const { batch, items } = parseRpcLine(line.text);
    const responses: Promise<RpcResponse | undefined>[] = [];
    for (const item of items) responses.push((await begin(context, item, inFlight)).response);
    const answered = Promise.all(responses).then(async (all) => {
      const present = all.filter((response) => response !== undefined);
      if (present.length > 0) await write(jsonLine(batch ? present : present[0]));
    });
    open.add(answered);
    void answered.finally(() => open.delete(answered));
  }
  await Promise.all(open);
  await events.return?.();
  await notifying;
}

/** Starts one request; resolves when the next may start, with the response that is to come. */
async function begin(
  context: RpcContext,
  item: RpcItem,
  inFlight: Set<Promise<unknown>>,
): Promise<{ readonly response: Promise<RpcResponse | undefined> }> {
  if (item.kind === 'invalid') return { response: Promise.resolve(item.response) };
  const alone = Object.hasOwn(methods, item.method) && methods[item.method]?.alone === true;
  if (alone) await Promise.all(inFlight);
  const response = carryOut(context, item);
  inFlight.add(response);
  void response.finally(() => inFlight.delete(response));
  if (alone) await response;
  else if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
  return { response };
}

/** Never rejects. undefined for a notification, whose failure nobody is told. */
async function carryOut(context: RpcContext, request: RpcRequest): Promise<RpcResponse | undefined> {
  const { id, method: name, params } = request;
  const answered = (response: RpcResponse): RpcResponse | undefined => (id === undefined ? undefined : response);
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) {
    const message = `There is no method ${jsonLine(name.slice(0, 60))}.`;
    return answered(errorResponse(id ?? null, rpcNumbers.methodNotFound, message, 'UNKNOWN_COMMAND'));
  }
  if (context.forwarded === true && method.alone) {
    return answered(failureResponse(id ?? null, new SecureChatError('NOT_ALLOWED')));
  }
  try {
    const begun = method.begin(context, params);
    if ('wrong' in begun) return answered(errorResponse(id ?? null, rpcNumbers.invalidParams, begun.wrong, 'USAGE'));
    return answered(resultResponse(id ?? null, await begun.work));
  } catch (error) {
    return answered(failureResponse(id ?? null, asSecureChatError(error)));
  }
}

async function notify(events: AsyncIterable<ClientEvent>, write: RpcStreams['write']): Promise<void> {
  for await (const event of events) await write(jsonLine({ jsonrpc: '2.0', ...notificationOf(event) }));
}
