/** Goal: a client that only listens follows the working group's groups and arrives at their authenticators. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '../src/framing/message.ts';
import { joinGroup } from '../src/group/join.ts';
import type { Policy } from '../src/group/policy.ts';
import { receive } from '../src/group/receive.ts';
import { mergeCommit } from '../src/group/stage-commit.ts';
import type { PskId } from '../src/schedule/psk.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { eachOfOurs, hex, toHex } from './vectors.ts';

interface PassiveClient {
  readonly cipher_suite: number;
  readonly key_package: string;
  readonly signature_priv: string;
  readonly encryption_priv: string;
  readonly init_priv: string;
  readonly welcome: string;
  readonly ratchet_tree: string | null;
  readonly initial_epoch_authenticator: string;
  readonly external_psks: readonly { readonly psk_id: string; readonly psk: string }[];
  readonly epochs: readonly {
    readonly proposals: readonly string[];
    readonly commit: string;
    readonly epoch_authenticator: string;
  }[];
}

const anything: Policy = { lifetimeMax: 2n ** 64n, credential: () => true, change: () => true };

function follow(vector: PassiveClient, suite: Suite): number {
  const packaged = decodeMessage(hex(vector.key_package));
  assert.ok(packaged.kind === 'key-package');
  const { keyPackage } = packaged;
  const { source } = keyPackage.leaf;
  assert.ok(source.kind === 'key-package');
  const judge = { policy: anything, now: source.lifetime.notBefore };
  const psks = (id: PskId): Uint8Array | undefined => {
    if (id.kind !== 'external') return undefined;
    const known = vector.external_psks.find((psk) => psk.psk_id === toHex(id.id));
    return known && hex(known.psk);
  };
  const secrets = { initKey: hex(vector.init_priv), encryptionKey: hex(vector.encryption_priv) };
  const tree = vector.ratchet_tree === null ? {} : { tree: hex(vector.ratchet_tree) };
  let { state } = joinGroup(suite, { ...judge, welcome: hex(vector.welcome), keyPackage, secrets, psks, ...tree });
  assert.equal(toHex(state.secrets.authenticator), vector.initial_epoch_authenticator);
  for (const epoch of vector.epochs) {
    for (const message of epoch.proposals) {
      const received = receive(state, { ...judge, message: hex(message), psks, publicHandshakes: 'accept' });
      assert.ok(received.kind === 'proposal');
      ({ state } = received);
    }
    const staged = receive(state, { ...judge, message: hex(epoch.commit), psks, publicHandshakes: 'accept' });
    assert.ok(staged.kind === 'commit');
    ({ state } = mergeCommit(state, staged));
    assert.equal(toHex(state.secrets.authenticator), epoch.epoch_authenticator);
  }
  return vector.epochs.length;
}

for (const [name, atLeast] of [
  ['passive-client-welcome', 16],
  ['passive-client-handling-commit', 26],
  ['passive-client-random', 1],
] as const)
  test(`a listening client keeps up with the group (${name})`, (t) => {
    let epochs = 0;
    eachOfOurs<PassiveClient>(t, name, atLeast, (vector, suite) => {
      epochs += follow(vector, suite);
    });
    t.diagnostic(`${name}: ${epochs} epochs`);
  });
