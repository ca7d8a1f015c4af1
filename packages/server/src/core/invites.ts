/** Invites: a code of 16 random bytes; the server keeps its hash, the uses left and the end. */
import type { Limits } from '@securechat/wire';
import { fromBase64url } from '@securechat/wire';
import type { RecordWrite } from '../stores/port.ts';
import type { Decision } from './decision.ts';
import { accept, refuse } from './decision.ts';
import type { DayCount, InviteRecord, Versioned } from './records.ts';
import { countToday, encodeRecord, untilTomorrowMs } from './records.ts';

export const INVITE_BYTES = 16;
export const FIRST_INVITE = { uses: 5, hours: 24 } as const;
const DEFAULT = { uses: 1, hours: 24 } as const;
const HOUR_MS = 3_600_000;

/** The bytes of a code; undefined for what can be none. */
export function inviteBytes(code: string): Uint8Array | undefined {
  try {
    const bytes = fromBase64url(code);
    return bytes.length === INVITE_BYTES ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** The write that takes one use, or nothing when the invite is unknown, used up or over. */
export function useInvite(
  key: string,
  invite: Versioned<InviteRecord> | undefined,
  nowMs: number,
): RecordWrite | undefined {
  if (invite === undefined || invite.value.usesLeft < 1 || nowMs >= invite.value.expiresMs) return undefined;
  const usesLeft = invite.value.usesLeft - 1;
  const { expiresMs } = invite.value;
  const value = usesLeft === 0 ? null : encodeRecord('invite', { usesLeft, expiresMs });
  return { space: 'invite', key, ifVersion: invite.version, value, expiresMs };
}

export interface InviteFacts {
  readonly registration: 'invite' | 'open' | 'closed';
  /** A new code and the hash it is stored by. */
  readonly code: string;
  readonly hash: string;
  readonly counterKey: string;
  readonly made: Versioned<DayCount> | undefined;
}

export interface InviteMade {
  readonly code: string;
  readonly expiresMs: number;
  readonly uses: number;
}

/** 0 uses or hours = the default, 1 use in 24 hours. */
export function decideInvite(
  wanted: { readonly uses: number; readonly hours: number },
  facts: InviteFacts,
  limits: Limits,
  nowMs: number,
): Decision<InviteMade> {
  if (facts.registration === 'closed') return refuse('REGISTRATION_CLOSED');
  const uses = wanted.uses === 0 ? DEFAULT.uses : wanted.uses;
  const hours = wanted.hours === 0 ? DEFAULT.hours : wanted.hours;
  if (uses > limits.inviteUsesMax || hours > limits.inviteHoursMax) return refuse('TOO_LARGE');
  const made = countToday(facts.made?.value, nowMs, limits.invitesPerDay);
  if (made === undefined) return refuse('RATE_LIMITED', { retryAfterMs: untilTomorrowMs(nowMs) });
  const { write, answer } = newInvite(facts, { uses, hours }, nowMs);
  return accept(answer, [
    write,
    {
      space: 'counter',
      key: facts.counterKey,
      ifVersion: facts.made?.version ?? 0,
      value: encodeRecord('counter', made),
      expiresMs: nowMs + 48 * HOUR_MS,
    },
  ]);
}

/** The record of an invite that nobody's quota pays for: the operator's, and the first. */
export function newInvite(
  fresh: { readonly code: string; readonly hash: string },
  { uses, hours }: { readonly uses: number; readonly hours: number },
  nowMs: number,
): { readonly write: RecordWrite; readonly answer: InviteMade } {
  const expiresMs = nowMs + hours * HOUR_MS;
  const value = encodeRecord('invite', { usesLeft: uses, expiresMs });
  return {
    write: { space: 'invite', key: fresh.hash, ifVersion: 0, value, expiresMs },
    answer: { code: fresh.code, expiresMs, uses },
  };
}
