/** One request frame to one reply: decoded, allowed in this state, rated, run. */
import type { Frame } from '@securechat/wire';
import { control, decodeMessage, SecureChatError } from '@securechat/wire';
import { operations } from '../operations.ts';
import { StoreError } from '../stores/port.ts';
import type { Call, Caller, Reply, RequestBody, RequestKind, RequestValue, Runnable } from './execute.ts';
import { failure, refusalOf, UnknownOutcome } from './execute.ts';
import { allows } from './link/link-state.ts';
import type { ServerParts } from './parts.ts';

export interface Asking {
  readonly server: ServerParts;
  readonly caller: Caller;
  /** Undefined: spent. Otherwise the milliseconds until there is enough. */
  readonly spend: (cost: number) => number | undefined;
}

export interface Served {
  readonly reply: Reply;
  /** The bytes made no sense: counts towards `protocolErrorsMax`. */
  readonly malformed: boolean;
  /** It asks more than it may: milliseconds until there is enough for this. */
  readonly overMs?: number | undefined;
}

export async function serveRequest(frame: Frame, asking: Asking): Promise<Served> {
  const { server } = asking;
  let what = 'unreadable';
  let overMs: number | undefined;
  try {
    const { body } = decodeMessage(control.Request, frame.body);
    if (frame.request === 0) throw new SecureChatError('MALFORMED');
    // Whatever is refused for another reason is paid for as well.
    overMs = asking.spend(body === undefined ? 1 : operations[body.$case].cost);
    if (overMs !== undefined) throw new SecureChatError('RATE_LIMITED', { retryAfterMs: overMs });
    if (body === undefined) throw new SecureChatError('NOT_SUPPORTED');
    what = body.$case;
    const startedMs = server.clock.monotonicMs();
    const reply = await run(body, asking);
    server.log.debug('request', { request: what, ms: Math.round(server.clock.monotonicMs() - startedMs) });
    return { reply, malformed: false };
  } catch (error) {
    if (error instanceof UnknownOutcome || (error instanceof StoreError && error.outcome === 'unknown')) {
      server.log.error('outcome of a request unknown', { request: what, cause: error });
      return { reply: { kind: 'close' }, malformed: false };
    }
    const refusal = refusalOf(error, server, what);
    return { reply: failure(refusal), malformed: refusal.code === 'MALFORMED', overMs };
  }
}

async function run<K extends RequestKind>(body: Extract<RequestBody, { $case: K }>, asking: Asking): Promise<Reply> {
  const { server, caller } = asking;
  const row = operations[body.$case] as unknown as Runnable<K>;
  if (!allows(row.when, caller.state)) {
    // Between the halves of an attach only the second half may come; whoever says something else does not know it.
    if (caller.state.kind === 'attaching') return { kind: 'close' };
    throw new SecureChatError(caller.state.kind === 'attached' ? 'NOT_ALLOWED' : 'NOT_AUTHENTICATED');
  }
  const call: Call<K> = {
    request: body.value as RequestValue<K>,
    caller,
    server,
    nowMs: server.clock.wallMs(),
  };
  return row.run(call);
}
