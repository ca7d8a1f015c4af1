export type {
  Client,
  ClientEvent,
  ClientOptions,
  ClientStatus,
  ConnectionState,
  Contact,
  ForwardedLines,
  LoggedIn,
  Message,
  MessageState,
  ProgressStep,
  Registered,
  SendOptions,
  SendResult,
} from './api.ts';
export {
  codes,
  formatServerAddress,
  isCode,
  normaliseUsername,
  parseServerAddress,
  SecureChatError,
} from './vocabulary.ts';
export type { Code, Fingerprint, ServerAddress } from './vocabulary.ts';
export { connect } from './connect.ts';
export { examineProfile } from './doctor.ts';
export type { Finding } from './doctor.ts';
export { forwardToHolder } from './forward.ts';
export { suitablePassword } from './password.ts';
export { backUpProfile, restoreProfile, verifyProfile } from './profile-backup.ts';
export type { ProfileCopy } from './profile-backup.ts';
