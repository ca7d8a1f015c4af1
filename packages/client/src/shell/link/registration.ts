/** Registration inside the session: OPAQUE's three messages around the caller's certificates (docs/protocol/accounts.md). */
import { wipe } from '@securechat/crypto';
import { SecureChatError } from '@securechat/wire';
import { normalisedPassword } from '../../password.ts';
import type { LinkInside } from './link-inside.ts';
import type { Link } from './link-port.ts';
import { startOpaqueRegistration } from './opaque.ts';
import { answerOf } from './requests.ts';

const none = new Uint8Array(0);

export async function registerAccount(
  link: LinkInside,
  options: Parameters<Link['register']>[0],
): Promise<{ readonly exportKey: Uint8Array; readonly opaqueKey: string }> {
  const opaque = await startOpaqueRegistration(normalisedPassword(options.password));
  let exportKey: Uint8Array | undefined;
  try {
    const started = await link.request('registerStart', {
      username: options.username,
      opaque: opaque.request,
      invite: options.invite ?? '',
      challenge: options.pow?.challenge ?? none,
      powNonce: options.pow?.nonce ?? none,
    });
    const finished = await opaque.finish(answerOf(started, 'registerStart').value.opaque);
    exportKey = finished.exportKey;
    insistOnKey(link, finished.serverKey);
    const certificates = await options.certificates(exportKey);
    answerOf(await link.request('registerFinish', { opaque: finished.record, ...certificates }), 'done');
    return { exportKey, opaqueKey: finished.serverKey };
  } catch (error) {
    wipe(exportKey);
    throw error;
  } finally {
    opaque.close();
  }
}

/** The server's OPAQUE key is pinned like its identity: another one would mean another server, or a swapped setup. */
export function insistOnKey(link: LinkInside, serverKey: string): void {
  if (link.opaqueKey !== undefined && link.opaqueKey !== serverKey) throw new SecureChatError('SERVER_KEY_CHANGED');
}
