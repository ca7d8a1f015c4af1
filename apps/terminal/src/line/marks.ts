import type { MessageState } from '@securechat/client';

/** What became of an own message, behind its text. */
export const marks: { readonly [state in MessageState]: string } = {
  queued: '…',
  sent: '✓',
  delivered: '✓✓',
  read: '✓✓ read',
  failed: '✗',
};
