/** Goal: the primitives under conversations are the same to every member, whatever is installed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sodiumEd25519 } from '@securechat/crypto';
import { judgesAlike } from '@securechat/mls';
import { nodeProvider } from '@securechat/mls/node';
import { provider } from '../src/mls/provider.ts';
import { entropy } from './people.ts';

test("Node's signatures and those in use are judged alike, and each verifies the other's", () => {
  assert.equal(provider.ed25519, sodiumEd25519 ?? nodeProvider.ed25519);
  for (const { ed25519 } of [provider, nodeProvider]) assert.equal(judgesAlike(ed25519), true);
  for (const [signer, verifier] of [
    [provider, nodeProvider],
    [nodeProvider, provider],
  ] as const) {
    const [seed, message] = [entropy(32), entropy(200)];
    const signature = signer.ed25519.sign(seed, message);
    assert.equal(verifier.ed25519.verify(signer.ed25519.publicOf(seed), message, signature), true);
    assert.equal(verifier.ed25519.verify(signer.ed25519.publicOf(seed), message.subarray(1), signature), false);
  }
});
