export type { CapsuleInput } from './capsule.ts';
export { openCapsule, sealCapsule } from './capsule.ts';
export type { Body, Content, ContentDraft, TransferId } from './content.ts';
export { CONTENT_VERSION, decodeContent, encodeContent } from './content.ts';
export type { Credential, KnownDevice, OwnDevice } from './credential.ts';
export {
  certificateIsValid,
  CREDENTIAL_BYTES,
  credentialOf,
  decodeCredential,
  encodeCredential,
  ownDevice,
} from './credential.ts';
export type { ConversationInput, EncryptedContent } from './direct/encrypt.ts';
export { encryptContent } from './direct/encrypt.ts';
export type { FoundDirectInput, FoundedDirect, FoundRefusal } from './direct/found.ts';
export { foundDirect } from './direct/found.ts';
export type { JoinDirectInput, JoinedDirect, JoinRefusal } from './direct/join.ts';
export { joinDirect } from './direct/join.ts';
export type { Author, DecryptedContent, DecryptRowInput, MergedCommit, RefusedRow, RowRefusal } from './direct/read.ts';
export { decryptRow } from './direct/read.ts';
export type { LeafRenewal } from './direct/renew.ts';
export { renewLeaf } from './direct/renew.ts';
export type {
  Advanced,
  CredentialCheck,
  EngineRefusal,
  GroupFacts,
  GroupState,
  Leaf,
  MadeKeyPackage,
  MlsEngine,
  PackedState,
  PendingCommit,
  Roster,
} from './engine.ts';
export type { FileOpener, FileSealer, FileShape } from './file-cipher.ts';
export {
  blobBytes,
  chunkCount,
  chunkPlace,
  createFileKey,
  FILE_KEY_BYTES,
  fileOpener,
  fileSealer,
} from './file-cipher.ts';
export { safeFileName } from './file-name.ts';
export type { DirectContext } from './group-context.ts';
export { decodeDirectContext, encodeDirectContext } from './group-context.ts';
export type { InvitationRefusal, OpenedInvitation, OpenInvitationInput } from './invitation.ts';
export { FOUNDING_EPOCH, openInvitation } from './invitation.ts';
export type { KeyPackageBatchInput, KeyPackageVerdict } from './key-package.ts';
export { checkKeyPackage, createKeyPackages } from './key-package.ts';
export { paddingBuckets } from './padding.ts';
export type { RosterRefusal, RosterVerdict } from './roster.ts';
export { verifyRoster, verifyRosterChange } from './roster.ts';
export { mlsEngine } from './mls/engine.ts';
export type { SafetyNumber, SafetyPart } from './safety-number.ts';
export { safetyNumber, safetyPart } from './safety-number.ts';
export type { CreateVaultInput, OpenedVault, ReplaceVaultInput, VaultOwner } from './vault.ts';
export {
  createPasswordSlot,
  createVault,
  openVault,
  openVaultByPassword,
  RECOVERY_ENTROPY_BYTES,
  replaceVaultIdentity,
} from './vault.ts';
