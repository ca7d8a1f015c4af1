/**
 * The entry of messages and of joining, behind their authentication: what a hostile member can say whose keys are in
 * order. The fuzzed bytes are the inside; signature, membership tag and seals around them are right.
 */
import assert from 'node:assert/strict';
import { EMPTY } from '../src/codec/bytes.ts';
import { decode } from '../src/codec/reader.ts';
import { Writer, encode } from '../src/codec/writer.ts';
import { signWithLabel } from '../src/crypto/labels.ts';
import { signContent } from '../src/framing/authenticated-content.ts';
import type { Body, Sender } from '../src/framing/content.ts';
import { contentTypeNumbers, readContent, writeBody, writeContent } from '../src/framing/content.ts';
import { decodeMessage, encodeMessage } from '../src/framing/message.ts';
import { membershipTag } from '../src/framing/public-message.ts';
import { sealSenderData, writeHead } from '../src/framing/sender-data.ts';
import { exportGroupInfo } from '../src/group/export.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import { encodeGroupInfo, readGroupInfo } from '../src/group/group-info.ts';
import type { Proposal } from '../src/group/proposal.ts';
import { receive } from '../src/group/receive.ts';
import { proposeUpdate } from '../src/group/send.ts';
import { mergeCommit } from '../src/group/stage-commit.ts';
import type { GroupState } from '../src/group/state.ts';
import { encodeGroupContext } from '../src/schedule/group-context.ts';
import { takeNext } from '../src/schedule/secret-tree.ts';
import { basicCredential } from '../src/tree/credential.ts';
import { externalSenders, requiredCapabilities } from '../src/tree/extension.ts';
import { Client, addAll, capabilities, judge, suite1 as suite } from './client.ts';
import { leafOf, pathFor } from './forge.ts';
import { seeded } from './entropy.ts';
import type { Target } from './fuzz-targets.ts';

const entropy = seeded('fuzz entry');
const client = (name: string): Client => new Client(name, suite, entropy);
const alice = client('alice');
const bob = client('bob');
const carol = client('carol');
/** Not in the group. */
const erin = client('erin');
const signatureKey = suite.provider.ed25519.publicOf(alice.identity.signatureKey);
const extensions = [externalSenders([{ signatureKey, credential: basicCredential(entropy(3)) }])];
alice.create({ extensions });
addAll(alice, [bob, carol]);
const made = erin.keyPackage();
const again = alice.keyPackage();

const reinit = { groupId: entropy(4), version: 1, suite: 1, extensions: [] };
const update = proposeUpdate(carol.state, { identity: carol.identity, entropy, format: 'public' });

/** A reader as bob is, after a message. */
function after(message: Uint8Array): GroupState {
  const reader = client('reader');
  reader.state = bob.state;
  const received = reader.receive(message);
  if (received.kind === 'commit') reader.state = mergeCommit(reader.state, received).state;
  return reader.state;
}

/** Of alice's epoch without and with a proposal, of the epoch after it, and of a group that ended in two ways. */
const readers: readonly GroupState[] = [
  bob.state,
  after(update.bytes),
  after(alice.prepare().commit),
  after(alice.prepare({ proposals: [{ kind: 'reinit', reinit }] }).commit),
  after(alice.prepare({ proposals: [{ kind: 'remove', removed: bob.leaf }] }).commit),
];

const nonce = entropy(suite.hashBytes);
const { groupId, epoch } = alice.state.context;
const add = { kind: 'add', keyPackage: made.keyPackage } as const;
const remove = { kind: 'remove', removed: carol.leaf } as const;
const { publicKey: encryptionKey } = suite.kem.generate(entropy);
const ownUpdate = { kind: 'update', leaf: leafOf(alice, { encryptionKey, source: { kind: 'update' } }) } as const;
const proposals: readonly Proposal[] = [
  add,
  { kind: 'add', keyPackage: again.keyPackage },
  remove,
  ownUpdate,
  { kind: 'psk', psk: { kind: 'external', id: entropy(4), nonce } },
  { kind: 'psk', psk: { kind: 'resumption', usage: 'application', groupId, epoch, nonce } },
  { kind: 'reinit', reinit },
  { kind: 'external-init', output: entropy(32) },
  {
    kind: 'group-context-extensions',
    extensions: [requiredCapabilities({ extensions: [1], proposals: [2], credentials: [1] }), ...extensions],
  },
];
const commitOf = (list: readonly Proposal[], path: 'path' | 'pathless'): Body => ({
  kind: 'commit',
  commit: {
    proposals: list.map((proposal) => ({ kind: 'proposal', proposal }) as const),
    path: path === 'path' ? pathFor(alice, { proposals: list }) : undefined,
  },
});
const bodies: readonly Body[] = [
  { kind: 'application', data: entropy(20) },
  ...proposals.map((proposal) => ({ kind: 'proposal', proposal }) as const),
  commitOf([], 'path'),
  commitOf([add, remove], 'path'),
  commitOf([add], 'pathless'),
  commitOf(proposals.slice(4, 5), 'pathless'),
  commitOf(proposals.slice(6, 7), 'pathless'),
  { kind: 'commit', commit: { proposals: [{ kind: 'reference', reference: update.reference }], path: pathFor(alice) } },
];
const senders: readonly Sender[] = [
  { kind: 'external', index: 0 },
  { kind: 'new-member-proposal' },
  { kind: 'new-member-commit' },
];

/** The state that the first byte names, and the rest. */
function split(bytes: Uint8Array): { readonly reader: GroupState; readonly choice: number; readonly rest: Uint8Array } {
  const [choice = 0] = bytes;
  return { reader: readers[choice % readers.length] ?? bob.state, choice, rest: bytes.subarray(1) };
}

const contentTypes = ['application', 'proposal', 'commit'] as const;

/** A private message of alice: its first byte names reader and content type, the rest is the body. */
function sealedAround(bytes: Uint8Array): { readonly reader: GroupState; readonly message: Uint8Array } {
  const { reader, choice, rest: body } = split(bytes);
  const { state, identity, leaf } = alice;
  const contentType = contentTypes[Math.floor(choice / 16) % 3] ?? 'application';
  const writer = new Writer()
    .raw(Uint8Array.of(0, 1, 0, 2))
    .vector(groupId)
    .u64(epoch)
    .u8(1)
    .u32(leaf)
    .vector(EMPTY);
  const type = contentTypeNumbers[contentType];
  const content = writer.u8(type).raw(body).raw(encodeGroupContext(state.context)).done();
  const label = 'FramedContentTBS';
  const signature = signWithLabel(suite, { privateKey: identity.signatureKey, label, content });
  const plaintext = new Writer().raw(body).vector(signature);
  if (contentType === 'commit') plaintext.vector(entropy(suite.hashBytes));
  const kind = contentType === 'application' ? 'application' : 'handshake';
  const { key, nonce: iv, generation } = takeNext(state.secretTree, { leaf, kind });
  const head = { groupId, epoch, contentType };
  const aad = new Writer();
  writeHead(aad, head);
  const input = { key, nonce: iv, aad: aad.vector(EMPTY).done(), plaintext: plaintext.done() };
  const ciphertext = suite.provider.seal(suite.aead, input);
  const data = { leaf, generation, reuseGuard: new Uint8Array(4) };
  const secret = state.secrets.senderData;
  const sealedSenderData = sealSenderData(suite, data, { secret, ciphertext, head });
  const privateMessage = { ...head, authenticatedData: EMPTY, sealedSenderData, ciphertext };
  return { reader, message: encodeMessage({ kind: 'private-message', privateMessage }) };
}

/** A public message around these bytes of a FramedContent, signed by its sender; as they are where they are none. */
function published(bytes: Uint8Array): Uint8Array {
  const { state } = alice;
  const context = encodeGroupContext(state.context);
  let content;
  try {
    content = decode(bytes, readContent);
  } catch {
    return new Writer().u16(1).u16(1).raw(bytes).vector(new Uint8Array(64)).done();
  }
  const stranger = content.sender.kind === 'new-member-proposal' || content.sender.kind === 'new-member-commit';
  const { signatureKey: privateKey } = (stranger ? erin : alice).identity;
  // What is read has one encoding: the signature is made over that, and checked over it.
  assert.deepEqual(
    encode((writer) => writeContent(writer, content)),
    bytes,
  );
  const part = { format: 'public', content, context } as const;
  const signature = signContent(suite, part, privateKey);
  const confirmationTag = content.body.kind === 'commit' ? entropy(suite.hashBytes) : undefined;
  const auth = { signature, confirmationTag };
  const message = { format: 'public', content, auth } as const;
  const tag = membershipTag(suite, { message, context, membershipKey: state.secrets.membership });
  return encodeMessage({ kind: 'public-message', publicMessage: { message, membershipTag: tag } });
}

function contentBytes(body: Body, sender: Sender): Uint8Array {
  return encode((writer) => writeContent(writer, { groupId, epoch, sender, authenticatedData: EMPTY, body }));
}

function contentOf(message: Uint8Array): Uint8Array {
  const decoded = decodeMessage(message);
  assert.ok(decoded.kind === 'public-message');
  const { content } = decoded.publicMessage.message;
  return encode((writer) => writeContent(writer, content));
}

const info = exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'offered' });
const { unsigned } = decode(info.subarray(4), readGroupInfo);
const joining = { ...judge, identity: erin.identity, capabilities: capabilities(), entropy: seeded('joining') };
const member = { kind: 'member', leaf: alice.leaf } as const;
const privateSeeds = bodies.flatMap((body) => {
  const type = contentTypes.indexOf(body.kind) * 16;
  return readers.map((_, reader) => encode((w) => writeBody(w.u8(type + reader), body)));
});
const publicSeeds = [
  ...bodies.map((body) => contentBytes(body, member)),
  ...senders.flatMap((sender) => bodies.slice(1).map((body) => contentBytes(body, sender))),
  contentOf(joinByExternalCommit(suite, { ...joining, groupInfo: info }).commit),
].map((bytes, i) => Uint8Array.of(i, ...bytes));

function joinedBy(bytes: Uint8Array): unknown {
  const { signatureKey: privateKey } = alice.identity;
  const signature = signWithLabel(suite, { privateKey, label: 'GroupInfoTBS', content: bytes });
  const empty = { context: bob.state.context, extensions: [], confirmationTag: EMPTY, signer: 0 };
  const groupInfo = new Writer()
    .u16(1)
    .u16(4)
    .raw(encodeGroupInfo({ ...empty, unsigned: bytes, signature }))
    .done();
  return joinByExternalCommit(suite, { ...joining, groupInfo });
}

const policies = { ...judge, publicHandshakes: 'accept', psks: () => nonce } as const;

export const entries: readonly Target[] = [
  [
    'sealed content',
    privateSeeds,
    (bytes) => {
      const { reader, message } = sealedAround(bytes);
      return receive(reader, { ...policies, message });
    },
  ],
  [
    'signed content',
    publicSeeds,
    (bytes) => {
      const { reader, rest } = split(bytes);
      return receive(reader, { ...policies, message: published(rest) });
    },
  ],
  ['signed GroupInfo', [unsigned], joinedBy],
];
