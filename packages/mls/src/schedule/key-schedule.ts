/** The key schedule (RFC 9420 §8): from the last epoch's init secret to all secrets of the next. */
import { EMPTY, utf8, wipeAll } from '../codec/bytes.ts';
import { extract } from '../crypto/hkdf.ts';
import { AEAD_NONCE_BYTES, hpkeReceiveExport, hpkeSendExport } from '../crypto/hpke.ts';
import { deriveSecret, expandWithLabel } from '../crypto/labels.ts';
import type { Entropy, KeyPair } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';

/** Table 4 of the RFC, without the encryption secret, which lives in the secret tree. Each of Nh bytes. */
export interface EpochSecrets {
  readonly senderData: Uint8Array;
  readonly exporter: Uint8Array;
  readonly external: Uint8Array;
  readonly confirmation: Uint8Array;
  readonly membership: Uint8Array;
  readonly resumption: Uint8Array;
  readonly authenticator: Uint8Array;
  readonly init: Uint8Array;
}

export interface NewEpoch {
  readonly secrets: EpochSecrets;
  /** Root of the secret tree (§9). */
  readonly encryption: Uint8Array;
}

export interface JoinerInput {
  readonly initSecret: Uint8Array;
  /** All zeros for a commit without a path. */
  readonly commitSecret: Uint8Array;
  /** Encoded, of the new epoch. */
  readonly context: Uint8Array;
}

export function joinerSecret(suite: Suite, { initSecret, commitSecret, context }: JoinerInput): Uint8Array {
  const secret = extract(suite, { salt: initSecret, ikm: commitSecret });
  const joiner = expandWithLabel(suite, { secret, label: 'joiner', context, length: suite.hashBytes });
  secret.fill(0);
  return joiner;
}

interface MemberInput {
  readonly joiner: Uint8Array;
  readonly psk: Uint8Array;
}

/** Key and nonce that seal the GroupInfo of a welcome (§12.4.3.1). */
export function welcomeKey(
  suite: Suite,
  { joiner, psk }: MemberInput,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const member = extract(suite, { salt: joiner, ikm: psk });
  const secret = deriveSecret(suite, member, 'welcome');
  const key = expandWithLabel(suite, { secret, label: 'key', context: EMPTY, length: suite.keyBytes });
  const nonce = expandWithLabel(suite, { secret, label: 'nonce', context: EMPTY, length: AEAD_NONCE_BYTES });
  wipeAll([member, secret]);
  return { key, nonce };
}

export function epochOf(suite: Suite, input: MemberInput & { readonly context: Uint8Array }): NewEpoch {
  const member = extract(suite, { salt: input.joiner, ikm: input.psk });
  const { context } = input;
  const epoch = expandWithLabel(suite, { secret: member, label: 'epoch', context, length: suite.hashBytes });
  member.fill(0);
  return epochFromSecret(suite, epoch);
}

/** Takes the epoch secret over and wipes it. */
export function epochFromSecret(suite: Suite, epoch: Uint8Array): NewEpoch {
  const derive = (label: string): Uint8Array => deriveSecret(suite, epoch, label);
  const made = {
    secrets: {
      senderData: derive('sender data'),
      exporter: derive('exporter'),
      external: derive('external'),
      confirmation: derive('confirm'),
      membership: derive('membership'),
      resumption: derive('resumption'),
      authenticator: derive('authentication'),
      init: derive('init'),
    },
    encryption: derive('encryption'),
  };
  epoch.fill(0);
  return made;
}

export function mac(suite: Suite, key: Uint8Array, data: Uint8Array): Uint8Array {
  return suite.provider.hmac(suite.hash, key, data);
}

/** The key pair all members hold together, to which an external commit speaks. */
export function externalPair(suite: Suite, secrets: EpochSecrets): KeyPair {
  return suite.kem.derive(secrets.external);
}

const EXTERNAL_INIT = utf8('MLS 1.0 external init secret');

/** §8.3, at the joiner. `malformed` for a public key that is none. */
export function sendExternalInit(
  suite: Suite,
  input: { readonly publicKey: Uint8Array; readonly entropy: Entropy },
): { readonly output: Uint8Array; readonly initSecret: Uint8Array } {
  const sent = hpkeSendExport(suite, { ...input, context: EXTERNAL_INIT });
  if (sent === undefined) throw new MlsError('malformed', 'external_pub');
  return { output: sent.output, initSecret: sent.secret };
}

/** §8.3, at a member. */
export function receiveExternalInit(suite: Suite, secrets: EpochSecrets, output: Uint8Array): Uint8Array {
  const pair = externalPair(suite, secrets);
  const secret = hpkeReceiveExport(suite, { pair, output, context: EXTERNAL_INIT });
  pair.privateKey.fill(0);
  if (secret === undefined) throw new MlsError('invalid-proposal', 'kem_output, §12.1.6');
  return secret;
}

/** MLS-Exporter (§8.5). */
export function exportSecret(
  suite: Suite,
  exporter: Uint8Array,
  input: { readonly label: string; readonly context: Uint8Array; readonly length: number },
): Uint8Array {
  const secret = deriveSecret(suite, exporter, input.label);
  const context = suite.provider.hash(suite.hash, input.context);
  const exported = expandWithLabel(suite, { secret, label: 'exported', context, length: input.length });
  secret.fill(0);
  return exported;
}
