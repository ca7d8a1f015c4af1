/** A link as the exchanges see it that change its keys (login.ts, registration.ts, attach.ts). */
import type { Session } from '@securechat/session';
import type { Fingerprint, SecureChatError } from '@securechat/wire';
import type { FrameStream } from '../transport/frame-stream.ts';
import type { RequestKind, RequestValue } from './link-port.ts';
import type { ResponseBody } from './requests.ts';

export interface LinkInside {
  readonly session: Session;
  readonly serverFingerprint: Fingerprint;
  readonly resumed: boolean;
  /** OPAQUE static key that was pinned before. */
  readonly opaqueKey: string | undefined;
  readonly stream: FrameStream;
  request<K extends RequestKind>(kind: K, value: RequestValue<K>): Promise<ResponseBody>;
  /** Sends it last under the present keys; `arrived` runs in the turn of its answer. */
  requestAndHold<K extends RequestKind>(
    kind: K,
    value: RequestValue<K>,
    arrived?: (body: ResponseBody) => void,
  ): Promise<ResponseBody>;
  /** Sends it ahead of what waits during an exchange, then lets everything go. */
  requestAndRelease<K extends RequestKind>(
    kind: K,
    value: RequestValue<K>,
    arrived?: (body: ResponseBody) => void,
  ): Promise<ResponseBody>;
  /** Rows and events wait until the present turn, with all that awaited it, is over. */
  deferEvents(): void;
  broken(error: SecureChatError): void;
}
