export { formatServerAddress, parseServerAddress } from './address.ts';
export type { ServerAddress, TransportKind } from './address.ts';
export { fromBase64url, toBase64url } from './base64url.ts';
export { ByteReader, ByteWriter, concatBytes } from './bytes.ts';
export { codeOf, codes, isCode, SecureChatError } from './codes.ts';
export type { Code, CodeRow, FailureDetail } from './codes.ts';
export { decodeFailure, decodeMessage, encodeFailure } from './failure.ts';
export { encodeFrame, encodeFrames, FRAME_HEADER_BYTES, FrameReader, frameKinds } from './frame.ts';
export type { Frame, FrameKind } from './frame.ts';
export { ID_BYTES, idBytes, idOf } from './ids.ts';
export type {
  AccountId,
  BinaryId,
  BlobId,
  ClientId,
  DeviceId,
  Fingerprint,
  GroupId,
  MailboxSeq,
  MessageId,
} from './ids.ts';
export { defaultLimits, limits } from './limits.ts';
export type { LimitName, LimitRow, Limits } from './limits.ts';
export {
  decodeAccepted,
  decodeAck,
  decodeDeliver,
  decodeSubmit,
  encodeAccepted,
  encodeAck,
  encodeDeliver,
  encodeSubmit,
  presences,
  rowKinds,
  storedStates,
  submitKinds,
} from './submission.ts';
export type { Accepted, Deliver, Presence, RowKind, StoredState, Submit, SubmitKind } from './submission.ts';
export { confusableSkeleton, isReservedName, normaliseUsername } from './username.ts';
export * as control from './gen/securechat/wire/v1/control.ts';
