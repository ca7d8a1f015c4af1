/**
 * Runs one request: loads the facts, decides (pure), writes with compare-and-set, applies, answers. Owns the retry of a
 * lost race, what errors of the store mean for people, and telemetry, for every operation alike.
 */
import type { Session } from '@securechat/session';
import type { AccountId, Code, control } from '@securechat/wire';
import { encodeFailure, idBytes, SecureChatError } from '@securechat/wire';
import type { Decision, Effect } from '../core/decision.ts';
import { StoreError } from '../stores/port.ts';
import type { LinkHandle } from './link/links.ts';
import type { LinkState, When } from './link/link-state.ts';
import type { ServerParts } from './parts.ts';
import type { ResumedDevice } from './link/take-resumption.ts';

export type RequestBody = NonNullable<control.Request['body']>;
export type RequestKind = RequestBody['$case'];
export type RequestValue<K extends RequestKind> = Extract<RequestBody, { $case: K }>['value'];
export type ResponseBody = NonNullable<control.Response['body']>;

/** What an operation knows of its connection. */
export interface Caller {
  readonly link: LinkHandle;
  readonly state: LinkState;
  /** For limits alone. */
  readonly address: string;
  /** `session.transcript` as it is now. */
  readonly transcript: Uint8Array;
  /** Set when the session stands on a resumption of this device. */
  readonly resumed: ResumedDevice | undefined;
}

export interface Call<K extends RequestKind> {
  readonly request: RequestValue<K>;
  readonly caller: Caller;
  readonly server: ServerParts;
  readonly nowMs: number;
}

/** Replaces the keys of the session; called between two records. */
export type Bind = (session: Session, nowMs: number) => void;

export type Reply =
  | {
      readonly kind: 'answer';
      readonly body: ResponseBody;
      readonly next?: LinkState;
      readonly bindBefore?: Bind;
      readonly bindAfter?: Bind;
      /** The connection ends after the answer, without a word. */
      readonly finish?: true;
      readonly effects?: readonly Effect[];
    }
  /** Nothing is answered; the link closes in its one way. */
  | { readonly kind: 'close' };

/** One row of the table of operations. */
export interface Operation<K extends RequestKind, Facts, Outcome> {
  readonly when: When;
  /** Tokens of the request bucket of its device. */
  readonly cost: number;
  readonly load: (call: Call<K>) => Promise<Facts> | Facts;
  /** Pure. */
  readonly decide: (call: Call<K>, facts: Facts) => Decision<Outcome>;
  readonly apply: (
    call: Call<K>,
    outcome: Outcome,
    facts: Facts,
  ) => Promise<Reply | ResponseBody> | Reply | ResponseBody;
}

/** A row with its types closed over. */
export interface Runnable<K extends RequestKind> {
  readonly when: When;
  readonly cost: number;
  readonly run: (call: Call<K>) => Promise<Reply>;
}

export function operation<K extends RequestKind, Facts, Outcome>(row: Operation<K, Facts, Outcome>): Runnable<K> {
  return { when: row.when, cost: row.cost, run: (call) => execute(row, call) };
}

/** Races lost in a row before the answer is VERSION_CONFLICT; also where the store refuses an id that is in use. */
const TRIES_MAX = 8;

async function execute<K extends RequestKind, Facts, Outcome>(
  row: Operation<K, Facts, Outcome>,
  call: Call<K>,
): Promise<Reply> {
  const { store, bus } = call.server;
  let wrote = false;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const facts = await row.load(call);
    const decision = row.decide(call, facts);
    if (decision.kind === 'refused') return failure(new SecureChatError(decision.code, decision.detail));
    if (decision.writes.length > 0 || decision.devices !== undefined) {
      const { ok, rows } = await store.put(decision.writes, decision.devices);
      if (!ok) continue;
      wrote = true;
      for (const appended of rows) bus.publish(appended);
    }
    const applied = await applyOnce(row, call, decision.answer, facts, wrote);
    const reply: Reply = 'kind' in applied ? applied : { kind: 'answer', body: applied };
    if (reply.kind === 'close' || decision.effects.length === 0) return reply;
    return { ...reply, effects: decision.effects };
  }
  return failure(new SecureChatError('VERSION_CONFLICT'));
}

/**
 * Nobody knows whether a request was done, or it was and the rest failed. A failure would say that it was not, and a
 * client that believes it throws away its new keys; a connection that ends makes it look.
 */
export class UnknownOutcome extends Error {
  override readonly name = 'UnknownOutcome';
}

async function applyOnce<K extends RequestKind, Facts, Outcome>(
  row: Operation<K, Facts, Outcome>,
  call: Call<K>,
  outcome: Outcome,
  facts: Facts,
  wrote: boolean,
): Promise<Reply | ResponseBody> {
  try {
    return await row.apply(call, outcome, facts);
  } catch (cause) {
    throw wrote ? new UnknownOutcome('written, and then this', { cause }) : cause;
  }
}

export function failure(error: SecureChatError): Reply {
  return { kind: 'answer', body: { $case: 'failure', value: encodeFailure(error) } };
}

/** What a thrown thing means for the other side; what is unexpected is logged here, once. */
export function refusalOf(error: unknown, server: Pick<ServerParts, 'log'>, what: string): SecureChatError {
  if (error instanceof SecureChatError) return error;
  if (error instanceof StoreError && error.code !== 'invalid' && error.code !== 'corrupt')
    return new SecureChatError(storeCodes[error.code], {}, { cause: error });
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC')
    return new SecureChatError('STORAGE_FULL', {}, { cause: error });
  server.log.error('request failed', { request: what, cause: error });
  return new SecureChatError('INTERNAL', {}, { cause: error });
}

const storeCodes = {
  full: 'STORAGE_FULL',
  unavailable: 'BUSY',
  closed: 'SHUTTING_DOWN',
  'schema-newer': 'INTERNAL',
  'in-use': 'INTERNAL',
} as const satisfies Record<Exclude<StoreError['code'], 'invalid' | 'corrupt'>, Code>;

/** After the answer is on its way. */
export async function runEffects(effects: readonly Effect[], own: LinkHandle, server: ServerParts): Promise<void> {
  for (const effect of effects)
    switch (effect.kind) {
      case 'end-devices':
        for (const link of server.links.claimedBy(({ device }) => effect.devices.includes(device)))
          // The one who asked knows already why it ends.
          if (link === own) link.finish();
          else link.end(effect.code);
        break;
      case 'keys-changed':
        await tellKeysChanged(effect.account, server, effect.contacts);
        break;
      case 'presence-changed':
        server.presences.changed(effect.account);
        break;
    }
}

async function tellKeysChanged(account: AccountId, server: ServerParts, known?: readonly AccountId[]): Promise<void> {
  const contacts = known ?? (await server.store.contacts(account));
  const links = new Set([
    ...server.presences.watchersOf(account),
    ...contacts.flatMap((one) => server.links.ofAccount(one)),
  ]);
  for (const link of links) link.event({ body: { $case: 'keysChanged', value: { account: idBytes(account) } } });
}
