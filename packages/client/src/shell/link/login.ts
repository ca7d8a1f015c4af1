/** Login by password inside the session, the keys bound to it (docs/protocol/session.md). */
import { POW_CHALLENGE_BYTES, proofOfWork, wipe } from '@securechat/crypto';
import { bindLogin } from '@securechat/session';
import type { control } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { insistOnBearableWork } from '../../core/work-asked.ts';
import { normalisedPassword } from '../../password.ts';
import type { LinkInside } from './link-inside.ts';
import { startOpaqueLogin } from './opaque.ts';
import { insistOnKey } from './registration.ts';
import type { ResponseBody } from './requests.ts';
import { answerOf } from './requests.ts';

/** AUTH_FAILED for a wrong password and for an unknown user alike. The caller wipes the export key (64 bytes). */
export async function loginAccount(
  link: LinkInside,
  username: string,
  password: string,
): Promise<{ readonly done: control.LoginDone; readonly exportKey: Uint8Array; readonly opaqueKey: string }> {
  const opaque = await startOpaqueLogin(normalisedPassword(password));
  let exportKey: Uint8Array | undefined;
  try {
    const ke1 = opaque.request;
    const started = await startLogin(link, { username, opaque: ke1 });
    const ke2 = answerOf(started, 'loginStart').value.opaque;
    const finished = await opaque.finish(ke2);
    exportKey = finished.exportKey;
    insistOnKey(link, finished.serverKey);
    const ke3 = finished.request;
    const answer = link.requestAndHold('loginFinish', { opaque: ke3 });
    // Right after the record with LoginFinish: the server's next one is sealed under the new keys.
    bindLogin(link.session, { sessionKey: finished.sessionKey, ke1, ke2, ke3 }, performance.now());
    wipe(finished.sessionKey);
    const done = answerOf(await answer, 'loginFinish').value;
    return { done, exportKey, opaqueKey: finished.serverKey };
  } catch (error) {
    wipe(exportKey);
    throw error;
  } finally {
    link.stream.release();
    opaque.close();
  }
}

/** Somebody guesses at this name from many addresses: the owner, who knows the password, pays with one proof of work. */
async function startLogin(link: LinkInside, request: control.LoginStart): Promise<ResponseBody> {
  try {
    return await link.request('loginStart', request);
  } catch (error) {
    if (!(error instanceof SecureChatError) || error.code !== 'POW_INVALID') throw error;
    const answer = await link.request('challenge', { login: true });
    const asked = answerOf(answer, 'challenge').value;
    const { challenge, powBits } = asked;
    insistOnBearableWork(asked);
    if (challenge.length !== POW_CHALLENGE_BYTES) throw error;
    const powNonce = await proofOfWork.solve(challenge, powBits);
    return link.request('loginStart', { ...request, challenge, powNonce });
  }
}
