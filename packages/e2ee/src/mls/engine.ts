/** The MlsEngine on `@securechat/mls` and the primitives of Node. */
import { equal, wipe } from '@securechat/crypto';
import type { LeafNode, PskId, PskStore, ReceivedApplication, StagedCommit as MlsStaged } from '@securechat/mls';
import {
  createCommit,
  createGroup,
  createKeyPackage,
  defaultConfig,
  encodeMessage,
  encrypt as encryptMls,
  exportGroupInfo as exportInfo,
  factsOf,
  forgetPastEpochs,
  joinGroup,
  keyPackageRef,
  mergeCommit,
  mergePending,
  MlsError,
  readVerifiedKeyPackage,
  receive,
  secretsOfDropped,
  suiteOf,
  wipeAll,
  welcomedReferences as referencesIn,
} from '@securechat/mls';
import { ByteReader, ByteWriter, defaultLimits, SecureChatError } from '@securechat/wire';
import type {
  DecryptedMessage,
  DecryptInput,
  ExternalPsk,
  Founded,
  Joined,
  MlsEngine,
  Refused,
  StagedCommit,
} from '../engine.ts';
import { advanced, discard, epochOf, hold, mlsOf, pack, packPending, unpack, unpackPending } from './held-state.ts';
import {
  capabilities,
  CONTEXT_EXTENSION,
  contextOf,
  foundingPolicy,
  identityOf,
  leafOf,
  lifetimeOf,
  policyOf,
  rosterOf,
  secondsOf,
  SUITE,
  validityOf,
} from './members.ts';
import { provider } from './provider.ts';
import { orInternal, orRefused, refused } from './refusal.ts';

const suite = suiteOf(provider, SUITE);

/** As long as a mailbox keeps an invitation. */
const WAITED_MS_MAX = defaultLimits.mailboxDays * 24 * 60 * 60 * 1000;

const config = {
  ...defaultConfig,
  // Counted from the next generation, so that the newest message is one of them.
  window: { backMax: defaultLimits.outOfOrderBackMax + 1, forwardMax: defaultLimits.outOfOrderForwardMax },
  pastEpochsMax: defaultLimits.pastEpochsMax,
  // Nothing of ours uses resumption PSKs.
  resumptionEpochsMax: 0,
};

// ---- key packages ----

const SECRETS_VERSION = 1;

const keyPackage: MlsEngine['keyPackage'] = ({ own, validity, entropy }) => {
  const made = createKeyPackage(suite, {
    identity: identityOf(own),
    capabilities,
    lifetime: lifetimeOf(validity),
    entropy,
  });
  const { initKey, encryptionKey } = made.secrets;
  const secrets = new ByteWriter(80).u8(SECRETS_VERSION).vec16(initKey).vec16(encryptionKey).done();
  wipe(initKey, encryptionKey);
  const bytes = encodeMessage({ kind: 'key-package', keyPackage: made.keyPackage });
  return { keyPackage: bytes, reference: keyPackageRef(suite, made.keyPackage), secrets };
};

/** SCHEMA_NEWER, PROFILE_DAMAGED. */
function keyPackageSecrets(bytes: Uint8Array): { readonly initKey: Uint8Array; readonly encryptionKey: Uint8Array } {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== SECRETS_VERSION)
    throw new SecureChatError(version > SECRETS_VERSION ? 'SCHEMA_NEWER' : 'PROFILE_DAMAGED');
  const secrets = { initKey: reader.vec16().slice(), encryptionKey: reader.vec16().slice() };
  reader.end();
  return secrets;
}

function verified(bytes: Uint8Array): ReturnType<typeof readVerifiedKeyPackage> {
  if (bytes.length > defaultLimits.keyPackageBytesMax) throw new MlsError('malformed', 'size of a key package');
  return readVerifiedKeyPackage(suite, bytes);
}

const readKeyPackage: MlsEngine['readKeyPackage'] = (bytes) => {
  const read = orRefused(() => verified(bytes));
  if ('reason' in read) return undefined;
  const { source } = read.leaf;
  if (source.kind !== 'key-package') return undefined;
  const { credential, signingKey } = leafOf({ leaf: 0, node: read.leaf });
  return { reference: keyPackageRef(suite, read), credential, signingKey, validity: validityOf(source.lifetime) };
};

const welcomedReferences: MlsEngine['welcomedReferences'] = (welcome) => {
  const references = orRefused(() => referencesIn(welcome));
  return 'reason' in references ? undefined : references.map((one) => one.slice());
};

// ---- founding and joining ----

const found: MlsEngine['found'] = (input) =>
  orRefused((): Founded => {
    const { own, psk, entropy, nowMs } = input;
    const identity = identityOf(own);
    const judge = { policy: foundingPolicy(input.check, nowMs), now: secondsOf(nowMs) };
    const members = input.keyPackages.map(verified);
    const alone = createGroup(suite, {
      ...judge,
      groupId: input.group,
      extensions: [{ type: CONTEXT_EXTENSION, data: input.context.slice() }],
      identity,
      capabilities,
      lifetime: lifetimeOf(input.validity),
      config,
      entropy,
    });
    const id: PskId = { kind: 'external', id: psk.id, nonce: entropy(suite.hashBytes) };
    const adds = members.map((member) => ({ kind: 'add', keyPackage: member }) as const);
    const made = createCommit(alone, {
      ...judge,
      identity,
      proposals: [...adds, { kind: 'psk', psk: id }],
      psks: storeOf(psk),
      entropy,
    });
    if (made.welcome === undefined) throw new MlsError('bad-argument', 'nobody to add');
    const merged = mergePending(made.state, made.pending);
    const { state, wipe: past } = forgetPastEpochs(merged.state);
    // Nobody else was ever in the epoch before.
    wipeAll([...made.wipe, ...merged.wipe, ...past]);
    return { kind: 'founded', state: hold(state), epoch: epochOf(state), welcome: made.welcome, wipe: [] };
  });

const join: MlsEngine['join'] = (input) => {
  const { own, psk } = input;
  const secrets = keyPackageSecrets(input.secrets);
  try {
    return orRefused((): Joined | Refused => {
      const package_ = verified(input.keyPackage);
      const nowMs = joiningMs(package_.leaf, input.nowMs);
      if (!equal(package_.leaf.signatureKey, own.signingPublic)) return refused('no-key-package');
      const { state, signer, roster } = joinGroup(suite, {
        welcome: input.welcome,
        keyPackage: package_,
        secrets,
        psks: storeOf(psk),
        insistOn: (ids) => ids.some((id) => isFor(id, psk)),
        policy: policyOf(input.check, nowMs),
        now: secondsOf(nowMs),
        config,
      });
      const { groupId, extensions } = state.context;
      return {
        kind: 'joined',
        state: hold(state),
        epoch: epochOf(state),
        group: groupId.slice(),
        context: contextOf(extensions),
        roster: rosterOf(roster),
        signer: leafOf(signer),
        wipe: [input.secrets],
      };
    });
  } finally {
    wipe(secrets.initKey, secrets.encryptionKey);
  }
};

/**
 * An invitation was made while our key package lived, which its founder looked at (RFC 9420 §7.3), and may have waited in
 * the mailbox since: leaves are judged as of then.
 */
function joiningMs({ source }: LeafNode, nowMs: number): number {
  if (source.kind !== 'key-package') return nowMs;
  const { notAfterMs } = validityOf(source.lifetime);
  return nowMs > notAfterMs + WAITED_MS_MAX ? nowMs : Math.min(nowMs, notAfterMs);
}

function storeOf(psk: ExternalPsk): PskStore {
  return (id) => (isFor(id, psk) ? psk.secret : undefined);
}

function isFor(id: PskId, psk: ExternalPsk): boolean {
  return id.kind === 'external' && equal(id.id, psk.id);
}

// ---- messages ----

const encrypt: MlsEngine['encrypt'] = ({ state, signing, aad, plaintext, entropy }) => {
  const identity = { signatureKey: signing };
  const sent = orInternal(() => encryptMls(mlsOf(state), { identity, authenticatedData: aad, plaintext, entropy }));
  return { ...advanced(state, sent), ciphertext: sent.bytes };
};

const decrypt: MlsEngine['decrypt'] = (input) => {
  const state = mlsOf(input.state);
  return orRefused((): DecryptedMessage | StagedCommit | Refused => {
    // Handshakes in the clear would come from outside of the group as well.
    if (!isPrivateMessage(input.ciphertext)) return refused('malformed');
    const policy = policyOf(input.check, input.nowMs);
    const message = { message: input.ciphertext, policy, now: secondsOf(input.nowMs) };
    const received = receive(state, { ...message, publicHandshakes: 'refuse-members' });
    switch (received.kind) {
      case 'application':
        return decrypted(input, received);
      case 'commit':
        return staged(input, received);
      case 'proposal':
        return refused('policy');
    }
  });
};

/** MLSMessage := version u16 | wire format u16 (2 = PrivateMessage) | …; RFC 9420 §6. */
function isPrivateMessage(bytes: Uint8Array): boolean {
  return bytes[2] === 0 && bytes[3] === 2;
}

function decrypted({ state }: DecryptInput, received: ReceivedApplication): DecryptedMessage {
  return {
    kind: 'message',
    sender: leafOf(received.sender),
    sentInEpoch: Number(received.epoch),
    aad: received.authenticatedData.slice(),
    plaintext: received.plaintext,
    ...advanced(state, received),
  };
}

function staged({ state }: DecryptInput, commit: MlsStaged): StagedCommit | Refused {
  const { committer, outcome } = commit;
  if (committer.kind !== 'member' || outcome.kind !== 'epoch') return refused('policy');
  return {
    kind: 'commit',
    committer: leafOf(committer.member),
    before: rosterOf(commit.before),
    after: rosterOf(commit.after),
    contextBefore: contextOf(commit.contextBefore.extensions),
    contextAfter: contextOf(commit.contextAfter.extensions),
    merge: () => advanced(state, mergeCommit(mlsOf(state), commit)),
    drop: () => wipeAll(secretsOfDropped(mlsOf(state), outcome.epoch)),
  };
}

// ---- commits ----

const selfUpdate: MlsEngine['selfUpdate'] = ({ state, signing, nowMs, entropy }) =>
  orInternal(() => {
    const identity = { signatureKey: signing };
    // The update path carries our own leaf again, and nobody else's.
    const policy = policyOf(() => true, nowMs);
    const made = createCommit(mlsOf(state), { identity, policy, now: secondsOf(nowMs), entropy });
    const next = mergePending(made.state, made.pending).state;
    const groupInfo = exportInfo(next, { identity, externalJoin: 'offered' });
    const pending = packPending(made.pending);
    wipeAll(secretsOfDropped(made.state, made.pending.epoch));
    return { ...advanced(state, made), commit: made.commit, pending, epochAfter: epochOf(next), groupInfo };
  });

const mergeOwn: MlsEngine['mergeOwn'] = ({ state, pending }) => {
  const merged = orInternal(() => mergePending(mlsOf(state), unpackPending(pending)));
  const next = advanced(state, merged);
  return { ...next, wipe: [...next.wipe, pending] };
};

// ---- reading ----

const facts: MlsEngine['facts'] = (state) => {
  const { groupId, epoch, extensions, roster, own, authenticator } = factsOf(mlsOf(state));
  return {
    group: groupId.slice(),
    epoch: Number(epoch),
    context: contextOf(extensions),
    roster: rosterOf(roster),
    ownLeaf: own.leaf,
    authenticator,
  };
};

const exportGroupInfo: MlsEngine['exportGroupInfo'] = ({ state, signing }) =>
  orInternal(() => exportInfo(mlsOf(state), { identity: { signatureKey: signing }, externalJoin: 'offered' }));

export const mlsEngine: MlsEngine = {
  suite: SUITE,
  keyPackage,
  readKeyPackage,
  welcomedReferences,
  found,
  join,
  encrypt,
  decrypt,
  selfUpdate,
  mergeOwn,
  facts,
  exportGroupInfo,
  pack,
  unpack,
  discard,
};
