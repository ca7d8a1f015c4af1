/**
 * OPAQUE inside the session, bound to it: after KE3 the keys need OPAQUE's session key. A relay on a first connection
 * without a pinned key knows the keys of both its sessions and still cannot speak after the login.
 *
 *     extra := "SecureChat login v1", vec16 | KE1, vec16 | KE2, vec16 | KE3, vec16       (as on the wire, base64url text)
 */
import { ByteWriter } from '@securechat/wire';
import type { Session } from './session.ts';

export interface LoginBinding {
  /** OPAQUE's session key (RFC 9807), 64 bytes. The caller wipes it. */
  readonly sessionKey: Uint8Array;
  /** The three messages exactly as sent: `LoginStart.opaque`, `LoginAnswer.opaque`, `LoginFinish.opaque`. */
  readonly ke1: string;
  readonly ke2: string;
  readonly ke3: string;
}

/**
 * Client: right after sealing the record with `LoginFinish`. Server: after KE3 was verified, before it seals `LoginDone`.
 * Nothing but `LoginDone` is accepted under the new keys; a failed login is a close.
 */
export function bindLogin(session: Session, binding: LoginBinding, nowMs: number): void {
  const extra = new ByteWriter(1024)
    .text16('SecureChat login v1')
    .text16(binding.ke1)
    .text16(binding.ke2)
    .text16(binding.ke3)
    .done();
  session.mixBoth(binding.sessionKey, extra, nowMs);
}
