export type { AttachBinding, AttachClaim } from './attach.ts';
export { ATTACH_SECRET_BYTES, attachTranscript, bindAttach, openAttachSecret, sealAttachSecret } from './attach.ts';
export type { PendingFlight } from './flight.ts';
export { createFlight } from './flight.ts';
export type { SessionTransport } from './frames.ts';
export { sessionTransport, SUITE, transportFrames, VERSION } from './frames.ts';
export type { Hello, HelloInput, HelloRefused, KnownServer, ServerHello } from './hello.ts';
export { createHello, HELLO_NONCE_BYTES, readHello, ROTATION_LINKS_MAX } from './hello.ts';
export type { LoginBinding } from './login.ts';
export { bindLogin } from './login.ts';
export { refusalWaitMs } from './refusal.ts';
export type { AcceptFlightInput, EstablishedByClient, EstablishedByServer, Refused } from './reply.ts';
export { acceptFlight, acceptReply, refused } from './reply.ts';
export type { Fallback, PendingResumption, Resumption } from './resumption.ts';
export {
  acceptResume,
  acceptResumeReply,
  createResumeFlight,
  issueResumption,
  readResumeHandle,
  refuseResume,
  RESUMPTION_HANDLE_BYTES,
  RESUMPTION_SECRET_BYTES,
} from './resumption.ts';
export type { Session, SessionStart } from './session.ts';
export { RECORD_OVERHEAD_BYTES } from './session.ts';
