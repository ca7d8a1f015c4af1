/** A key package by itself, as downloaded or uploaded (RFC 9420 §10.1). */
import type { Suite } from '../crypto/suite.ts';
import { MlsError, demand } from '../errors.ts';
import { decodeMessage } from '../framing/message.ts';
import type { KeyPackage } from './key-package.ts';
import { validateKeyPackage } from './key-package.ts';
import type { Judgement } from './policy.ts';
import { demandLifetime, validateLeafAlone } from './validate-leaf.ts';

/**
 * Reads a KeyPackage message and verifies what depends neither on a group nor on time or policy: signatures, suite,
 * sizes, capabilities. Errors: `malformed`, `wrong-kind`, `unsupported`, `invalid-key-package`, `invalid-leaf`,
 * `bad-signature`.
 */
export function readVerifiedKeyPackage(suite: Suite, message: Uint8Array): KeyPackage {
  const decoded = decodeMessage(message);
  if (decoded.kind !== 'key-package') throw new MlsError('wrong-kind', decoded.kind);
  const { keyPackage } = decoded;
  validateKeyPackage(suite, keyPackage);
  validateLeafAlone(suite, { leaf: keyPackage.leaf, groupExtensions: [] });
  return keyPackage;
}

/** As `readVerifiedKeyPackage`, and of now and by policy: `expired`, `refused-credential` besides. */
export function checkKeyPackage(suite: Suite, message: Uint8Array, { policy, now }: Judgement): KeyPackage {
  const keyPackage = readVerifiedKeyPackage(suite, message);
  const { leaf } = keyPackage;
  if (leaf.source.kind === 'key-package') demandLifetime(leaf.source.lifetime, { now, max: policy.lifetimeMax });
  demand(policy.credential({ leaf, previous: undefined }), 'refused-credential');
  return keyPackage;
}
