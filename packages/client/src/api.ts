/**
 * What a client of SecureChat is to a program: the terminal, the RPC mode, bots. Headless, in-process encryption.
 *
 * Every method that fails rejects with a SecureChatError whose code is from the one table. Nothing here prints.
 */
import type { Code, Fingerprint } from '@securechat/wire';

export interface ClientOptions {
  /** `ws://`, `wss://`, `tcp://`, `tls://` host:port, optionally `#sha256:FINGERPRINT`. */
  readonly server: string;
  /** Folder that holds this profile (made 0700 when missing). Several accounts may live in it; each has its own lock. */
  readonly profileDirectory: string;
  /** Where received files go; made when missing. */
  readonly downloadDirectory: string;
  /** RSA modulus bits of new keys: 2048..4096, default 3072. */
  readonly rsaBits?: number;
  /** PEM of extra certificate authorities for wss/tls (a self-signed server). */
  readonly tlsCa?: string;
  /**
   * Asked by `registration` and `register` on a server whose fingerprint was not given beforehand. false refuses with
   * SERVER_KEY_UNCONFIRMED. Absent: the key is taken (`serverPinned` event says so).
   */
  readonly confirmServer?: (fingerprint: Fingerprint) => Promise<boolean>;
  /** Progress of anything over a second (key generation, proof of work, password stretching). */
  readonly onProgress?: (step: ProgressStep, fraction: number | undefined) => void;
  /**
   * Another process of the same owner, which knows the password, wants to use this running client (`forwardToHolder`):
   * lines of JSON-RPC, to be answered by the program. Absent: it is turned away.
   */
  readonly onForward?: (lines: ForwardedLines) => void;
}
/** Lines of text both ways between two processes; see `forwardToHolder`. */
export interface ForwardedLines {
  /** `line` without a line end. Nothing happens once closed. */
  send(line: string): void;
  /** One handler at a time; nothing is read, and nothing lost, while there is none. */
  onLine(handler: (line: string) => void): void;
  /** Called once; at once if it is closed already. */
  onClose(handler: () => void): void;
  /** What was sent still goes out. */
  close(): void;
}
export type ProgressStep = 'keys' | 'password' | 'proof-of-work' | 'connecting';

export interface Registered {
  readonly account: string;
  readonly device: string;
  /** Fingerprint of the account identity: the person. */
  readonly fingerprint: Fingerprint;
  /** Twelve words; shown once, never stored. */
  readonly recoveryWords: string;
}
export interface LoggedIn {
  readonly account: string;
  readonly device: string;
  readonly username: string;
  /** What came while away and is unread, newest conversation first. */
  readonly unread: readonly { readonly user: string; readonly count: number }[];
}

export type MessageState = 'queued' | 'sent' | 'delivered' | 'read' | 'failed';

export interface Message {
  readonly id: string;
  /** `@user` of the other side (later also `#group`). */
  readonly conversation: string;
  /** User name of the author. */
  readonly from: string;
  readonly text: string;
  /** Sender's clock, ISO 8601 UTC. */
  readonly at: string;
  readonly replyTo?: string;
  readonly own: boolean;
  /** Own messages only. */
  readonly state?: MessageState;
  readonly code?: Code;
}

export interface SendResult {
  readonly id: string;
  /** `sent`: the server has it on disk. `queued`: kept here until the server can be reached. */
  readonly state: 'sent' | 'queued';
  /** Presence of the recipient as far as it may be known. */
  readonly recipient: 'online' | 'offline' | 'unknown';
}
export interface SendOptions {
  readonly replyTo?: string;
  /** Refuse with RECIPIENT_OFFLINE instead of storing; needs a connection. */
  readonly onlineOnly?: boolean;
  /** Refuse with NOT_VERIFIED when the contact is not verified. */
  readonly requireVerified?: boolean;
}

export interface ClientStatus {
  readonly connection: ConnectionState;
  readonly server: string;
  readonly serverFingerprint: Fingerprint | null;
  readonly account: string | null;
  readonly username: string | null;
  readonly device: string | null;
  /** Until when others believe the keys of this device, ISO 8601 UTC; logins renew it in the last 180 days. */
  readonly deviceEnds: string | null;
  readonly fingerprint: Fingerprint | null;
  /** Messages not yet accepted by the server. */
  readonly unsent: number;
}
export type ConnectionState = 'offline' | 'connecting' | 'online';

export interface Contact {
  readonly user: string;
  readonly fingerprint: Fingerprint;
  readonly verified: boolean;
  /** An identity change nobody has looked at yet. */
  readonly changed: boolean;
  readonly blocked: boolean;
  readonly unread: number;
  readonly presence: 'online' | 'offline' | 'unknown';
}

export type ClientEvent =
  | { readonly kind: 'message'; readonly message: Message }
  | {
      readonly kind: 'state';
      readonly id: string;
      readonly conversation: string;
      readonly state: MessageState;
      readonly code?: Code;
    }
  | {
      readonly kind: 'fileOffer';
      readonly id: string;
      readonly from: string;
      readonly name: string;
      readonly bytes: number;
    }
  /** `direction` tells which side of the transfer this is. */
  | {
      readonly kind: 'fileProgress';
      readonly id: string;
      readonly bytes: number;
      readonly of: number;
      readonly direction: 'up' | 'down';
    }
  | {
      readonly kind: 'fileAnswered';
      readonly id: string;
      readonly user: string;
      readonly name: string;
      readonly accepted: boolean;
      /** FILE_DECLINED when it was not accepted. */
      readonly code?: Code;
    }
  /** Own file: the other side has verified and stored it. */
  | { readonly kind: 'fileDelivered'; readonly id: string; readonly user: string; readonly name: string }
  | {
      readonly kind: 'fileReceived';
      readonly id: string;
      readonly from: string;
      readonly path: string;
      readonly sha256: string;
    }
  | {
      readonly kind: 'fileFailed';
      readonly id: string;
      readonly user: string;
      readonly name: string;
      readonly code: Code;
    }
  | { readonly kind: 'presence'; readonly user: string; readonly online: boolean | null }
  /** A contact has a new identity. `verified`: it was verified before, so that sending halts. */
  | { readonly kind: 'keyChanged'; readonly user: string; readonly verified: boolean }
  /**
   * Once a day in the last 60 days of this device's certificate, and after it: others refuse its keys from then on.
   * `renewable`: a login with the password while the server can be reached renews it; else only the recovery words in a
   * new profile, or `resetKeys`.
   */
  | { readonly kind: 'deviceEnds'; readonly at: string; readonly renewable: boolean }
  /** A contact came back on another device, same identity: a quiet line. */
  | { readonly kind: 'newDevice'; readonly user: string }
  | { readonly kind: 'loggedOut'; readonly code: Code; readonly reason: string }
  | { readonly kind: 'connection'; readonly state: ConnectionState; readonly code?: Code }
  | { readonly kind: 'gap'; readonly conversation: string; readonly missing: number; readonly code: Code }
  | { readonly kind: 'serverPinned'; readonly fingerprint: Fingerprint };

export interface HistoryQuery {
  /** `@user`. */
  readonly with: string;
  /** A message id. */
  readonly before?: string;
  readonly limit?: number;
}

export interface SafetyNumber {
  readonly safetyNumber: string;
  readonly verified: boolean;
}

export interface Client {
  /**
   * Every event from the moment of the call on; ends when the client is closed. Several iterators may run. One that is
   * not read holds back deliveries after 1,000 events: leave it with `return()` when it is of no use any more.
   */
  events(): AsyncIterableIterator<ClientEvent>;

  /**
   * NAME_TAKEN, NAME_INVALID, INVITE_REQUIRED, INVITE_INVALID, REGISTRATION_CLOSED, PASSWORD_UNSUITABLE, UNREACHABLE,
   * SERVER_KEY_CHANGED, SERVER_KEY_UNCONFIRMED, ALREADY_LOGGED_IN. Logged in afterwards.
   */
  register(account: {
    readonly username: string;
    readonly password: string;
    readonly invite?: string;
  }): Promise<Registered>;
  /**
   * 'invite' | 'open' | 'closed', as the server says, whose key is remembered from then on: to be asked before a person
   * types a name or a password. UNREACHABLE, SERVER_KEY_CHANGED, SERVER_KEY_UNCONFIRMED.
   */
  registration(): Promise<'invite' | 'open' | 'closed'>;
  /**
   * With a profile of this account: unlocks it with the password (also without a connection) and attaches; in the last 180
   * days of the device's certificate it renews that, if the server can be reached. Without one:
   * needs the recovery words (RECOVERY_WORDS_REQUIRED when absent, after the password was found right), and becomes the
   * account's only device. AUTH_FAILED, RECOVERY_WORDS_WRONG, UNREACHABLE, DEVICE_REVOKED, ALREADY_LOGGED_IN. An account
   * that is open in another process of this machine is taken over: that one gets `loggedOut` SESSION_REPLACED; with
   * `takeOver: false` it stays, and this call ends with PROFILE_LOCKED unless that one leaves within seconds.
   */
  login(account: {
    readonly username: string;
    readonly password: string;
    readonly recoveryWords?: string;
    readonly takeOver?: boolean;
  }): Promise<LoggedIn>;
  /** True when this profile folder has that account, so that no recovery words are needed. */
  hasProfile(username: string): Promise<boolean>;
  /** Detaches and locks the profile; unsent messages stay queued in it. NOT_LOGGED_IN. A call that is under way ends with LOGGED_OUT. */
  logout(): Promise<void>;
  /** Deletes the account at the server, then the local profile of it. */
  deleteAccount(username: string): Promise<void>;

  /**
   * Resolves when the server has accepted, or with `queued` when it cannot be reached now. Refusals reject: NO_SUCH_USER,
   * NO_KEYS, BLOCKED, KEY_CHANGED, NOT_VERIFIED, RECIPIENT_OFFLINE, TEXT_TOO_LONG, MAILBOX_FULL, SELF, UNANSWERED,
   * YOU_BLOCKED.
   */
  send(to: string, text: string, options?: SendOptions): Promise<SendResult>;
  /** Sends a failed message of ours again as a new submission of the same id. NO_SUCH_GROUP when there is none. */
  resend(id: string): Promise<SendResult>;
  /** Newest last. USAGE where `before` is no message of this conversation. */
  history(query: HistoryQuery): Promise<readonly Message[]>;
  /** Everything of the conversation up to now was seen: unread becomes 0 and, on request of both, read receipts go out. */
  markRead(user: string): Promise<void>;

  presence(user: string): Promise<'online' | 'offline' | 'unknown'>;
  contacts(): Promise<readonly Contact[]>;
  block(user: string, options?: { readonly quiet?: boolean }): Promise<void>;
  unblock(user: string): Promise<void>;

  /** 60 digits in twelve groups, equal on both sides. */
  safetyNumber(user: string): Promise<SafetyNumber>;
  /** Marks as verified if the number is the right one (spaces ignored); verified=false otherwise. Accepts a changed identity. */
  verify(user: string, safetyNumber: string): Promise<SafetyNumber>;
  /** New identity. Contacts are told. RATE_LIMITED, NOT_LOGGED_IN, UNREACHABLE. */
  resetKeys(): Promise<{ readonly fingerprint: Fingerprint }>;

  invite(options?: {
    readonly uses?: number;
    readonly hours?: number;
  }): Promise<{ readonly code: string; readonly link: string; readonly expiresAt: string; readonly uses: number }>;

  /** Offers a file. FILE_NOT_FOUND, FILE_UNREADABLE, FILE_TOO_LARGE, and the refusals of `send`. */
  sendFile(to: string, path: string): Promise<{ readonly id: string }>;
  /**
   * NO_SUCH_TRANSFER. FILE_UNWRITABLE: the folder does not take it, and the offer goes on waiting. Resolves when the
   * answer is queued; progress and result come as events.
   */
  acceptFile(id: string, directory?: string): Promise<void>;
  declineFile(id: string): Promise<void>;

  status(): Promise<ClientStatus>;
  /** Stops at once, keeps everything, ends the iterators. Idempotent. */
  close(): Promise<void>;
}
