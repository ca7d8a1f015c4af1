/**
 * One connection to the server as the engine sees it: sealed session, request and response, hot frames. The engine never
 * sees a socket; tests and the simulator bring another Link.
 */
import type {
  Accepted,
  AccountId,
  Code,
  Deliver,
  DeviceId,
  Fingerprint,
  control,
  MailboxSeq,
  SecureChatError,
  ServerAddress,
} from '@securechat/wire';

/** What the client knows of the server before it connects; updated by the caller from `LinkOpened`. */
export interface ServerPin {
  readonly fingerprint: Fingerprint | undefined;
  readonly sealingSequenceMin: number;
  readonly versionMin: number;
  /** OPAQUE static public key of the server, once known. */
  readonly opaqueKey: string | undefined;
}

export interface OpenOptions {
  readonly address: ServerAddress;
  readonly pin: ServerPin;
  readonly tlsCa?: string;
  /** Single-use; a refused one falls back to the full handshake on the same connection. */
  readonly resumption?: { readonly handle: Uint8Array; readonly secret: Uint8Array };
  readonly timeoutMs: number;
}

export interface LinkEvents {
  /** A mailbox row; in order. */
  onDeliver(row: Deliver): void;
  onAccepted(accepted: Accepted): void;
  /** `id` is the client id of the submit. */
  onRefused(id: string, error: SecureChatError): void;
  onEvent(event: control.Event): void;
  /** Once, last: why it ended (CONNECTION_LOST, TIMEOUT, SHUTTING_DOWN, SESSION_REPLACED, HANDSHAKE_FAILED …). */
  onClosed(code: Code, cause?: unknown): void;
}

export interface Link {
  readonly serverFingerprint: Fingerprint;
  readonly sealingSequence: number;
  readonly resumed: boolean;
  /** Rejects with the SecureChatError of a Failure response, CONNECTION_LOST or TIMEOUT. */
  request<K extends RequestKind>(kind: K, value: RequestValue<K>): Promise<NonNullable<control.Response['body']>>;
  /**
   * OPAQUE registration, certificates made by the caller between the two halves. Returns the export key (64 bytes, to be
   * wiped) and the server's static key.
   */
  register(options: {
    readonly username: string;
    readonly password: string;
    readonly invite?: string;
    readonly pow?: { readonly challenge: Uint8Array; readonly nonce: Uint8Array };
    /**
     * Called after the server took the name provisionally, with the export key, which is not the callee's to keep; writes
     * the profile, returns the certificates.
     */
    readonly certificates: (exportKey: Uint8Array) => Promise<{
      readonly accountJws: string;
      readonly deviceJws: string;
      readonly listJws: string;
    }>;
  }): Promise<{ readonly exportKey: Uint8Array; readonly opaqueKey: string }>;
  /** OPAQUE login, keys bound. AUTH_FAILED. */
  login(
    username: string,
    password: string,
  ): Promise<{ readonly done: control.LoginDone; readonly exportKey: Uint8Array; readonly opaqueKey: string }>;
  /** Device attach: signature, sealed secret, confirmation. DEVICE_REVOKED, ACCOUNT_DISABLED, NOT_AUTHENTICATED. */
  attach(options: {
    readonly account: AccountId;
    readonly device: DeviceId;
    readonly signingSeed: Uint8Array;
    readonly openSealed: (sealed: Uint8Array, context: Uint8Array) => Promise<Uint8Array | undefined>;
    readonly storedUpTo: number;
    readonly submitNumberHighest: number;
    /** The history of the server that `storedUpTo` is a number of; absent before the first attach. */
    readonly history?: number | undefined;
  }): Promise<control.Attached>;
  /** Sends an encoded submit frame body (submission.ts). */
  submit(body: Uint8Array): void;
  ack(upTo: MailboxSeq): void;
  close(): void;
}

export type RequestKind = NonNullable<control.Request['body']>['$case'];
export type RequestValue<K extends RequestKind> = Extract<NonNullable<control.Request['body']>, { $case: K }>['value'];
