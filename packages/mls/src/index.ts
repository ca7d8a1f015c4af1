export type { AeadName, CryptoProvider, Encapsulated, Entropy, HashName, KeyPair } from './crypto/provider.ts';
export type { Suite, SuiteId } from './crypto/suite.ts';
export { isSuiteId, suiteIds, suiteOf } from './crypto/suite.ts';
export type { ErrorCode } from './errors.ts';
export { MlsError, errorCodes } from './errors.ts';
export type { MessageKind, MlsMessage } from './framing/message.ts';
export { decodeMessage, encodeMessage } from './framing/message.ts';
export type { MessageFormat } from './framing/authenticated-content.ts';
export type { Padding } from './framing/private-message.ts';
export type { CommitInput, CreatedCommit, PendingCommit } from './group/commit.ts';
export { createCommit, mergePending } from './group/commit.ts';
export type { CreateGroupInput } from './group/create.ts';
export { createGroup } from './group/create.ts';
export type { PskStore } from './group/epoch.ts';
export type { ExportGroupInfoInput, GroupFacts } from './group/export.ts';
export { exportFrom, exportGroupInfo, exportTree, factsOf } from './group/export.ts';
export type { ExternalCommitInput, ExternallyJoined } from './group/external-commit.ts';
export { joinByExternalCommit } from './group/external-commit.ts';
export type { GroupInfo } from './group/group-info.ts';
export type { JoinInput, Joined } from './group/join.ts';
export { joinGroup, welcomedReferences } from './group/join.ts';
export type { Appended, Journal, Replayed } from './group/journal.ts';
export { appendTo, openJournal, replay } from './group/journal.ts';
export type {
  Identity,
  KeyPackage,
  KeyPackageInput,
  KeyPackageSecrets,
  MadeKeyPackage,
} from './group/key-package.ts';
export { createKeyPackage, isLastResort, keyPackageRef } from './group/key-package.ts';
export { checkKeyPackage } from './group/check-key-package.ts';
export { forgetPastEpochs } from './group/merge.ts';
export { decodePending, encodePending } from './group/pending.ts';
export type { Actor, Change, CredentialQuestion, Judgement, Policy, ProposedBy } from './group/policy.ts';
export type { Proposal, ProposalKind, ReInit } from './group/proposal.ts';
export type { Received, ReceivedApplication, ReceivedProposal, ReceiveInput } from './group/receive.ts';
export { receive } from './group/receive.ts';
export type { Member, Roster, RosterDifference } from './group/roster.ts';
export type { Proposed, SendInput, Sent } from './group/send.ts';
export { encrypt, propose, proposeUpdate } from './group/send.ts';
export type { StagedCommit } from './group/stage-commit.ts';
export { mergeCommit } from './group/stage-commit.ts';
export type { Advanced, GroupConfig, GroupState, GroupStatus } from './group/state.ts';
export { defaultConfig, resumptionSecretOf } from './group/state.ts';
export type { FoundSuccessorInput, Predecessor } from './group/successor.ts';
export { foundBranch, foundReinitialised } from './group/successor.ts';
export type { GroupContext } from './schedule/group-context.ts';
export type { PskId, ResumptionUsage } from './schedule/psk.ts';
export type { Window } from './schedule/ratchet.ts';
export type { Capabilities } from './tree/capabilities.ts';
export type { Credential } from './tree/credential.ts';
export { basicCredential, credentialTypes, sameCredential } from './tree/credential.ts';
export type { Extension, ExternalSender, RequiredCapabilities } from './tree/extension.ts';
export { extensionOf, extensionTypes, externalSenders, requiredCapabilities } from './tree/extension.ts';
export type { LeafNode, LeafSource, Lifetime } from './tree/leaf-node.ts';
export { wipeAll } from './codec/bytes.ts';
