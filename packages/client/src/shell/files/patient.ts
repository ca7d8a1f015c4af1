/** Requests in a row: a rate limit is waited for, here and nowhere else, so that no transfer fails by its own speed. */
import { setTimeout as delay } from 'node:timers/promises';
import type { control } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { Link, RequestKind, RequestValue } from '../link/link-port.ts';

/** Parts of a file under way at once (docs/protocol/files.md). */
export const PARTS_IN_FLIGHT_MAX = 4;
const WAIT_MS_MIN = 50;
/** Whatever the server asks for: a file goes on within this, and a timer never overflows. */
const WAIT_MS_MAX = 60_000;

/**
 * `waits`: how often in a row this was put off before; each time at least twice as long. CONNECTION_LOST once the signal
 * says that nobody waits any more.
 */
export async function waitOut(error: unknown, waits: number, signal: AbortSignal | undefined): Promise<void> {
  const limited = error instanceof SecureChatError && (error.code === 'RATE_LIMITED' || error.code === 'BUSY');
  if (!limited) throw error;
  const least = WAIT_MS_MIN * 2 ** Math.min(waits, 16);
  const waitMs = Math.min(WAIT_MS_MAX, Math.max(least, error.detail.retryAfterMs ?? 0));
  await delay(waitMs, undefined, { signal }).catch((cause: unknown) => {
    throw new SecureChatError('CONNECTION_LOST', {}, { cause });
  });
}

export async function requestPatiently<K extends RequestKind>(
  link: Link,
  kind: K,
  value: RequestValue<K>,
  signal?: AbortSignal,
): Promise<NonNullable<control.Response['body']>> {
  for (let waits = 0; ; waits += 1) {
    try {
      return await link.request(kind, value);
    } catch (error) {
      await waitOut(error, waits, signal);
    }
  }
}
