/** Goal: every structure of the wire is read and written back to the same bytes, and protected messages open. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reader } from '../src/codec/reader.ts';
import { decode } from '../src/codec/reader.ts';
import { encode } from '../src/codec/writer.ts';
import { decryptWithLabel } from '../src/crypto/labels.ts';
import { suiteOf } from '../src/crypto/suite.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import type { AuthenticatedContent } from '../src/framing/authenticated-content.ts';
import { contentSignatureVerifies, signContent } from '../src/framing/authenticated-content.ts';
import type { Body } from '../src/framing/content.ts';
import { readContentType, writeBody, readBody } from '../src/framing/content.ts';
import { decodeMessage, encodeMessage } from '../src/framing/message.ts';
import { protect, unprotect } from '../src/framing/private-message.ts';
import { demandMembership, membershipTag } from '../src/framing/public-message.ts';
import { openSenderData } from '../src/framing/sender-data.ts';
import { readCommit, writeCommit } from '../src/group/commit-structure.ts';
import { groupInfoVerifies, readGroupInfo } from '../src/group/group-info.ts';
import { keyPackageRef } from '../src/group/key-package.ts';
import type { Proposal } from '../src/group/proposal.ts';
import { proposalRules, readProposal, writeProposal } from '../src/group/proposal.ts';
import { encodeGroupSecrets, readGroupSecrets } from '../src/group/welcome-structure.ts';
import { encodeGroupContext } from '../src/schedule/group-context.ts';
import { epochOf, mac, welcomeKey } from '../src/schedule/key-schedule.ts';
import { pskSecret } from '../src/schedule/psk.ts';
import { secretTreeOf, takeAt, takeNext } from '../src/schedule/secret-tree.ts';
import { decodeTree, encodeTree } from '../src/tree/tree-extension.ts';
import { entropy } from './entropy.ts';
import { eachOfOurs, hex, toHex, vectorsOf } from './vectors.ts';

const proposalFields: Readonly<Record<Proposal['kind'], string>> = {
  add: 'add_proposal',
  update: 'update_proposal',
  remove: 'remove_proposal',
  psk: 'pre_shared_key_proposal',
  reinit: 're_init_proposal',
  'external-init': 'external_init_proposal',
  'group-context-extensions': 'group_context_extensions_proposal',
};

test('every message is written back to the bytes it was read from (messages)', (t) => {
  const vectors = vectorsOf<Record<string, string>>(t, 'messages');
  if (vectors === undefined) return;
  assert.equal(vectors.length, 300);
  const suite = suiteOf(nodeProvider, 1);
  let count = 0;
  const messages = [
    'mls_welcome',
    'mls_group_info',
    'mls_key_package',
    'public_message_application',
    'public_message_proposal',
    'public_message_commit',
    'private_message',
  ];
  for (const vector of vectors) {
    const bytesOf = (field: string): Uint8Array => hex(vector[field] ?? assert.fail(field));
    for (const field of messages) {
      assert.equal(toHex(encodeMessage(decodeMessage(bytesOf(field)))), vector[field], field);
      count++;
    }
    for (const kind of Object.keys(proposalFields) as Proposal['kind'][]) {
      const field = proposalFields[kind];
      const bytes = encode((w) => w.u16(proposalRules[kind].type).raw(bytesOf(field)));
      const proposal = decode(bytes, readProposal);
      assert.deepEqual(
        encode((w) => writeProposal(w, proposal)),
        bytes,
        field,
      );
      count++;
    }
    const commit = decode(bytesOf('commit'), readCommit);
    assert.equal(toHex(encode((w) => writeCommit(w, commit))), vector['commit']);
    assert.equal(toHex(encodeTree(decodeTree(suite, bytesOf('ratchet_tree')))), vector['ratchet_tree']);
    assert.equal(
      toHex(encodeGroupSecrets(decode(bytesOf('group_secrets'), readGroupSecrets))),
      vector['group_secrets'],
    );
    count += 3;
  }
  assert.equal(count, 300 * 17);
  t.diagnostic(`messages: 300 vectors, ${count} structures`);
});

interface Protection {
  readonly cipher_suite: number;
  readonly group_id: string;
  readonly epoch: number;
  readonly tree_hash: string;
  readonly confirmed_transcript_hash: string;
  readonly signature_priv: string;
  readonly signature_pub: string;
  readonly encryption_secret: string;
  readonly sender_data_secret: string;
  readonly membership_key: string;
  readonly proposal: string;
  readonly proposal_priv: string;
  readonly proposal_pub: string;
  readonly commit: string;
  readonly commit_priv: string;
  readonly commit_pub: string;
  readonly application: string;
  readonly application_priv: string;
}

test('messages of the working group open, and ours open again (message-protection)', (t) => {
  eachOfOurs<Protection>(t, 'message-protection', 2, (vector, suite) => {
    const groupId = hex(vector.group_id);
    const epoch = BigInt(vector.epoch);
    const context = encodeGroupContext({
      suite: suite.id,
      groupId,
      epoch,
      treeHash: hex(vector.tree_hash),
      confirmedTranscriptHash: hex(vector.confirmed_transcript_hash),
      extensions: [],
    });
    const membershipKey = hex(vector.membership_key);
    const secret = hex(vector.sender_data_secret);
    const publicKey = hex(vector.signature_pub);
    const freshTree = () => secretTreeOf(suite, { leafCount: 2, encryption: hex(vector.encryption_secret) });
    const window = { backMax: 256, forwardMax: 2000 };

    const open = (bytes: Uint8Array): AuthenticatedContent => {
      const message = decodeMessage(bytes);
      if (message.kind === 'public-message') {
        const { message: content, membershipTag: tag } = message.publicMessage;
        demandMembership(suite, tag, { message: content, context, membershipKey });
        return content;
      }
      assert.ok(message.kind === 'private-message');
      const { privateMessage } = message;
      const { ciphertext } = privateMessage;
      const data = openSenderData(suite, privateMessage.sealedSenderData, { secret, ciphertext, head: privateMessage });
      const kind = privateMessage.contentType === 'application' ? 'application' : 'handshake';
      const key = takeAt(freshTree(), { leaf: data.leaf, kind, generation: data.generation, window });
      return unprotect(suite, { message: privateMessage, senderData: data, key });
    };
    const bodyBytes = (body: Body): string =>
      body.kind === 'application' ? toHex(body.data) : toHex(encode((w) => writeBody(w, body)));

    const cases = [
      ['proposal', vector.proposal, [vector.proposal_priv, vector.proposal_pub]],
      ['commit', vector.commit, [vector.commit_priv, vector.commit_pub]],
      ['application', vector.application, [vector.application_priv]],
    ] as const;
    for (const [kind, raw, protectedOnes] of cases) {
      for (const bytes of protectedOnes) {
        const opened = open(hex(bytes));
        assert.equal(bodyBytes(opened.content.body), raw);
        assert.ok(contentSignatureVerifies(suite, { message: opened, context, publicKey }));
      }
      const body: Body = kind === 'application' ? { kind, data: hex(raw) } : decode(hex(raw), (r) => readBody(r, kind));
      const sender = { kind: 'member', leaf: 1 } as const;
      const content = { groupId, epoch, sender, authenticatedData: hex('0102'), body };
      for (const format of ['public', 'private'] as const) {
        if (kind === 'application' && format === 'public') continue;
        const signature = signContent(suite, { format, content, context }, hex(vector.signature_priv));
        const confirmationTag = kind === 'commit' ? hex('aa'.repeat(32)) : undefined;
        const auth = { signature, confirmationTag };
        const message: AuthenticatedContent = { format, content, auth };
        const key = takeNext(freshTree(), { leaf: 1, kind: kind === 'application' ? 'application' : 'handshake' });
        const bytes =
          format === 'public'
            ? encodeMessage({
                kind: 'public-message',
                publicMessage: { message, membershipTag: membershipTag(suite, { message, context, membershipKey }) },
              })
            : encodeMessage({
                kind: 'private-message',
                privateMessage: protect(suite, { message, key, senderDataSecret: secret, padding: () => 10, entropy }),
              });
        const again = open(bytes);
        assert.deepEqual(again, message);
        assert.ok(contentSignatureVerifies(suite, { message: again, context, publicKey }));
      }
    }
  });
});

test('a content type is one of three', () => {
  assert.throws(() => decode(hex('04'), (reader: Reader) => readContentType(reader)), { code: 'malformed' });
});

interface WelcomeVector {
  readonly cipher_suite: number;
  readonly init_priv: string;
  readonly signer_pub: string;
  readonly key_package: string;
  readonly welcome: string;
}

test('a welcome opens and its GroupInfo verifies (welcome)', (t) => {
  eachOfOurs<WelcomeVector>(t, 'welcome', 2, (vector, suite) => {
    const packaged = decodeMessage(hex(vector.key_package));
    const welcomed = decodeMessage(hex(vector.welcome));
    assert.ok(packaged.kind === 'key-package' && welcomed.kind === 'welcome');
    const { keyPackage } = packaged;
    const { welcome } = welcomed;
    const reference = toHex(keyPackageRef(suite, keyPackage));
    const mine = welcome.secrets.find(({ newMember }) => toHex(newMember) === reference);
    assert.ok(mine);
    const pair = { privateKey: hex(vector.init_priv), publicKey: keyPackage.initKey };
    const opened = decryptWithLabel(suite, {
      ...mine.sealed,
      pair,
      label: 'Welcome',
      context: welcome.sealedGroupInfo,
    });
    const { joiner } = decode(opened, readGroupSecrets);
    const psk = pskSecret(suite, []);
    const { key, nonce } = welcomeKey(suite, { joiner, psk });
    const bytes = suite.provider.open(suite.aead, { key, nonce, aad: hex(''), ciphertext: welcome.sealedGroupInfo });
    assert.ok(bytes);
    const info = decode(bytes, readGroupInfo);
    assert.ok(groupInfoVerifies(suite, info, hex(vector.signer_pub)));
    const { secrets } = epochOf(suite, { joiner, psk, context: encodeGroupContext(info.context) });
    const tag = mac(suite, secrets.confirmation, info.context.confirmedTranscriptHash);
    assert.deepEqual(tag, info.confirmationTag);
  });
});
