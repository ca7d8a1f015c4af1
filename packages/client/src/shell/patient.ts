/** Requests in a row: a rate limit is waited for, here and nowhere else, so that no transfer fails by its own speed. */
import type { control } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { Link, RequestKind, RequestValue } from './link-port.ts';

/** Parts of a file under way at once (docs/protocol/files.md). */
export const PARTS_IN_FLIGHT_MAX = 4;
const WAIT_MS_MIN = 50;

export async function waitOut(error: unknown): Promise<void> {
  const limited = error instanceof SecureChatError && (error.code === 'RATE_LIMITED' || error.code === 'BUSY');
  if (!limited) throw error;
  const waitMs = Math.max(WAIT_MS_MIN, error.detail.retryAfterMs ?? 0);
  await new Promise((resolve) => setTimeout(resolve, waitMs));
}

export async function requestPatiently<K extends RequestKind>(
  link: Link,
  kind: K,
  value: RequestValue<K>,
): Promise<NonNullable<control.Response['body']>> {
  for (;;) {
    try {
      return await link.request(kind, value);
    } catch (error) {
      await waitOut(error);
    }
  }
}
