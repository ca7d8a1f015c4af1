/** Goal: key schedule, PSKs, transcript hashes and secret tree agree with the working group's vectors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../src/codec/reader.ts';
import type { Reader } from '../src/codec/reader.ts';
import { utf8 } from '../src/codec/bytes.ts';
import { readAuthentication, transcriptInput } from '../src/framing/authenticated-content.ts';
import { readContent } from '../src/framing/content.ts';
import { senderDataKey } from '../src/framing/sender-data.ts';
import { encodeGroupContext } from '../src/schedule/group-context.ts';
import { epochOf, exportSecret, externalPair, joinerSecret, mac } from '../src/schedule/key-schedule.ts';
import { pskSecret } from '../src/schedule/psk.ts';
import { secretTreeOf, takeAt } from '../src/schedule/secret-tree.ts';
import { confirmedTranscriptHash, interimTranscriptHash } from '../src/schedule/transcript.ts';
import { deriveSecret } from '../src/crypto/labels.ts';
import { extract } from '../src/crypto/hkdf.ts';
import { eachOfOurs, hex, toHex } from './vectors.ts';

type Names =
  | 'commit_secret'
  | 'psk_secret'
  | 'confirmed_transcript_hash'
  | 'tree_hash'
  | 'group_context'
  | 'joiner_secret'
  | 'welcome_secret'
  | 'init_secret'
  | 'sender_data_secret'
  | 'encryption_secret'
  | 'exporter_secret'
  | 'epoch_authenticator'
  | 'external_secret'
  | 'confirmation_key'
  | 'membership_key'
  | 'resumption_psk'
  | 'external_pub';

interface KeySchedule {
  readonly cipher_suite: number;
  readonly group_id: string;
  readonly initial_init_secret: string;
  readonly epochs: readonly (Record<Names, string> & {
    readonly exporter: Record<'label' | 'context' | 'secret', string> & { readonly length: number };
  })[];
}

test('every secret of every epoch is the working group’s (key-schedule)', (t) => {
  eachOfOurs<KeySchedule>(t, 'key-schedule', 2, (vector, suite) => {
    let initSecret = hex(vector.initial_init_secret);
    vector.epochs.forEach((epoch, number) => {
      const context = encodeGroupContext({
        suite: suite.id,
        groupId: hex(vector.group_id),
        epoch: BigInt(number),
        treeHash: hex(epoch.tree_hash),
        confirmedTranscriptHash: hex(epoch.confirmed_transcript_hash),
        extensions: [],
      });
      assert.equal(toHex(context), epoch.group_context);
      const joiner = joinerSecret(suite, { initSecret, commitSecret: hex(epoch.commit_secret), context });
      assert.equal(toHex(joiner), epoch.joiner_secret);
      const psk = hex(epoch.psk_secret);
      const member = extract(suite, { salt: joiner, ikm: psk });
      assert.equal(toHex(deriveSecret(suite, member, 'welcome')), epoch.welcome_secret);
      const { secrets, encryption } = epochOf(suite, { joiner, psk, context });
      assert.equal(toHex(secrets.init), epoch.init_secret);
      assert.equal(toHex(secrets.senderData), epoch.sender_data_secret);
      assert.equal(toHex(encryption), epoch.encryption_secret);
      assert.equal(toHex(secrets.exporter), epoch.exporter_secret);
      assert.equal(toHex(secrets.authenticator), epoch.epoch_authenticator);
      assert.equal(toHex(secrets.external), epoch.external_secret);
      assert.equal(toHex(secrets.confirmation), epoch.confirmation_key);
      assert.equal(toHex(secrets.membership), epoch.membership_key);
      assert.equal(toHex(secrets.resumption), epoch.resumption_psk);
      assert.equal(toHex(externalPair(suite, secrets).publicKey), epoch.external_pub);
      const { label, context: about, length, secret } = epoch.exporter;
      assert.equal(toHex(exportSecret(suite, secrets.exporter, { label, context: hex(about), length })), secret);
      initSecret = secrets.init;
    });
  });
});

interface PskSecret {
  readonly cipher_suite: number;
  readonly psks: readonly Record<'psk_id' | 'psk_nonce' | 'psk', string>[];
  readonly psk_secret: string;
}

test('pre-shared keys are mixed in order (psk_secret)', (t) => {
  eachOfOurs<PskSecret>(t, 'psk_secret', 22, (vector, suite) => {
    const psks = vector.psks.map((psk) => ({
      id: { kind: 'external', id: hex(psk.psk_id), nonce: hex(psk.psk_nonce) } as const,
      secret: hex(psk.psk),
    }));
    assert.equal(toHex(pskSecret(suite, psks)), vector.psk_secret);
  });
});

interface Transcript {
  readonly cipher_suite: number;
  readonly confirmation_key: string;
  readonly authenticated_content: string;
  readonly interim_transcript_hash_before: string;
  readonly confirmed_transcript_hash_after: string;
  readonly interim_transcript_hash_after: string;
}

test('commits enter the transcript hashes (transcript-hashes)', (t) => {
  eachOfOurs<Transcript>(t, 'transcript-hashes', 2, (vector, suite) => {
    const { content, auth, format } = decode(hex(vector.authenticated_content), (reader: Reader) => {
      const wireFormat = reader.u16();
      const read = readContent(reader);
      return {
        format: wireFormat === 1 ? ('public' as const) : ('private' as const),
        content: read,
        auth: readAuthentication(reader, read.body.kind),
      };
    });
    const confirmed = confirmedTranscriptHash(suite, {
      interimBefore: hex(vector.interim_transcript_hash_before),
      commit: transcriptInput({ format, content }, auth.signature),
    });
    assert.equal(toHex(confirmed), vector.confirmed_transcript_hash_after);
    const tag = auth.confirmationTag ?? utf8('');
    assert.deepEqual(mac(suite, hex(vector.confirmation_key), confirmed), tag);
    const interim = interimTranscriptHash(suite, { confirmed, confirmationTag: tag });
    assert.equal(toHex(interim), vector.interim_transcript_hash_after);
  });
});

interface SecretTreeVector {
  readonly cipher_suite: number;
  readonly encryption_secret: string;
  readonly sender_data: Record<'sender_data_secret' | 'ciphertext' | 'key' | 'nonce', string>;
  readonly leaves: readonly (readonly (Record<
    'application_key' | 'application_nonce' | 'handshake_key' | 'handshake_nonce',
    string
  > & { readonly generation: number })[])[];
}

test('every sender has the working group’s keys, in order and out of order (secret-tree)', (t) => {
  eachOfOurs<SecretTreeVector>(t, 'secret-tree', 6, (vector, suite) => {
    const { sender_data: data } = vector;
    const made = senderDataKey(suite, { secret: hex(data.sender_data_secret), ciphertext: hex(data.ciphertext) });
    assert.equal(toHex(made.key), data.key);
    assert.equal(toHex(made.nonce), data.nonce);
    const window = { backMax: 256, forwardMax: 2000 };
    for (const order of ['forwards', 'backwards']) {
      let tree = secretTreeOf(suite, { leafCount: vector.leaves.length, encryption: hex(vector.encryption_secret) });
      vector.leaves.forEach((generations, leaf) => {
        for (const expected of order === 'forwards' ? generations : generations.toReversed()) {
          for (const kind of ['application', 'handshake'] as const) {
            const key = takeAt(tree, { leaf, kind, generation: expected.generation, window });
            assert.equal(toHex(key.key), expected[`${kind}_key`]);
            assert.equal(toHex(key.nonce), expected[`${kind}_nonce`]);
            ({ tree } = key);
          }
        }
      });
    }
  });
});
