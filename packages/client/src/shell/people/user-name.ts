/** Names that people type for people. */
import { normaliseUsername, SecureChatError } from '@securechat/wire';
import type { OpenAccount } from '../open-account.ts';

/** `@bob` and `Bob` are `bob`. NO_SUCH_USER for what cannot be a name, NOT_SUPPORTED for a group. */
export function userName(text: string): string {
  if (text.trim().startsWith('#')) throw new SecureChatError('NOT_SUPPORTED');
  try {
    return normaliseUsername(text.trim().replace(/^@/, ''));
  } catch (cause) {
    throw new SecureChatError('NO_SUCH_USER', {}, { cause });
  }
}

/** A user name that is not our own. SELF, and as `userName`. */
export function otherUser({ ledger }: Pick<OpenAccount, 'ledger'>, text: string): string {
  const user = userName(text);
  if (user === ledger.account.username) throw new SecureChatError('SELF');
  return user;
}
