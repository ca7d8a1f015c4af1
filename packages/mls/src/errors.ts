/**
 * Every failure of this package has one of these codes. The text of an error may change, its code may not. What is wrong
 * with a message is told apart as far as the caller must act differently; of secrets nothing is told.
 */
export const errorCodes = {
  malformed: 'Bytes that are no encoding of the structure, or break a rule of the structure alone',
  limit: 'Larger, longer or more than a limit of this package or of the caller',
  unsupported: 'Of a protocol version, cipher suite, credential or proposal type that is not supported',
  'wrong-kind': 'A message of another kind than was asked for',
  'wrong-group': 'Of another group',
  'too-old': 'Of an epoch or a generation whose keys are gone',
  'too-new': 'Of an epoch that is still to come: keep it and try again',
  'too-far-ahead': 'Further ahead in the chain of its sender than the window allows',
  replayed: 'Its key was used already',
  'own-message': 'Sent by this very leaf',
  undecryptable: 'Authentication of a ciphertext failed: tampered, or for somebody else',
  'bad-signature': 'A signature does not verify',
  'bad-membership-tag': 'The membership tag of a public message does not verify',
  'bad-confirmation-tag': 'The confirmation tag does not verify: the sender is at another state',
  'bad-padding': 'Padding that is not zero',
  'unknown-sender': 'The sender is no member, or may not send this',
  'invalid-key-package': 'A key package that breaks a rule',
  'invalid-leaf': 'A leaf node that breaks a rule',
  'invalid-tree': 'A ratchet tree that breaks a rule',
  'invalid-proposal': 'A proposal, or a list of them, that breaks a rule',
  'invalid-path': 'An update path that breaks a rule',
  'missing-path': 'A commit without the update path it must have',
  'missing-proposal': 'A commit refers to a proposal that was not received',
  'missing-psk': 'A pre-shared key that is not at hand, or was insisted on and is not used',
  'missing-tree': 'Neither the message nor the caller gave the ratchet tree',
  'no-key-package': 'A welcome for none of the key packages given',
  expired: 'Outside of its lifetime, or of a lifetime that is too long',
  'refused-credential': 'The credential policy of the caller refused a leaf',
  'refused-change': 'The policy of the caller refused a change of the group',
  closed: 'The group ended by ReInit, or this member was removed',
  'damaged-state': 'Stored state that is not what was written',
  'rolled-back-state': 'Stored state that is older than the caller remembers, or with a gap',
  'bad-argument': 'A mistake of the caller: a key of a wrong size, a leaf that is blank',
} as const;

export type ErrorCode = keyof typeof errorCodes;

export class MlsError extends Error {
  override readonly name = 'MlsError';
  readonly code: ErrorCode;
  /** `detail` is for people and names no secret: a field, an RFC 9420 section. */
  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? errorCodes[code] : `${errorCodes[code]} (${detail})`, options);
    this.code = code;
  }
}

/** Throws `MlsError(code)` unless the condition holds. */
export function demand(condition: boolean, code: ErrorCode, detail?: string): asserts condition {
  if (!condition) throw new MlsError(code, detail);
}

/** The value, or `MlsError(code)` where there is none. */
export function wanted<T>(value: T | undefined, code: ErrorCode, detail?: string): T {
  if (value === undefined) throw new MlsError(code, detail);
  return value;
}
