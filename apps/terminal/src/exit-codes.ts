import type { Code } from '@securechat/client';

/** What the `securechat` command ends with. Public: scripts branch on these. */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  authentication: 3,
  unreachable: 4,
  loggedOut: 5,
  recipientOffline: 6,
  blocked: 7,
  notVerified: 8,
  timeout: 9,
  interrupted: 130,
} as const;

const byCode: { readonly [C in Code]?: number } = {
  USAGE: exitCodes.usage,
  UNKNOWN_COMMAND: exitCodes.usage,
  NOT_SUPPORTED: exitCodes.usage,
  SCHEMA_NEWER: exitCodes.usage,
  AUTH_FAILED: exitCodes.authentication,
  NOT_AUTHENTICATED: exitCodes.authentication,
  NOT_LOGGED_IN: exitCodes.authentication,
  LOGGED_OUT: exitCodes.authentication,
  RECOVERY_WORDS_REQUIRED: exitCodes.authentication,
  RECOVERY_WORDS_WRONG: exitCodes.authentication,
  ACCOUNT_DISABLED: exitCodes.authentication,
  UNREACHABLE: exitCodes.unreachable,
  CONNECTION_LOST: exitCodes.unreachable,
  HANDSHAKE_FAILED: exitCodes.unreachable,
  SERVER_KEY_CHANGED: exitCodes.unreachable,
  SERVER_KEY_UNCONFIRMED: exitCodes.unreachable,
  UNSUPPORTED_VERSION: exitCodes.unreachable,
  SHUTTING_DOWN: exitCodes.unreachable,
  SESSION_REPLACED: exitCodes.loggedOut,
  DEVICE_REVOKED: exitCodes.loggedOut,
  RECIPIENT_OFFLINE: exitCodes.recipientOffline,
  BLOCKED: exitCodes.blocked,
  YOU_BLOCKED: exitCodes.blocked,
  NOT_VERIFIED: exitCodes.notVerified,
  KEY_CHANGED: exitCodes.notVerified,
  TIMEOUT: exitCodes.timeout,
};

export function exitCodeOf(code: Code): number {
  return byCode[code] ?? exitCodes.unexpected;
}

/** For a session that ended from elsewhere, whatever the reason was. */
export function exitCodeOfLogout(code: Code): number {
  const known = exitCodeOf(code);
  return known === exitCodes.unexpected ? exitCodes.loggedOut : known;
}

/** For `--help`. */
export const exitCodeHelp = [
  'Exit codes:',
  '  0  ok                        6    recipient offline (--online-only)',
  '  1  unexpected                7    blocked',
  '  2  usage                     8    not verified (--require-verified)',
  '  3  authentication failed     9    timeout',
  '  4  server unreachable        130  interrupted',
  '  5  logged out by another session',
].join('\n');
