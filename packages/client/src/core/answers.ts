/** What a refused submit means for its sender (docs/protocol/delivery.md, "Submit"): one table, read in one place. */
import type { Code } from '@securechat/wire';

/**
 * - `later`: nothing is wrong with it; the same bytes go out again under a fresh submit number, after a pause.
 * - `next`: the one before it was refused; the same bytes again, once that one is settled.
 * - `epoch`: the group moved on; encrypt again when the commit has been read.
 * - `superseded`, `slot`, `devices`: this group is over; encrypt again in the one that counts now, or found it.
 * - `rolled-back`: the server knows a later submit of this device.
 * - `ended`: this connection has no say any more; what happened to the submit is unknown.
 * - `never`: the message is given up, with the code.
 */
export type Verdict =
  'later' | 'next' | 'epoch' | 'superseded' | 'slot' | 'devices' | 'rolled-back' | 'ended' | 'never';

const verdicts: Partial<Readonly<Record<Code, Verdict>>> = {
  RATE_LIMITED: 'later',
  BUSY: 'later',
  STORAGE_FULL: 'later',
  TIMEOUT: 'later',
  INTERNAL: 'later',
  SHUTTING_DOWN: 'ended',
  CONNECTION_LOST: 'ended',
  SESSION_REPLACED: 'ended',
  DEVICE_REVOKED: 'ended',
  ACCOUNT_DISABLED: 'ended',
  NOT_AUTHENTICATED: 'ended',
  PREDECESSOR_REFUSED: 'next',
  EPOCH_STALE: 'epoch',
  GROUP_SUPERSEDED: 'superseded',
  SLOT_TAKEN: 'slot',
  DEVICES_CHANGED: 'devices',
  NOT_A_MEMBER: 'devices',
  NO_SUCH_GROUP: 'devices',
  STATE_ROLLED_BACK: 'rolled-back',
};

export function verdictOf(code: Code): Verdict {
  return verdicts[code] ?? 'never';
}

/**
 * Codes of look-ups and claims that say nothing about the person: try again later. Anything else that comes back from
 * preparing a conversation is an answer, and the messages waiting for it fail with it.
 */
const passing: ReadonlySet<Code> = new Set<Code>([
  'RATE_LIMITED',
  'BUSY',
  'STORAGE_FULL',
  'SHUTTING_DOWN',
  'TIMEOUT',
  'INTERNAL',
  'CONNECTION_LOST',
  'UNREACHABLE',
  'NOT_AUTHENTICATED',
  'SESSION_REPLACED',
  'DEVICE_REVOKED',
  'ACCOUNT_DISABLED',
  'VERSION_CONFLICT',
  'PROFILE_UNWRITABLE',
  'OUTCOME_UNKNOWN',
]);

export function isPassing(code: Code): boolean {
  return passing.has(code);
}

/** Codes that end the session of this device for good (until a person logs in again). */
const endings: ReadonlySet<Code> = new Set<Code>(['SESSION_REPLACED', 'DEVICE_REVOKED', 'ACCOUNT_DISABLED']);

export function isEnding(code: Code): boolean {
  return endings.has(code);
}
