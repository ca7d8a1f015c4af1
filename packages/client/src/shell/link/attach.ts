/**
 * Attach: the device signs the transcript, opens the server's secret with its RSA key, and both sides mix it in
 * (docs/protocol/session.md). Between `Attach` and `AttachConfirm` nothing else goes either way.
 */
import { ed25519, wipe } from '@securechat/crypto';
import { attachTranscript, bindAttach, openAttachSecret } from '@securechat/session';
import type { control } from '@securechat/wire';
import { idBytes, SecureChatError } from '@securechat/wire';
import type { LinkInside } from './link-inside.ts';
import type { Link } from './link-port.ts';
import { answerOf } from './requests.ts';

const none = new Uint8Array(0);

/** HANDSHAKE_FAILED when the sealed secret was not made for this device, here and now; the link is closed then. */
export async function attachDevice(
  link: LinkInside,
  options: Parameters<Link['attach']>[0],
): Promise<control.Attached> {
  const { account, device } = options;
  const claim = { server: link.serverFingerprint, account, device, transcript: link.session.transcript };
  const signature = ed25519.sign(options.signingSeed, attachTranscript(claim));
  let sealed: Uint8Array;
  try {
    const request = { account: idBytes(account), device: idBytes(device), signature, resumed: link.resumed };
    const answer = await link.requestAndHold('attach', request, () => link.stream.goDeaf());
    sealed = answerOf(answer, 'attach').value.sealed;
  } catch (error) {
    link.stream.release();
    throw error;
  }
  const secret = link.resumed === (sealed.length === 0) ? await secretOf() : undefined;
  if (secret === undefined) {
    const error = new SecureChatError('HANDSHAKE_FAILED');
    link.broken(error);
    throw error;
  }
  bindAttach(link.session, { signature, sealed, secret }, performance.now());
  wipe(secret);
  const { storedUpTo, submitNumberHighest, history } = options;
  const confirm = { storedUpTo, submitNumberHighest, history };
  const answer = await link.requestAndRelease('attachConfirm', confirm, () => link.deferEvents());
  return answerOf(answer, 'attachConfirm').value;

  /** A resumed session came from an attach already: its secret is empty, and must be. */
  async function secretOf(): Promise<Uint8Array | undefined> {
    return link.resumed ? none : openAttachSecret(claim, sealed, options.openSealed);
  }
}
