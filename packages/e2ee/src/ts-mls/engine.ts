/**
 * The MlsEngine on ts-mls 1.6.4 (pinned exactly), for conversations of two leaves: in larger groups that version rejects
 * some valid trees. It stays behind the port until our own implementation takes its place; see docs/decisions.
 */
import type { ClientState, KeyPackage, MlsPrivateMessage, Proposal, PskIndex } from 'ts-mls';
import {
  createApplicationMessage,
  createCommit,
  createGroup,
  createGroupInfoWithExternalPubAndRatchetTree,
  decodeMlsMessage,
  emptyPskIndex,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  getCiphersuiteFromName,
  joinGroup,
  ciphersuites,
  processPrivateMessage,
} from 'ts-mls';
import type { Entropy } from '@securechat/crypto';
import { digest, ed25519, equal, hpkeAeads, sha256, wipe } from '@securechat/crypto';
import { ByteReader, ByteWriter, concatBytes, defaultLimits, SecureChatError } from '@securechat/wire';
import type {
  Advanced,
  CredentialCheck,
  DecryptedMessage,
  EngineRefusal,
  Founded,
  FoundInput,
  Joined,
  JoinInput,
  MlsEngine,
  OwnLeaf,
  Refused,
  StagedCommit,
  Validity,
} from '../engine.ts';
import { AuthenticationFailed, suiteOf } from './provider.ts';
import { openSenderData } from './sender-data.ts';
import {
  configOf,
  CONTEXT_EXTENSION,
  contextOf,
  factsOf,
  leafAt,
  openState,
  refuseCredentials,
  rosterOf,
  stateBytes,
} from './state.ts';

const SUITE = 'MLS_256_XWING_AES256GCM_SHA512_Ed25519';
const suite = getCiphersuiteFromName(SUITE);
const none = new Uint8Array(0);
const utf8 = new TextEncoder();

export function tsMlsEngine(): MlsEngine {
  return {
    suite: ciphersuites[SUITE],
    keyPackage,
    readKeyPackage,
    welcomedReferences,
    found,
    join,
    encrypt,
    decrypt,
    selfUpdate,
    mergeOwn,
    forgetPastEpochs,
    facts,
    exportGroupInfo,
  };
}

// ---- key packages ----

const keyPackage: MlsEngine['keyPackage'] = async ({ own, validity, entropy }) => {
  const { publicPackage, privatePackage } = await generate(own, validity, entropy);
  const bytes = encodeMlsMessage({ version: 'mls10', wireformat: 'mls_key_package', keyPackage: publicPackage });
  const secrets = new ByteWriter(80)
    .u8(1)
    .vec16(privatePackage.initPrivateKey)
    .vec16(privatePackage.hpkePrivateKey)
    .done();
  wipe(privatePackage.initPrivateKey, privatePackage.hpkePrivateKey);
  return { keyPackage: bytes, reference: referenceOf(bytes), secrets };
};

function generate(own: OwnLeaf, validity: Validity, entropy: Entropy): ReturnType<typeof generateKeyPackageWithKey> {
  return generateKeyPackageWithKey(
    { credentialType: 'basic', identity: own.credential },
    {
      versions: ['mls10'],
      ciphersuites: [SUITE],
      extensions: [CONTEXT_EXTENSION],
      proposals: [],
      credentials: ['basic'],
    },
    {
      notBefore: BigInt(Math.floor(validity.notBeforeMs / 1000)),
      notAfter: BigInt(Math.floor(validity.notAfterMs / 1000)),
    },
    [],
    { signKey: own.signing, publicKey: own.signingPublic },
    suiteOf(suite, entropy),
  );
}

/** What stands before the structure itself: protocol version u16, wire format u16. */
const MESSAGE_HEADER_BYTES = 4;

/** RFC 9420 §5.2: RefHash("MLS 1.0 KeyPackage Reference", KeyPackage). */
function referenceOf(message: Uint8Array): Uint8Array {
  const label = utf8.encode('MLS 1.0 KeyPackage Reference');
  const body = message.subarray(MESSAGE_HEADER_BYTES);
  const writer = new ByteWriter(body.length + 64).u8(label.length).raw(label);
  return digest(
    'sha512',
    writer
      .u16(0x4000 | body.length)
      .raw(body)
      .done(),
  );
}

const readKeyPackage: MlsEngine['readKeyPackage'] = async (bytes) => {
  const found = keyPackageIn(bytes);
  if (found === undefined) return undefined;
  const { leafNode, signature } = found;
  // The signature is the last vector: 2 bytes of length, 64 bytes. It covers everything before.
  const signed = bytes.subarray(MESSAGE_HEADER_BYTES, bytes.length - 2 - signature.length);
  if (!ed25519.verify(leafNode.signaturePublicKey, labelled('KeyPackageTBS', signed), signature)) return undefined;
  if (leafNode.credential.credentialType !== 'basic') return undefined;
  return {
    reference: referenceOf(bytes),
    credential: leafNode.credential.identity.slice(),
    signingKey: leafNode.signaturePublicKey.slice(),
    validity: {
      notBeforeMs: Number(leafNode.lifetime.notBefore) * 1000,
      notAfterMs: Number(leafNode.lifetime.notAfter) * 1000,
    },
  };
};

function keyPackageIn(bytes: Uint8Array): KeyPackage | undefined {
  if (bytes.length > defaultLimits.keyPackageBytesMax) return undefined;
  const message = decoded(bytes);
  if (message?.wireformat !== 'mls_key_package') return undefined;
  return message.keyPackage.cipherSuite === SUITE && message.keyPackage.version === 'mls10'
    ? message.keyPackage
    : undefined;
}

/** The input of SignWithLabel (RFC 9420 §5.1.2). */
function labelled(label: string, content: Uint8Array): Uint8Array {
  const name = utf8.encode(`MLS 1.0 ${label}`);
  const writer = new ByteWriter(content.length + 64).u8(name.length).raw(name);
  return writer
    .u16(0x4000 | content.length)
    .raw(content)
    .done();
}

const welcomedReferences: MlsEngine['welcomedReferences'] = (bytes) => {
  const message = decoded(bytes);
  if (message?.wireformat !== 'mls_welcome') return undefined;
  return message.welcome.secrets.map(({ newMember }) => newMember.slice());
};

// ---- founding and joining ----

const found: MlsEngine['found'] = async (input: FoundInput): Promise<Founded | Refused> => {
  const members = input.keyPackages.map(keyPackageIn);
  if (!members.every((member) => member !== undefined)) return refused('malformed');
  const cs = suiteOf(suite, input.entropy);
  const watch = watched(input.check);
  const context = [{ extensionType: CONTEXT_EXTENSION, extensionData: input.context }];
  const own = await generate(input.own, input.validity, input.entropy);
  try {
    const alone = await createGroup(
      input.group,
      own.publicPackage,
      own.privatePackage,
      context,
      cs,
      configOf(watch.check),
    );
    const adds = members.map((member): Proposal => ({ proposalType: 'add', add: { keyPackage: member } }));
    const preSharedKeyId = {
      psktype: 'external',
      pskId: input.psk.id,
      pskNonce: input.entropy(cs.kdf.size),
    } as const;
    const made = await createCommit(
      { state: alone, cipherSuite: cs, pskIndex: pskIndexOf(input.psk).index },
      { extraProposals: [...adds, { proposalType: 'psk', psk: { preSharedKeyId } }], ratchetTreeExtension: true },
    );
    if (made.welcome === undefined) return refused('policy');
    const state = stateBytes(made.newState);
    wipe(...made.consumed);
    const welcome = encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome: made.welcome });
    return { kind: 'founded', state, epoch: Number(made.newState.groupContext.epoch), welcome, wipe: [] };
  } catch (cause) {
    return refusalOf(cause, watch);
  } finally {
    wipe(own.privatePackage.initPrivateKey, own.privatePackage.hpkePrivateKey);
  }
};

const join: MlsEngine['join'] = async (input: JoinInput): Promise<Joined | Refused> => {
  const welcome = decoded(input.welcome);
  const publicPackage = keyPackageIn(input.keyPackage);
  if (welcome?.wireformat !== 'mls_welcome' || publicPackage === undefined) return refused('malformed');
  const reference = referenceOf(input.keyPackage);
  if (!welcome.welcome.secrets.some(({ newMember }) => equal(newMember, reference))) return refused('no-key-package');
  const privatePackage = privateOf(input);
  const watch = watched(input.check);
  const psk = pskIndexOf(input.psk);
  try {
    const state = await joinGroup(
      welcome.welcome,
      publicPackage,
      privatePackage,
      psk.index,
      suiteOf(suite, input.entropy),
      undefined,
      undefined,
      configOf(watch.check),
    );
    if (!psk.used()) return refused('no-psk');
    const { group, epoch, context, roster } = factsOf(state);
    // ts-mls asks for the credential of GroupInfo's signer first, then verifies the signature with that leaf's key.
    const signer = roster.find(({ signingKey }) => equal(signingKey, watch.first() ?? none));
    if (signer === undefined) return refused('policy');
    const bytes = stateBytes(state);
    return { kind: 'joined', state: bytes, epoch, group, context, roster, signer, wipe: [input.secrets] };
  } catch (cause) {
    return refusalOf(cause, watch);
  } finally {
    wipe(privatePackage.initPrivateKey, privatePackage.hpkePrivateKey);
  }
};

function privateOf(input: JoinInput): {
  initPrivateKey: Uint8Array;
  hpkePrivateKey: Uint8Array;
  signaturePrivateKey: Uint8Array;
} {
  const reader = new ByteReader(input.secrets);
  const version = reader.u8();
  if (version !== 1) throw new SecureChatError(version > 1 ? 'SCHEMA_NEWER' : 'PROFILE_DAMAGED');
  const keys = { initPrivateKey: reader.vec16().slice(), hpkePrivateKey: reader.vec16().slice() };
  reader.end();
  return { ...keys, signaturePrivateKey: input.own.signing };
}

/** Finds the one PSK there is, and remembers that it was asked for. */
function pskIndexOf(psk: FoundInput['psk']): { readonly index: PskIndex; used(): boolean } {
  let used = false;
  return {
    index: {
      findPsk(id) {
        if (id.psktype !== 'external' || !equal(id.pskId, psk.id)) return undefined;
        used = true;
        return psk.secret;
      },
    },
    used: () => used,
  };
}

// ---- messages ----

const encrypt: MlsEngine['encrypt'] = async ({ state, signing, aad, plaintext, entropy }) => {
  const open = openState(state, signing, configOf(refuseCredentials));
  const made = await createApplicationMessage(open.state, plaintext, suiteOf(suite, entropy), aad);
  const ciphertext = encodeMlsMessage({
    version: 'mls10',
    wireformat: 'mls_private_message',
    privateMessage: made.privateMessage,
  });
  const advanced = advance(made.newState, [state]);
  wipe(...made.consumed);
  open.close();
  return { ...advanced, ciphertext };
};

const decrypt: MlsEngine['decrypt'] = async (input): Promise<DecryptedMessage | StagedCommit | Refused> => {
  const message = decoded(input.ciphertext);
  if (message?.wireformat !== 'mls_private_message') return refused('malformed');
  const watch = watched(input.check);
  const open = openState(input.state, input.signing, configOf(watch.check));
  const { state } = open;
  const sight = inspect(state, message.privateMessage);
  if (sight.kind === 'refused') {
    open.close();
    return sight;
  }
  const proposals: string[] = [];
  try {
    const { privateMessage } = message;
    const result = await processPrivateMessage(
      state,
      privateMessage,
      emptyPskIndex,
      suiteOf(suite, input.entropy),
      (incoming) => {
        if (incoming.kind === 'proposal') return 'reject';
        proposals.push(...incoming.proposals.map(({ proposal }) => String(proposal.proposalType)));
        return 'accept';
      },
    );
    const { sender } = sight;
    if (result.kind === 'applicationMessage') {
      const advanced = advance(result.newState, [input.state]);
      wipe(...result.consumed);
      const aad = privateMessage.authenticatedData.slice();
      return {
        kind: 'message',
        sender,
        sentInEpoch: Number(privateMessage.epoch),
        aad,
        plaintext: result.message.slice(),
        ...advanced,
      };
    }
    if (privateMessage.contentType !== 'commit') return refused('policy');
    const merged = advance(result.newState, [input.state]);
    wipe(...result.consumed);
    return {
      kind: 'commit',
      committer: sender,
      before: rosterOf(state.ratchetTree),
      after: rosterOf(result.newState.ratchetTree),
      contextBefore: contextOf(state),
      contextAfter: contextOf(result.newState),
      proposals,
      merge: () => merged,
    };
  } catch (cause) {
    return refusalOf(cause, watch);
  } finally {
    open.close();
  }
};

type PrivateMessage = MlsPrivateMessage['privateMessage'];

/** Everything that can be told before a key is used. */
function inspect(
  state: ClientState,
  message: PrivateMessage,
): { readonly kind: 'sender'; readonly sender: DecryptedMessage['sender'] } | Refused {
  const { groupContext } = state;
  if (!equal(message.groupId, groupContext.groupId)) return refused('other-group');
  if (message.epoch > groupContext.epoch) return refused('too-new');
  const past = message.epoch < groupContext.epoch ? state.historicalReceiverData.get(message.epoch) : undefined;
  if (message.epoch < groupContext.epoch && (past === undefined || message.contentType !== 'application'))
    return refused('too-old');
  const { secretTree, ratchetTree } = past ?? state;
  const senderData = openSenderData({
    group: message.groupId,
    epoch: Number(message.epoch),
    contentType: message.contentType,
    encryptedSenderData: message.encryptedSenderData,
    ciphertext: message.ciphertext,
    secret: past?.senderDataSecret ?? state.keySchedule.senderDataSecret,
    hash: 'sha512',
    aead: hpkeAeads.aes256gcm,
  });
  if (senderData === undefined) return refused('undecryptable');
  const { leafIndex, generation } = senderData;
  const sender = leafAt(ratchetTree, leafIndex);
  const chains = secretTree[leafIndex * 2];
  if (sender === undefined || chains === undefined) return refused('policy');
  if (leafIndex === state.privatePath.leafIndex) return refused('own');
  const chain = message.contentType === 'application' ? chains.application : chains.handshake;
  if (generation - chain.generation > defaultLimits.outOfOrderForwardMax) return refused('too-far-ahead');
  if (generation >= chain.generation || chain.unusedGenerations[generation] !== undefined)
    return { kind: 'sender', sender };
  // With a full window, a generation below it was dropped; else its key is gone because it was used.
  const kept = Object.keys(chain.unusedGenerations).map(Number);
  const full = kept.length >= defaultLimits.outOfOrderBackMax;
  return refused(full && generation < Math.min(...kept) ? 'too-old' : 'replayed');
}

// ---- commits ----

const selfUpdate: MlsEngine['selfUpdate'] = async ({ state, signing, entropy }) => {
  // The update path carries our own leaf again: the check is asked about nothing else.
  const open = openState(state, signing, configOf(refuseCredentials));
  const made = await createCommit({ state: open.state, cipherSuite: suiteOf(suite, entropy) });
  const commit = encodeMlsMessage(made.commit);
  const pending = stateBytes(made.newState);
  open.close();
  return { commit, commitHash: sha256(commit), pending, epoch: Number(made.newState.groupContext.epoch) };
};

const mergeOwn: MlsEngine['mergeOwn'] = ({ state, pending }) => {
  const now = openState(state, none, configOf(refuseCredentials));
  const next = openState(pending, none, configOf(refuseCredentials));
  const { epoch, groupId } = now.state.groupContext;
  if (next.state.groupContext.epoch !== epoch + 1n || !equal(next.state.groupContext.groupId, groupId))
    throw new SecureChatError('INTERNAL', { text: 'A pending commit does not follow the state it is merged into.' });
  // The pending state remembers the chains as they were when the commit was made; what was read since counts.
  const past = new Map(
    [...next.state.historicalReceiverData].flatMap(([at, data]) => {
      const current = at === epoch ? now.state : now.state.historicalReceiverData.get(at);
      return current === undefined ? [] : [[at, { ...data, secretTree: current.secretTree }] as const];
    }),
  );
  const advanced = advance({ ...next.state, historicalReceiverData: past }, [state, pending]);
  now.close();
  next.close();
  return advanced;
};

const forgetPastEpochs: MlsEngine['forgetPastEpochs'] = (state) => {
  const open = openState(state, none, configOf(refuseCredentials));
  const advanced = advance({ ...open.state, historicalReceiverData: new Map() }, [state]);
  open.close();
  return advanced;
};

// ---- reading ----

const facts: MlsEngine['facts'] = (state) => {
  const open = openState(state, none, configOf(refuseCredentials));
  const result = factsOf(open.state);
  open.close();
  return result;
};

const exportGroupInfo: MlsEngine['exportGroupInfo'] = async ({ state, signing, entropy }) => {
  const open = openState(state, signing, configOf(refuseCredentials));
  const groupInfo = await createGroupInfoWithExternalPubAndRatchetTree(open.state, [], suiteOf(suite, entropy));
  const bytes = encodeMlsMessage({ version: 'mls10', wireformat: 'mls_group_info', groupInfo });
  open.close();
  return bytes;
};

// ---- shared by the verbs ----

function advance(state: ClientState, old: readonly Uint8Array[]): Advanced {
  return { state: stateBytes(state), epoch: Number(state.groupContext.epoch), wipe: old };
}

/** One whole MLSMessage; undefined for anything else. ts-mls throws for some malformed input and returns for other. */
function decoded(bytes: Uint8Array): NonNullable<ReturnType<typeof decodeMlsMessage>>[0] | undefined {
  try {
    const result = decodeMlsMessage(concatBytes(bytes), 0);
    return result !== undefined && result[1] === bytes.length ? result[0] : undefined;
  } catch {
    return undefined;
  }
}

interface Watch {
  readonly check: CredentialCheck;
  /** Signature key of the first leaf asked about. */
  first(): Uint8Array | undefined;
  refusedOne(): boolean;
}

function watched(check: CredentialCheck): Watch {
  let first: Uint8Array | undefined;
  let refusedOne = false;
  return {
    check(credential, signingKey) {
      first ??= signingKey;
      const fits = check(credential, signingKey);
      refusedOne ||= !fits;
      return fits;
    },
    first: () => first,
    refusedOne: () => refusedOne,
  };
}

function refused(reason: EngineRefusal): Refused {
  return { kind: 'refused', reason };
}

/** What the library threw while it worked on the bytes of another, as a reason. Errors of our own pass through. */
function refusalOf(cause: unknown, watch: Watch): Refused {
  if (cause instanceof SecureChatError) throw cause;
  if (watch.refusedOne()) return refused('credential');
  if (cause instanceof AuthenticationFailed) return refused('undecryptable');
  const name = cause instanceof Error ? cause.name : '';
  if (name === 'CryptoVerificationError') return refused('bad-signature');
  return refused(name === 'CodecError' || name === 'RangeError' ? 'malformed' : 'policy');
}
