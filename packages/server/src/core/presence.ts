/** Presence: who may know whether somebody is connected, and when a change is told. */
import type { Presence } from '@securechat/wire';

export interface PresenceFacts {
  /** At least one device of the account is attached. */
  readonly attached: boolean;
  /** The account blocks the one who asks. */
  readonly blocks: boolean;
  /** On a server with open registration only contacts may know. */
  readonly contactsOnly: boolean;
  /** Both have written to each other. */
  readonly contact: boolean;
  /** The account exists. */
  readonly exists: boolean;
}

export function presenceOf(facts: PresenceFacts): Presence {
  if (facts.contactsOnly && !facts.contact) return 'unknown';
  if (!facts.exists) return 'unknown';
  return facts.attached && !facts.blocks ? 'online' : 'offline';
}

export const PRESENCE_DELAY_MS_MAX = 5000;
export const PRESENCE_PERIOD_MS = 10_000;
export const WATCHED_MAX = 1000;

/**
 * When a change of an account is told: after a random part of 5 s, so that times of coming and going blur, and at most
 * once in 10 s.
 */
export function tellAtMs(input: {
  readonly nowMs: number;
  readonly toldMs: number | undefined;
  /** 0 <= random < 1 */
  readonly random: number;
}): number {
  const soon = input.nowMs + Math.floor(input.random * PRESENCE_DELAY_MS_MAX);
  return input.toldMs === undefined ? soon : Math.max(soon, input.toldMs + PRESENCE_PERIOD_MS);
}
