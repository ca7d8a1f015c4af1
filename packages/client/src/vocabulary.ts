/** What a program says before it needs a client, or without one: codes, their errors, names, server addresses. */
export {
  codes,
  formatServerAddress,
  isCode,
  normaliseUsername,
  parseServerAddress,
  SecureChatError,
} from '@securechat/wire';
export type { Code, Fingerprint, ServerAddress } from '@securechat/wire';
