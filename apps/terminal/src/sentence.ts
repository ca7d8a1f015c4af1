import { codes, SecureChatError } from '@securechat/client/vocabulary';
import type { Code } from '@securechat/client/vocabulary';
import { sanitizeLine } from './sanitize.ts';

/** What a person reads about a failure: one line, what happened and what to do. */
export function sentenceOf(error: unknown): string {
  if (!(error instanceof SecureChatError)) return `${codes.INTERNAL.text} (${briefly(error)})`;
  const { code, detail } = error;
  if (detail.text !== undefined) return sanitizeLine(detail.text);
  if (code === 'RATE_LIMITED' && detail.retryAfterMs !== undefined)
    return `${codes[code].text} Try again in ${waitText(detail.retryAfterMs)}.`;
  return sentenceOfCode(code);
}

/** Rounded up, so that who waited as long as told is let in. */
function waitText(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}

export function sentenceOfCode(code: Code): string {
  return `${codes[code].text} ${codes[code].hint}`;
}

/** The error as one of ours: whatever else is thrown is INTERNAL, with its cause. */
export function asSecureChatError(error: unknown): SecureChatError {
  if (error instanceof SecureChatError) return error;
  return new SecureChatError('INTERNAL', { text: `${codes.INTERNAL.text} (${briefly(error)})` }, { cause: error });
}

/** Class and system code only: messages of foreign errors can hold paths and content. */
function briefly(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
