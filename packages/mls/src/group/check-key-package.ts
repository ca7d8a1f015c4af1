/** A key package by itself, as downloaded or uploaded (RFC 9420 §10.1). */
import type { Suite } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';
import { decodeMessage } from '../framing/message.ts';
import type { KeyPackage } from './key-package.ts';
import { validateKeyPackage } from './key-package.ts';
import type { Judgement } from './policy.ts';
import { validateLeaf } from './validate-leaf.ts';

/**
 * Reads a KeyPackage message and verifies all that does not depend on a group: signatures, suite, lifetime, capabilities,
 * credential. Errors: `malformed`, `wrong-kind`, `unsupported`, `invalid-key-package`, `invalid-leaf`, `bad-signature`,
 * `expired`, `refused-credential`.
 */
export function checkKeyPackage(suite: Suite, message: Uint8Array, judge: Judgement): KeyPackage {
  const decoded = decodeMessage(message);
  if (decoded.kind !== 'key-package') throw new MlsError('wrong-kind', decoded.kind);
  const { keyPackage } = decoded;
  validateKeyPackage(suite, keyPackage);
  validateLeaf(suite, { leaf: keyPackage.leaf, source: 'key-package', groupExtensions: [] }, judge);
  return keyPackage;
}
