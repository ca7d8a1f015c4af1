/**
 * The one table of error codes. A code is public and stable: scripts match on it. The text may change, the code may not.
 *
 * `number` travels on the wire, `text` is what a person reads, `hint` is what they can do about it.
 * `retry`: 'later' = the same call may succeed later; 'never' = something has to change first.
 */
export interface CodeRow {
  readonly number: number;
  readonly text: string;
  readonly hint: string;
  readonly retry: 'later' | 'never';
}

export const codes = {
  // General
  INTERNAL: {
    number: 1,
    text: 'Something went wrong inside SecureChat.',
    hint: 'Try again; if it stays, report it with the log of that time.',
    retry: 'later',
  },
  MALFORMED: {
    number: 2,
    text: 'The request cannot be read.',
    hint: 'Use a client of the same version as the server.',
    retry: 'never',
  },
  UNSUPPORTED_VERSION: {
    number: 3,
    text: 'Client and server speak different protocol versions.',
    hint: 'Update the older of the two.',
    retry: 'never',
  },
  TOO_LARGE: { number: 4, text: 'The request is too large.', hint: 'Send less at once.', retry: 'never' },
  RATE_LIMITED: {
    number: 5,
    text: 'Too many requests.',
    hint: 'Wait the time that the answer names; clients do it by themselves.',
    retry: 'later',
  },
  BUSY: { number: 6, text: 'The server is busy.', hint: 'Try again in a moment.', retry: 'later' },
  NOT_AUTHENTICATED: { number: 7, text: 'This needs a login first.', hint: 'Log in, then repeat.', retry: 'never' },
  NOT_ALLOWED: {
    number: 8,
    text: 'This is not allowed here.',
    hint: 'Ask the operator of the server.',
    retry: 'never',
  },
  TIMEOUT: { number: 9, text: 'No answer in time.', hint: 'Check the connection and repeat.', retry: 'later' },
  SHUTTING_DOWN: {
    number: 10,
    text: 'The server is shutting down.',
    hint: 'The client reconnects by itself.',
    retry: 'later',
  },
  STORAGE_FULL: {
    number: 11,
    text: 'The disk of the server is full.',
    hint: 'The message stays queued here; the operator has to make room.',
    retry: 'later',
  },
  UNREACHABLE: {
    number: 12,
    text: 'The server cannot be reached.',
    hint: 'Check the address, and that the server runs.',
    retry: 'later',
  },
  CONNECTION_LOST: {
    number: 13,
    text: 'Connection lost.',
    hint: 'The client reconnects by itself; unsent messages are kept.',
    retry: 'later',
  },
  SERVER_KEY_CHANGED: {
    number: 14,
    text: 'The server shows another key than the one pinned here. Nothing was sent.',
    hint: 'Ask the operator for the fingerprint; if the change is real, remove this address from servers.json in the folder of the profile.',
    retry: 'never',
  },
  SERVER_KEY_UNCONFIRMED: {
    number: 15,
    text: 'The key of this server is not confirmed.',
    hint: 'Use the address with #sha256:… from the invite, or confirm the fingerprint.',
    retry: 'never',
  },
  HANDSHAKE_FAILED: {
    number: 16,
    text: 'No secure connection could be made.',
    hint: 'Something between here and the server changes the traffic, or the address is not a SecureChat server.',
    retry: 'later',
  },
  USAGE: { number: 17, text: 'The command cannot be understood.', hint: 'See !help or --help.', retry: 'never' },
  UNKNOWN_COMMAND: { number: 18, text: 'There is no such command.', hint: 'See !help.', retry: 'never' },
  NOT_SUPPORTED: {
    number: 19,
    text: 'This is not available in this version.',
    hint: 'See the change log.',
    retry: 'never',
  },

  // Accounts and sessions
  AUTH_FAILED: {
    number: 20,
    text: 'Wrong password, or no such user.',
    hint: 'Check the user name and the password.',
    retry: 'never',
  },
  NAME_TAKEN: { number: 21, text: 'This user name is taken.', hint: 'Choose another one.', retry: 'never' },
  NAME_INVALID: {
    number: 22,
    text: 'This user name cannot be used.',
    hint: 'Use 3 to 32 letters of one script, digits, dot, underscore or hyphen.',
    retry: 'never',
  },
  INVITE_REQUIRED: {
    number: 23,
    text: 'Registration on this server needs an invite.',
    hint: 'Ask somebody who is registered here (!invite) or the operator.',
    retry: 'never',
  },
  INVITE_INVALID: {
    number: 24,
    text: 'This invite is unknown, used up or expired.',
    hint: 'Ask for a new one.',
    retry: 'never',
  },
  REGISTRATION_CLOSED: {
    number: 25,
    text: 'Registration is closed on this server.',
    hint: 'Ask the operator.',
    retry: 'never',
  },
  POW_INVALID: {
    number: 26,
    text: 'The proof of work is missing, wrong or too old.',
    hint: 'The client solves a new one by itself.',
    retry: 'later',
  },
  RECOVERY_WORDS_REQUIRED: {
    number: 27,
    text: 'There is no profile of this account here; logging in needs the recovery words.',
    hint: 'They were shown once, at registration.',
    retry: 'never',
  },
  RECOVERY_WORDS_WRONG: {
    number: 28,
    text: 'These are not the recovery words of this account.',
    hint: 'Check spelling and order: twelve words.',
    retry: 'never',
  },
  SESSION_REPLACED: {
    number: 29,
    text: 'Another session started with this account.',
    hint: 'Log in again to take over here.',
    retry: 'never',
  },
  DEVICE_REVOKED: {
    number: 30,
    text: 'Another session started with this account; this device is no longer part of it.',
    hint: 'Log in with the recovery words to use the account here.',
    retry: 'never',
  },
  ACCOUNT_DISABLED: { number: 31, text: 'This account is disabled.', hint: 'Ask the operator.', retry: 'never' },
  CERTIFICATE_REJECTED: {
    number: 32,
    text: 'A certificate is not valid.',
    hint: 'Check the clocks of this device and of the server; otherwise somebody tampers with keys.',
    retry: 'never',
  },
  VERSION_CONFLICT: {
    number: 33,
    text: 'The account was changed from elsewhere at the same time.',
    hint: 'Repeat.',
    retry: 'later',
  },
  PASSWORD_UNSUITABLE: {
    number: 34,
    text: 'This password is too short or among the commonest.',
    hint: 'Use a longer one; several words are fine.',
    retry: 'never',
  },
  NOT_LOGGED_IN: { number: 35, text: 'You are not logged in.', hint: '!login or !register first.', retry: 'never' },
  ALREADY_LOGGED_IN: { number: 36, text: 'You are logged in already.', hint: '!logout first.', retry: 'never' },
  LOGGED_OUT: { number: 37, text: 'Logged out.', hint: '!login to come back.', retry: 'never' },
  DEVICE_PAUSED: {
    number: 38,
    text: 'This device sent what the server cannot read; the server listens to it again in a minute.',
    hint: 'The client comes back by itself; if it happens again, update it.',
    retry: 'later',
  },

  // People
  NO_SUCH_USER: { number: 40, text: 'No such user.', hint: 'Check the spelling.', retry: 'never' },
  NO_KEYS: {
    number: 41,
    text: "The user's connection is not secure at the moment: no usable keys are published.",
    hint: 'Nothing was sent. They have to log in once.',
    retry: 'later',
  },
  BLOCKED: { number: 42, text: 'User blocked all messages from you.', hint: 'Nothing was sent.', retry: 'never' },
  RECIPIENT_OFFLINE: {
    number: 43,
    text: 'User is offline.',
    hint: 'Send without --online-only to have it delivered later.',
    retry: 'later',
  },
  RECIPIENT_RESET: {
    number: 44,
    text: 'Not delivered: the keys of the user changed before they read it.',
    hint: 'Send it again if you trust the new keys (!verify).',
    retry: 'never',
  },
  NOT_VERIFIED: {
    number: 45,
    text: 'This contact is not verified.',
    hint: 'Compare safety numbers with !verify.',
    retry: 'never',
  },
  KEY_CHANGED: {
    number: 46,
    text: 'The identity of a verified contact changed. Sending is halted.',
    hint: 'Compare safety numbers again with !verify.',
    retry: 'never',
  },
  SELF: { number: 47, text: 'This cannot be done with your own account.', hint: 'Name somebody else.', retry: 'never' },
  UNANSWERED: {
    number: 49,
    text: 'You have written enough today to people who have not answered you.',
    hint: 'Nothing was sent. Wait for an answer, or write again tomorrow.',
    retry: 'never',
  },
  YOU_BLOCKED: { number: 48, text: 'You block this user.', hint: '!unblock first.', retry: 'never' },

  // Delivery
  EPOCH_STALE: {
    number: 50,
    text: 'The conversation moved on to another epoch.',
    hint: 'The client encrypts again by itself.',
    retry: 'later',
  },
  STATE_ROLLED_BACK: {
    number: 51,
    text: 'This profile is an old copy of itself.',
    hint: 'The client founds its conversations anew before it sends.',
    retry: 'later',
  },
  PREDECESSOR_REFUSED: {
    number: 52,
    text: 'An earlier message of this conversation was refused.',
    hint: 'The client settles that one first, by itself.',
    retry: 'later',
  },
  SLOT_TAKEN: {
    number: 53,
    text: 'This conversation exists already.',
    hint: 'The client joins it by itself.',
    retry: 'later',
  },
  NO_SUCH_GROUP: { number: 54, text: 'No such conversation.', hint: 'Check the name.', retry: 'never' },
  NOT_A_MEMBER: {
    number: 55,
    text: 'This device is not a member of the conversation.',
    hint: 'The client founds a successor by itself.',
    retry: 'never',
  },
  GROUP_SUPERSEDED: {
    number: 56,
    text: 'The conversation has a successor.',
    hint: 'The client changes over by itself.',
    retry: 'later',
  },
  ID_REUSED: {
    number: 57,
    text: 'A message id was used twice with different content.',
    hint: 'This is a bug of the client; nothing was stored.',
    retry: 'never',
  },
  MAILBOX_FULL: {
    number: 58,
    text: 'The mailbox of the recipient is full.',
    hint: 'Try again when they have been online.',
    retry: 'later',
  },
  RESYNC_REQUIRED: {
    number: 59,
    text: 'Messages were dropped because the mailbox was full.',
    hint: 'Ask the sender to repeat.',
    retry: 'never',
  },
  EXPIRED: {
    number: 60,
    text: 'Nobody fetched this before it expired.',
    hint: 'It has to be sent again.',
    retry: 'never',
  },
  GAP: { number: 61, text: 'Messages are missing here.', hint: 'Ask the sender to repeat.', retry: 'never' },
  UNDECRYPTABLE: {
    number: 62,
    text: 'A message cannot be decrypted.',
    hint: 'Ask the sender to repeat.',
    retry: 'never',
  },
  TEXT_TOO_LONG: {
    number: 63,
    text: 'The text is longer than 64 KiB.',
    hint: 'Send it as a file: !file user path.',
    retry: 'never',
  },
  DEVICES_CHANGED: {
    number: 64,
    text: 'The devices of the recipient changed.',
    hint: 'The client looks their keys up again by itself.',
    retry: 'later',
  },

  SERVER_RESTORED: {
    number: 65,
    text: 'The server was put back to an older copy of its data.',
    hint: 'What was sent since that copy may be missing; ask the sender to repeat.',
    retry: 'never',
  },
  SENDER_RESET: {
    number: 66,
    text: 'A message was not taken: its sender replaced their keys before it could be read.',
    hint: 'Ask the sender to repeat.',
    retry: 'never',
  },

  // Files
  FILE_TOO_LARGE: { number: 70, text: 'The file is larger than this server takes.', hint: 'Split it.', retry: 'never' },
  FILE_NOT_FOUND: { number: 71, text: 'There is no such file.', hint: 'Check the path.', retry: 'never' },
  FILE_UNREADABLE: {
    number: 72,
    text: 'The file cannot be read.',
    hint: 'Check that it is a regular file and its permissions.',
    retry: 'never',
  },
  FILE_DECLINED: { number: 73, text: 'The file was declined.', hint: 'Ask them.', retry: 'never' },
  FILE_DAMAGED: {
    number: 74,
    text: 'The file arrived damaged and was discarded.',
    hint: 'Ask the sender to repeat.',
    retry: 'never',
  },
  NO_SUCH_TRANSFER: {
    number: 75,
    text: 'There is no such file offer.',
    hint: 'It may have been answered already, or expired.',
    retry: 'never',
  },
  QUOTA_EXCEEDED: {
    number: 76,
    text: 'The quota of this account is used up.',
    hint: 'Wait until transfers have been fetched or expired.',
    retry: 'later',
  },
  FILE_INCOMPLETE: {
    number: 77,
    text: 'The file is not complete on the server.',
    hint: 'Wait for the sender to finish.',
    retry: 'later',
  },
  FILE_UNWRITABLE: {
    number: 78,
    text: 'The file cannot be written here.',
    hint: 'Check the download folder and the free space.',
    retry: 'later',
  },

  // The local profile
  PROFILE_LOCKED: {
    number: 80,
    text: 'This account is open in another SecureChat on this machine.',
    hint: 'Close it there, or use another --profile.',
    retry: 'later',
  },
  PROFILE_DAMAGED: {
    number: 81,
    text: 'The local profile is damaged.',
    hint: 'Restore a copy, or log in with the recovery words in a new profile.',
    retry: 'never',
  },
  SCHEMA_NEWER: {
    number: 82,
    text: 'This data was written by a newer SecureChat.',
    hint: 'Update this one.',
    retry: 'never',
  },
  PROFILE_UNWRITABLE: {
    number: 83,
    text: 'The local profile cannot be written.',
    hint: 'Check free space and permissions.',
    retry: 'later',
  },
  OUTCOME_UNKNOWN: {
    number: 84,
    text: 'The disk failed while this was being stored: it may be stored or not.',
    hint: 'Start SecureChat again: what was stored is there then, and goes out.',
    retry: 'never',
  },
} as const satisfies Record<string, CodeRow>;

export type Code = keyof typeof codes;

const byNumber: ReadonlyMap<number, Code> = new Map(
  (Object.keys(codes) as Code[]).map((code) => [codes[code].number, code]),
);

/** The code with this number; an unknown number (a newer peer) reads as INTERNAL. */
export function codeOf(number: number): Code {
  return byNumber.get(number) ?? 'INTERNAL';
}

/** True for a string that is one of the table's codes. */
export function isCode(value: unknown): value is Code {
  return typeof value === 'string' && Object.hasOwn(codes, value);
}

/** What a failure may say beside its code. Never names, keys or content. */
export interface FailureDetail {
  /** Milliseconds after which the same call may be repeated. */
  readonly retryAfterMs?: number;
  /** EPOCH_STALE: the epoch the server holds. */
  readonly epoch?: number;
  /** SLOT_TAKEN, GROUP_SUPERSEDED: the group that holds the slot (16 bytes), and its generation. */
  readonly group?: Uint8Array;
  readonly generation?: number;
  /** SLOT_TAKEN: the devices of that group (16 bytes each), so that a client sees whether it is one of them. */
  readonly devices?: readonly Uint8Array[];
  /** One sentence for a person, where it says more than the table; never secret, never from the other side unfiltered. */
  readonly text?: string;
}

/** The one error type that crosses borders. `code` is from the table; `cause` keeps what was caught. */
export class SecureChatError extends Error {
  override readonly name = 'SecureChatError';
  readonly code: Code;
  readonly detail: FailureDetail;
  constructor(code: Code, detail: FailureDetail = {}, options?: ErrorOptions) {
    super(detail.text ?? codes[code].text, options);
    this.code = code;
    this.detail = detail;
  }
}
