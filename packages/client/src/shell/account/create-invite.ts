/** An invitation to the server, for somebody who has no account there. */
import type { Fingerprint, ServerAddress } from '@securechat/wire';
import { formatServerAddress, SecureChatError } from '@securechat/wire';
import type { OpenAccount } from '../open-account.ts';
import { reachedLink } from '../open-account.ts';

/** 16 bytes in base64url. */
const CODE = /^[\w-]{22}$/;
const DATE_MS_MAX = 8.64e15;

export interface Invite {
  readonly code: string;
  readonly link: string;
  readonly expiresAt: string;
  readonly uses: number;
}

/** `fingerprint`: of the server, for the link. UNREACHABLE, and what the server refuses with. */
export async function createInvite(
  account: OpenAccount,
  asked: { readonly uses?: number; readonly hours?: number },
  { address, fingerprint }: { readonly address: ServerAddress; readonly fingerprint: Fingerprint },
): Promise<Invite> {
  const answer = await reachedLink(account).request('createInvite', { uses: asked.uses ?? 0, hours: asked.hours ?? 0 });
  if (answer.$case !== 'invite') throw new SecureChatError('MALFORMED');
  const { code, expiresMs, uses } = answer.value;
  // It goes into a link and onto a screen: what is no code and no date is not shown.
  if (!CODE.test(code) || expiresMs > DATE_MS_MAX) throw new SecureChatError('MALFORMED');
  const server = formatServerAddress({ ...address, fingerprint });
  return { code, link: `securechat:${server}?invite=${code}`, expiresAt: new Date(expiresMs).toISOString(), uses };
}
