export type { CapsuleInput } from './capsule.ts';
export { openCapsule, sealCapsule } from './capsule.ts';
export type { Body, Content, ContentDraft, TransferId } from './content.ts';
export { CONTENT_VERSION, decodeContent, encodeContent } from './content.ts';
export type { Credential, KnownDevice, OwnDevice } from './credential.ts';
export { CREDENTIAL_BYTES, credentialOf, decodeCredential, encodeCredential, ownDevice } from './credential.ts';
export type {
  Author,
  ConversationInput,
  DecryptedContent,
  DecryptRowInput,
  EncryptedContent,
  FoundDirectInput,
  FoundedDirect,
  FoundRefusal,
  JoinDirectInput,
  JoinedDirect,
  JoinRefusal,
  LeafRenewal,
  MergedCommit,
  RefusedRow,
  RowRefusal,
} from './direct.ts';
export { decryptRow, encryptContent, foundDirect, joinDirect, renewLeaf } from './direct.ts';
export type {
  Advanced,
  CredentialCheck,
  EngineRefusal,
  GroupFacts,
  Leaf,
  MadeKeyPackage,
  MlsEngine,
  PendingCommit,
  Roster,
} from './engine.ts';
export type { DirectContext } from './group-context.ts';
export { decodeDirectContext, encodeDirectContext } from './group-context.ts';
export type { InvitationRefusal, OpenedInvitation, OpenInvitationInput } from './invitation.ts';
export { FOUNDING_EPOCH, openInvitation } from './invitation.ts';
export type { KeyPackageBatchInput, KeyPackageVerdict } from './key-package.ts';
export { checkKeyPackage, createKeyPackages } from './key-package.ts';
export { paddingBuckets } from './padding.ts';
export type { RosterRefusal, RosterVerdict } from './roster.ts';
export { verifyRoster, verifyRosterChange } from './roster.ts';
export { tsMlsEngine } from './ts-mls/engine.ts';
