/** The connection as a union of states: when to connect, how long to wait, when to stop. */
import type { Code } from '@securechat/wire';
import { isEnding } from './answers.ts';
import { RECONNECT_WANTED_MS_MAX, reconnectDelayMs } from './backoff.ts';
import type { Effect } from './effect.ts';
import { RETRY_AFTER_MS_MAX } from './lane.ts';

export type Connection =
  | { readonly kind: 'off' }
  | {
      readonly kind: 'waiting';
      readonly untilMs: number;
      readonly attempt: number;
      /** The server asked for it: who writes meanwhile waits as well. */
      readonly notBeforeMs?: number;
    }
  | { readonly kind: 'connecting'; readonly attempt: number }
  | { readonly kind: 'online'; readonly sinceMs: number; readonly attempt: number };

export type ConnectionEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'opened'; readonly nowMs: number }
  | {
      readonly kind: 'closed';
      readonly code: Code;
      /** What the server asks for before the next try. */
      readonly retryAfterMs?: number | undefined;
      readonly nowMs: number;
      readonly random: number;
    }
  /** Something is to be sent. */
  | { readonly kind: 'wanted'; readonly nowMs: number; readonly random: number }
  | { readonly kind: 'tick'; readonly nowMs: number };

/** A connection that held this long was a good one: the next wait starts from the first step again. */
export const STEADY_MS = 20_000;

export interface ConnectionStep {
  readonly connection: Connection;
  readonly effects: readonly Effect[];
}

export function updateConnection(connection: Connection, event: ConnectionEvent): ConnectionStep {
  switch (event.kind) {
    case 'start':
      return connection.kind === 'off' ? connectNow(0) : { connection, effects: [] };
    case 'stop':
      return { connection: { kind: 'off' }, effects: connection.kind === 'off' ? [] : [{ kind: 'disconnect' }] };
    case 'opened': {
      if (connection.kind !== 'connecting') return { connection, effects: [] };
      const online: Connection = { kind: 'online', sinceMs: event.nowMs, attempt: connection.attempt };
      return { connection: online, effects: [{ kind: 'show-connection', state: 'online', code: undefined }] };
    }
    case 'closed':
      return closed(connection, event);
    case 'wanted': {
      if (connection.kind !== 'waiting') return { connection, effects: [] };
      const soonMs = event.nowMs + Math.ceil(event.random * RECONNECT_WANTED_MS_MAX);
      const untilMs = Math.max(connection.notBeforeMs ?? 0, Math.min(connection.untilMs, soonMs));
      return { connection: { ...connection, untilMs }, effects: [] };
    }
    case 'tick':
      if (connection.kind !== 'waiting' || event.nowMs < connection.untilMs) return { connection, effects: [] };
      return connectNow(connection.attempt);
  }
}

function closed(connection: Connection, event: Extract<ConnectionEvent, { kind: 'closed' }>): ConnectionStep {
  if (connection.kind === 'off' || connection.kind === 'waiting') return { connection, effects: [] };
  if (isEnding(event.code)) return { connection: { kind: 'off' }, effects: [{ kind: 'end', code: event.code }] };
  const steady = connection.kind === 'online' && event.nowMs - connection.sinceMs >= STEADY_MS;
  const attempt = steady ? 0 : connection.attempt;
  const askedMs = Math.min(event.retryAfterMs ?? 0, RETRY_AFTER_MS_MAX);
  const notBeforeMs = event.nowMs + askedMs;
  const untilMs = notBeforeMs + reconnectDelayMs(attempt, event.random);
  return {
    connection: { kind: 'waiting', untilMs, attempt: attempt + 1, ...(askedMs > 0 && { notBeforeMs }) },
    effects: [{ kind: 'show-connection', state: 'offline', code: event.code }],
  };
}

function connectNow(attempt: number): ConnectionStep {
  return {
    connection: { kind: 'connecting', attempt },
    effects: [{ kind: 'show-connection', state: 'connecting', code: undefined }, { kind: 'connect' }],
  };
}
