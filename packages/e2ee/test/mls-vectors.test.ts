/**
 * Goal: ts-mls on our provider computes what RFC 9420 says. Method: the working group's vectors, read where they lie, each
 * file driven through ts-mls's own functions with `suiteOf`. Cipher suites that the provider does not cover are named.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { CiphersuiteImpl, ClientState, PskIndex } from 'ts-mls';
import {
  bytesToBase64,
  decodeMlsMessage,
  encodeMlsMessage,
  joinGroup,
  makePskIndex,
  processPrivateMessage,
} from 'ts-mls';
import { acceptAll, processPublicMessage } from 'ts-mls';
import { decodeAuthenticatedContent } from 'ts-mls/authenticatedContent.js';
import { determineLength } from 'ts-mls/codec/variableLength.js';
import { decodeCommit, encodeCommit } from 'ts-mls/commit.js';
import { applyUpdatePathSecret } from 'ts-mls/createCommit.js';
import { getCiphersuiteFromId } from 'ts-mls/crypto/ciphersuite.js';
import type { CiphersuiteId } from 'ts-mls/crypto/ciphersuite.js';
import { refhash } from 'ts-mls/crypto/hash.js';
import { decryptWithLabel, encryptWithLabel } from 'ts-mls/crypto/hpke.js';
import { deriveSecret, deriveTreeSecret, expandWithLabel } from 'ts-mls/crypto/kdf.js';
import { signWithLabel, verifyWithLabel } from 'ts-mls/crypto/signature.js';
import { encodeGroupContext } from 'ts-mls/groupContext.js';
import { verifyGroupInfoConfirmationTag, verifyGroupInfoSignature } from 'ts-mls/groupInfo.js';
import { decodeGroupSecrets, encodeGroupSecrets } from 'ts-mls/groupSecrets.js';
import { makeKeyPackageRef } from 'ts-mls/keyPackage.js';
import { initializeEpoch, mlsExporter } from 'ts-mls/keySchedule.js';
import { verifyLeafNodeSignature } from 'ts-mls/leafNode.js';
import { protectApplicationData, protectProposal, unprotectPrivateMessage } from 'ts-mls/messageProtection.js';
import { protectProposalPublic, unprotectPublicMessage } from 'ts-mls/messageProtectionPublic.js';
import { verifyParentHashes } from 'ts-mls/parentHash.js';
import { getCommitSecret } from 'ts-mls/pathSecrets.js';
import { computePskSecret } from 'ts-mls/presharedkey.js';
import { toPrivateKeyPath } from 'ts-mls/privateKeyPath.js';
import { decodeProposal, encodeProposal } from 'ts-mls/proposal.js';
import type { Proposal } from 'ts-mls/proposal.js';
import {
  addLeafNode,
  decodeRatchetTree,
  encodeRatchetTree,
  removeLeafNode,
  resolution,
  updateLeafNode,
} from 'ts-mls/ratchetTree.js';
import type { RatchetTree } from 'ts-mls/ratchetTree.js';
import { createSecretTree, deriveKey, deriveNonce, ratchetUntil } from 'ts-mls/secretTree.js';
import { expandSenderDataKey, expandSenderDataNonce } from 'ts-mls/sender.js';
import { createConfirmedHash, createInterimHash } from 'ts-mls/transcriptHash.js';
import { treeHash, treeHashRoot } from 'ts-mls/treeHash.js';
import {
  left,
  nodeToLeafIndex,
  nodeWidth,
  parent,
  right,
  root,
  sibling,
  toLeafIndex,
  toNodeIndex,
} from 'ts-mls/treemath.js';
import { applyUpdatePath, createUpdatePath, decodeUpdatePath } from 'ts-mls/updatePath.js';
import { decryptGroupInfo, decryptGroupSecrets } from 'ts-mls/welcome.js';
import { systemEntropy } from '@securechat/crypto';
import { suiteIsCovered, suiteOf } from '../src/ts-mls/provider.ts';

const folder = join(
  process.env['SECURECHAT_VECTORS'] ?? join(import.meta.dirname, '../../../../shared/vectors'),
  'mls',
);
const skip = existsSync(folder) ? false : 'third-party vectors are absent';

/** A case as JSON has it: its fields are checked by what is computed from them. */
interface Vector {
  readonly [field: string]: unknown;
}

function casesIn(file: string): readonly Vector[] {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vector[];
}

const bytes = (value: unknown): Uint8Array => Uint8Array.from(Buffer.from(value as string, 'hex'));
const list = (value: unknown): readonly Vector[] => value as readonly Vector[];
const number = (value: unknown): number => value as number;
const hexOf = (value: Uint8Array): string => Buffer.from(value).toString('hex');

function decoded<T>(result: readonly [T, number] | undefined): T {
  assert.ok(result !== undefined);
  return result[0];
}

/** One test per file: every case of a covered suite is run, the others are named in one line. */
function vectors(file: string, run: (data: Vector, cs: CiphersuiteImpl) => Promise<void>): void {
  test(`the working group's ${file} hold on our provider`, { skip }, async (t: TestContext) => {
    let ran = 0;
    const left = new Map<number, number>();
    for (const [at, data] of casesIn(file).entries()) {
      const number = data['cipher_suite'] as CiphersuiteId;
      const suite = getCiphersuiteFromId(number);
      if (!suiteIsCovered(suite)) {
        left.set(number, (left.get(number) ?? 0) + 1);
        continue;
      }
      try {
        await run(data, suiteOf(suite, systemEntropy));
      } catch (error) {
        throw new Error(`case ${at}, suite ${number}`, { cause: error });
      }
      ran += 1;
    }
    assert.ok(ran > 0);
    const skipped = [...left].map(([suite, count]) => `suite ${suite}: ${count}`).join(', ');
    t.diagnostic(`${ran} run${skipped === '' ? '' : `, not covered: ${skipped}`}`);
  });
}

vectors('crypto-basics.json', async (data, cs) => {
  const of = (name: string): Vector => data[name] as Vector;
  const ref = of('ref_hash');
  assert.equal(hexOf(await refhash(ref['label'] as string, bytes(ref['value']), cs.hash)), ref['out']);
  const derived = of('derive_secret');
  assert.equal(hexOf(await deriveSecret(bytes(derived['secret']), derived['label'] as string, cs.kdf)), derived['out']);
  const tree = of('derive_tree_secret');
  const { secret, label, generation, length } = tree;
  const out = await deriveTreeSecret(bytes(secret), label as string, number(generation), number(length), cs.kdf);
  assert.equal(hexOf(out), tree['out']);
  const wide = of('expand_with_label');
  const expanded = await expandWithLabel(
    bytes(wide['secret']),
    wide['label'] as string,
    bytes(wide['context']),
    number(wide['length']),
    cs.kdf,
  );
  assert.equal(hexOf(expanded), wide['out']);

  const sealed = of('encrypt_with_label');
  const privateKey = await cs.hpke.importPrivateKey(bytes(sealed['priv']));
  const publicKey = await cs.hpke.importPublicKey(bytes(sealed['pub']));
  const open = (enc: Uint8Array, ct: Uint8Array): Promise<Uint8Array> =>
    decryptWithLabel(privateKey, sealed['label'] as string, bytes(sealed['context']), enc, ct, cs.hpke);
  assert.equal(hexOf(await open(bytes(sealed['kem_output']), bytes(sealed['ciphertext']))), sealed['plaintext']);
  const again = await encryptWithLabel(
    publicKey,
    sealed['label'] as string,
    bytes(sealed['context']),
    bytes(sealed['plaintext']),
    cs.hpke,
  );
  assert.equal(hexOf(await open(again.enc, again.ct)), sealed['plaintext']);

  const signed = of('sign_with_label');
  const text = signed['label'] as string;
  const content = bytes(signed['content']);
  const verify = (signature: Uint8Array): Promise<boolean> =>
    verifyWithLabel(bytes(signed['pub']), text, content, signature, cs.signature);
  assert.ok(await verify(bytes(signed['signature'])));
  assert.ok(await verify(await signWithLabel(bytes(signed['priv']), text, content, cs.signature)));
});

vectors('key-schedule.json', async (data, cs) => {
  let initSecret = bytes(data['initial_init_secret']);
  for (const [at, epoch] of list(data['epochs']).entries()) {
    const context = {
      version: 'mls10' as const,
      cipherSuite: cs.name,
      groupId: bytes(data['group_id']),
      epoch: BigInt(at),
      treeHash: bytes(epoch['tree_hash']),
      confirmedTranscriptHash: bytes(epoch['confirmed_transcript_hash']),
      extensions: [],
    };
    assert.equal(hexOf(encodeGroupContext(context)), epoch['group_context']);
    const commitSecret = bytes(epoch['commit_secret']);
    const made = await initializeEpoch(initSecret, commitSecret, context, bytes(epoch['psk_secret']), cs.kdf);
    assert.equal(hexOf(made.joinerSecret), epoch['joiner_secret']);
    assert.equal(hexOf(made.welcomeSecret), epoch['welcome_secret']);
    assert.equal(hexOf(made.encryptionSecret), epoch['encryption_secret']);
    const { keySchedule: keys } = made;
    const named = {
      init_secret: keys.initSecret,
      sender_data_secret: keys.senderDataSecret,
      exporter_secret: keys.exporterSecret,
      external_secret: keys.externalSecret,
      confirmation_key: keys.confirmationKey,
      membership_key: keys.membershipKey,
      resumption_psk: keys.resumptionPsk,
      epoch_authenticator: keys.epochAuthenticator,
    };
    for (const [name, value] of Object.entries(named)) assert.equal(hexOf(value), epoch[name], name);
    const external = await cs.hpke.deriveKeyPair(keys.externalSecret);
    assert.equal(hexOf(await cs.hpke.exportPublicKey(external.publicKey)), epoch['external_pub']);
    const exporter = epoch['exporter'] as Vector;
    const exported = await mlsExporter(
      keys.exporterSecret,
      exporter['label'] as string,
      bytes(exporter['context']),
      number(exporter['length']),
      cs,
    );
    assert.equal(hexOf(exported), exporter['secret']);
    initSecret = keys.initSecret;
  }
});

vectors('psk_secret.json', async (data, cs) => {
  const psks = list(data['psks']).map(
    (psk) =>
      [
        { psktype: 'external' as const, pskId: bytes(psk['psk_id']), pskNonce: bytes(psk['psk_nonce']) },
        bytes(psk['psk']),
      ] as [{ psktype: 'external'; pskId: Uint8Array; pskNonce: Uint8Array }, Uint8Array],
  );
  assert.equal(hexOf(await computePskSecret(psks, cs)), data['psk_secret']);
});

const wide = { retainKeysForGenerations: 10, retainKeysForEpochs: 4, maximumForwardRatchetSteps: 10_000 };

vectors('secret-tree.json', async (data, cs) => {
  const sender = data['sender_data'] as Vector;
  const secret = bytes(sender['sender_data_secret']);
  const ciphertext = bytes(sender['ciphertext']);
  assert.equal(hexOf(await expandSenderDataKey(cs, secret, ciphertext)), sender['key']);
  assert.equal(hexOf(await expandSenderDataNonce(cs, secret, ciphertext)), sender['nonce']);
  const leaves = data['leaves'] as readonly (readonly Vector[])[];
  const tree = await createSecretTree(leaves.length, bytes(data['encryption_secret']), cs.kdf);
  for (const [leaf, generations] of leaves.entries()) {
    for (const expected of generations) {
      const generation = number(expected['generation']);
      for (const kind of ['handshake', 'application'] as const) {
        const node = tree[leaf * 2];
        assert.ok(node !== undefined);
        const [reached] = await ratchetUntil(node[kind], generation, wide, cs.kdf);
        assert.equal(hexOf(await deriveKey(reached.secret, generation, cs)), expected[`${kind}_key`]);
        assert.equal(hexOf(await deriveNonce(reached.secret, generation, cs)), expected[`${kind}_nonce`]);
      }
    }
  }
});

vectors('transcript-hashes.json', async (data, cs) => {
  const { content, auth, wireformat } = decoded(decodeAuthenticatedContent(bytes(data['authenticated_content']), 0));
  assert.ok(content.contentType === 'commit' && auth.contentType === 'commit');
  const confirmed = bytes(data['confirmed_transcript_hash_after']);
  assert.ok(await cs.hash.verifyMac(bytes(data['confirmation_key']), auth.confirmationTag, confirmed));
  const input = { wireformat, content, signature: auth.signature };
  const interim = bytes(data['interim_transcript_hash_before']);
  assert.deepEqual(await createConfirmedHash(interim, input, cs.hash), confirmed);
  const after = await createInterimHash(confirmed, auth.confirmationTag, cs.hash);
  assert.equal(hexOf(after), data['interim_transcript_hash_after']);
});

vectors('tree-operations.json', async (data, cs) => {
  const before = decoded(decodeRatchetTree(bytes(data['tree_before']), 0));
  assert.equal(hexOf(await treeHashRoot(before, cs.hash)), data['tree_hash_before']);
  const after = applied(decoded(decodeProposal(bytes(data['proposal']), 0)), before, number(data['proposal_sender']));
  assert.equal(hexOf(encodeRatchetTree(after)), data['tree_after']);
  assert.equal(hexOf(await treeHashRoot(after, cs.hash)), data['tree_hash_after']);
});

function applied(proposal: Proposal, tree: RatchetTree, sender: number): RatchetTree {
  switch (proposal.proposalType) {
    case 'add':
      return addLeafNode(tree, proposal.add.keyPackage.leafNode)[0];
    case 'update':
      return updateLeafNode(tree, proposal.update.leafNode, toLeafIndex(sender));
    case 'remove':
      return removeLeafNode(tree, toLeafIndex(proposal.remove.removed));
    default:
      return tree;
  }
}

vectors('tree-validation.json', async (data, cs) => {
  const tree = decoded(decodeRatchetTree(bytes(data['tree']), 0));
  for (const [at, hash] of (data['tree_hashes'] as string[]).entries())
    assert.equal(hexOf(await treeHash(tree, toNodeIndex(at), cs.hash)), hash);
  for (const [at, expected] of (data['resolutions'] as number[][]).entries())
    assert.deepEqual(resolution(tree, toNodeIndex(at)), expected);
  assert.ok(await verifyParentHashes(tree, cs.hash));
  for (const [at, node] of tree.entries()) {
    if (node?.nodeType !== 'leaf') continue;
    const index = nodeToLeafIndex(toNodeIndex(at));
    assert.ok(await verifyLeafNodeSignature(node.leaf, bytes(data['group_id']), index, cs.signature));
  }
});

vectors('treekem.json', async (data, cs) => {
  const tree = decoded(decodeRatchetTree(bytes(data['ratchet_tree']), 0));
  const context = {
    version: 'mls10' as const,
    cipherSuite: cs.name,
    groupId: bytes(data['group_id']),
    epoch: BigInt(number(data['epoch'])),
    treeHash: await treeHashRoot(tree, cs.hash),
    confirmedTranscriptHash: bytes(data['confirmed_transcript_hash']),
    extensions: [],
  };
  const leaves = list(data['leaves_private']);
  const paths = await Promise.all(
    leaves.map(async (leaf) => {
      const secrets = Object.fromEntries(
        list(leaf['path_secrets']).map((secret) => [number(secret['node']), bytes(secret['path_secret'])]),
      );
      const index = number(leaf['index']);
      const path = await toPrivateKeyPath(secrets, index, cs);
      return { ...path, privateKeys: { ...path.privateKeys, [index * 2]: bytes(leaf['encryption_priv']) } };
    }),
  );
  for (const update of list(data['update_paths'])) {
    const sender = number(update['sender']);
    const path = decoded(decodeUpdatePath(bytes(update['update_path']), 0));
    const after = await applyUpdatePath(tree, toLeafIndex(sender), path, cs.hash);
    const hash = await treeHashRoot(after, cs.hash);
    assert.equal(hexOf(hash), update['tree_hash_after']);
    const then = { ...context, treeHash: hash };
    const signing = bytes(leaves.find((leaf) => leaf['index'] === sender)?.['signature_priv']);
    const [tree2, path2, secrets2] = await createUpdatePath(after, toLeafIndex(sender), then, signing, cs);
    const commit2 = await deriveSecret(secrets2.at(-1)?.secret ?? new Uint8Array(0), 'path', cs.kdf);
    const then2 = { ...context, treeHash: await treeHashRoot(tree2, cs.hash), epoch: context.epoch + 1n };
    for (const own of paths) {
      if (own.leafIndex === sender) continue;
      const found = await applyUpdatePathSecret(tree, own, toLeafIndex(sender), then, path, [], cs);
      assert.equal(hexOf(found.pathSecret), (update['path_secrets'] as string[])[own.leafIndex]);
      const commit = await getCommitSecret(tree, found.nodeIndex, found.pathSecret, cs.kdf);
      assert.equal(hexOf(commit), update['commit_secret']);
      const fresh = await applyUpdatePathSecret(tree, own, toLeafIndex(sender), then2, path2, [], cs);
      assert.deepEqual(await getCommitSecret(tree, fresh.nodeIndex, fresh.pathSecret, cs.kdf), commit2);
    }
  }
});

vectors('welcome.json', async (data, cs) => {
  const message = decoded(decodeMlsMessage(bytes(data['welcome']), 0));
  const kp = decoded(decodeMlsMessage(bytes(data['key_package']), 0));
  assert.ok(message.wireformat === 'mls_welcome' && kp.wireformat === 'mls_key_package');
  const ref = await makeKeyPackageRef(kp.keyPackage, cs.hash);
  const init = await cs.hpke.importPrivateKey(bytes(data['init_priv']));
  const secrets = await decryptGroupSecrets(init, ref, message.welcome, cs.hpke);
  assert.ok(secrets !== undefined);
  const noPsk = new Uint8Array(cs.kdf.size);
  const info = await decryptGroupInfo(message.welcome, secrets.joinerSecret, noPsk, cs);
  assert.ok(info !== undefined);
  assert.ok(await verifyGroupInfoSignature(info, bytes(data['signer_pub']), cs.signature));
  assert.ok(await verifyGroupInfoConfirmationTag(info, secrets.joinerSecret, noPsk, cs));
});

const leafOne: RatchetTree = [
  undefined,
  undefined,
  {
    nodeType: 'leaf',
    leaf: {
      leafNodeSource: 'commit',
      hpkePublicKey: new Uint8Array(0),
      signaturePublicKey: new Uint8Array(0),
      capabilities: { versions: ['mls10'], ciphersuites: [], extensions: [], proposals: [], credentials: ['basic'] },
      parentHash: new Uint8Array(0),
      extensions: [],
      signature: new Uint8Array(0),
      credential: { credentialType: 'basic', identity: new Uint8Array(0) },
    },
  },
];

vectors('message-protection.json', async (data, cs) => {
  const context = {
    version: 'mls10' as const,
    cipherSuite: cs.name,
    groupId: bytes(data['group_id']),
    epoch: BigInt(number(data['epoch'])),
    treeHash: bytes(data['tree_hash']),
    confirmedTranscriptHash: bytes(data['confirmed_transcript_hash']),
    extensions: [],
  };
  const signer = bytes(data['signature_pub']);
  const signing = bytes(data['signature_priv']);
  const sender = bytes(data['sender_data_secret']);
  const membership = bytes(data['membership_key']);
  const secretTree = () => createSecretTree(2, bytes(data['encryption_secret']), cs.kdf);
  const unprotect = async (message: Parameters<typeof unprotectPrivateMessage>[1]) =>
    (await unprotectPrivateMessage(sender, message, await secretTree(), leafOne, context, wide, cs, signer)).content
      .content;
  const inPrivate = (field: string) => {
    const message = decoded(decodeMlsMessage(bytes(data[field]), 0));
    assert.ok(message.wireformat === 'mls_private_message');
    return unprotect(message.privateMessage);
  };
  const inPublic = async (field: string) => {
    const message = decoded(decodeMlsMessage(bytes(data[field]), 0));
    assert.ok(message.wireformat === 'mls_public_message');
    return (await unprotectPublicMessage(membership, context, [], message.publicMessage, cs, signer)).content;
  };
  for (const content of [await inPrivate('proposal_priv'), await inPublic('proposal_pub')]) {
    assert.ok(content.contentType === 'proposal');
    assert.equal(hexOf(encodeProposal(content.proposal)), data['proposal']);
  }
  for (const content of [await inPrivate('commit_priv'), await inPublic('commit_pub')]) {
    assert.ok(content.contentType === 'commit');
    assert.equal(hexOf(encodeCommit(content.commit)), data['commit']);
  }
  const application = await inPrivate('application_priv');
  assert.ok(application.contentType === 'application');
  assert.equal(hexOf(application.applicationData), data['application']);

  const none = new Uint8Array(0);
  const padding = { kind: 'alwaysPad', paddingLength: 0 } as const;
  const plaintext = bytes(data['application']);
  const tree = await secretTree();
  const sent = await protectApplicationData(signing, sender, plaintext, none, context, tree, 1, padding, cs);
  const read = await unprotect(sent.privateMessage);
  assert.ok(read.contentType === 'application' && hexOf(read.applicationData) === data['application']);
  const proposal = decoded(decodeProposal(bytes(data['proposal']), 0));
  const proposed = await protectProposal(signing, sender, proposal, none, context, await secretTree(), 1, padding, cs);
  assert.equal((await unprotect(proposed.privateMessage)).contentType, 'proposal');
  const open = await protectProposalPublic(signing, membership, context, none, proposal, 1, cs);
  const reread = await unprotectPublicMessage(membership, context, [], open.publicMessage, cs, signer);
  assert.equal(reread.content.contentType, 'proposal');
});

for (const file of ['passive-client-welcome.json', 'passive-client-handling-commit.json', 'passive-client-random.json'])
  vectors(file, followGroup);

async function followGroup(data: Vector, cs: CiphersuiteImpl): Promise<void> {
  const kp = decoded(decodeMlsMessage(bytes(data['key_package']), 0));
  const welcome = decoded(decodeMlsMessage(bytes(data['welcome']), 0));
  assert.ok(kp.wireformat === 'mls_key_package' && welcome.wireformat === 'mls_welcome');
  const secrets = list(data['external_psks']).map((psk) => [bytesToBase64(bytes(psk['psk_id'])), bytes(psk['psk'])]);
  const psks = Object.fromEntries(secrets) as Record<string, Uint8Array>;
  const tree = data['ratchet_tree'];
  const privateKeys = {
    hpkePrivateKey: bytes(data['encryption_priv']),
    initPrivateKey: bytes(data['init_priv']),
    signaturePrivateKey: bytes(data['signature_priv']),
  };
  let state = await joinGroup(
    welcome.welcome,
    kp.keyPackage,
    privateKeys,
    makePskIndex(undefined, psks),
    cs,
    tree === null ? undefined : decoded(decodeRatchetTree(bytes(tree), 0)),
  );
  assert.equal(hexOf(state.keySchedule.epochAuthenticator), data['initial_epoch_authenticator']);
  for (const epoch of list(data['epochs'])) {
    for (const message of [...(epoch['proposals'] as string[]), epoch['commit'] as string])
      state = await processed(state, bytes(message), makePskIndex(state, psks), cs);
    assert.equal(hexOf(state.keySchedule.epochAuthenticator), epoch['epoch_authenticator']);
  }
}

async function processed(
  state: ClientState,
  bytes: Uint8Array,
  psks: PskIndex,
  cs: CiphersuiteImpl,
): Promise<ClientState> {
  const message = decoded(decodeMlsMessage(bytes, 0));
  if (message.wireformat === 'mls_public_message')
    return (await processPublicMessage(state, message.publicMessage, psks, cs, acceptAll)).newState;
  assert.ok(message.wireformat === 'mls_private_message');
  return (await processPrivateMessage(state, message.privateMessage, psks, cs, acceptAll)).newState;
}

test("the working group's messages.json are decoded and encoded to the same bytes", { skip }, (t: TestContext) => {
  let ran = 0;
  for (const data of casesIn('messages.json')) {
    for (const field of [
      'mls_welcome',
      'mls_group_info',
      'mls_key_package',
      'public_message_application',
      'public_message_proposal',
      'public_message_commit',
      'private_message',
    ])
      assert.equal(hexOf(encodeMlsMessage(decoded(decodeMlsMessage(bytes(data[field]), 0)))), data[field]);
    assert.equal(
      hexOf(encodeRatchetTree(decoded(decodeRatchetTree(bytes(data['ratchet_tree']), 0)))),
      data['ratchet_tree'],
    );
    assert.equal(
      hexOf(encodeGroupSecrets(decoded(decodeGroupSecrets(bytes(data['group_secrets']), 0)))),
      data['group_secrets'],
    );
    assert.equal(hexOf(encodeCommit(decoded(decodeCommit(bytes(data['commit']), 0)))), data['commit']);
    ran += 1;
  }
  assert.ok(ran > 0);
  t.diagnostic(`${ran} run`);
});

test("the working group's deserialization.json and tree-math.json hold", { skip }, (t: TestContext) => {
  const headers = casesIn('deserialization.json');
  for (const data of headers) assert.equal(determineLength(bytes(data['vlbytes_header'])).length, data['length']);
  const trees = casesIn('tree-math.json');
  for (const data of trees) {
    const leaves = number(data['n_leaves']);
    assert.equal(nodeWidth(leaves), data['n_nodes']);
    assert.equal(root(leaves), data['root']);
    const relatives = { left, right, parent: (node: number) => parent(toNodeIndex(node), leaves) };
    const siblingOf = (node: number): number => sibling(toNodeIndex(node), leaves);
    for (const [name, relative] of Object.entries({ ...relatives, sibling: siblingOf })) {
      for (const [at, expected] of (data[name] as (number | null)[]).entries()) {
        if (expected === null) assert.throws(() => relative(toNodeIndex(at)));
        else assert.equal(relative(toNodeIndex(at)), expected);
      }
    }
  }
  assert.ok(headers.length > 0 && trees.length > 0);
  t.diagnostic(`${headers.length} and ${trees.length} run`);
});
