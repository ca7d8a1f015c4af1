export type { AccountBundle, AccountBundleInput } from './account-bundle.ts';
export { verifyAccountBundle } from './account-bundle.ts';
export type { AccountCertificate, AccountClaims, AccountExpectation } from './account-certificate.ts';
export { signAccountCertificate, verifyAccountCertificate } from './account-certificate.ts';
export type { Aead, AeadSealUse, AeadUse } from './aead.ts';
export { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, AEAD_TAG_BYTES, aes128gcm, aes256gcm } from './aead.ts';
export { chacha20poly1305 } from './chacha.ts';
export type { DeviceCertificate, DeviceClaims, DeviceExpectation } from './device-certificate.ts';
export {
  CERTIFICATE_BACKDATE_MS,
  DEVICE_CERTIFICATE_MS,
  deviceFingerprint,
  signDeviceCertificate,
  verifyDeviceCertificate,
} from './device-certificate.ts';
export type { DeviceList, DeviceListClaims, DeviceListExpectation, KnownList, ListedDevice } from './device-list.ts';
export { signDeviceList, verifyDeviceList } from './device-list.ts';
export { ed25519, sodiumEd25519 } from './ed25519.ts';
export { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES } from './ed25519-node.ts';
export type { Entropy } from './entropy.ts';
export { seededEntropy, systemEntropy } from './entropy.ts';
export type { Hasher, HashName, HkdfInput } from './hash.ts';
export {
  digest,
  hasher,
  hashBytes,
  hkdf,
  hkdfExpand,
  hkdfExtract,
  hkdfSha256,
  hmac,
  hmacSha256,
  hmacSha512,
  sha256,
  sha3,
  sha512,
  shake256,
} from './hash.ts';
export type { IdentityRotation } from './identity-rotation.ts';
export { signIdentityRotation, verifyIdentityRotation } from './identity-rotation.ts';
export type { CertificateKind } from './jws.ts';
export { certificateTypes } from './jws.ts';
export type { Encapsulation } from './ml-kem.ts';
export { ML_KEM_768_CIPHERTEXT_BYTES, ML_KEM_768_PUBLIC_BYTES, ML_KEM_768_SEED_BYTES, mlKem768 } from './ml-kem.ts';
export type { PasswordKeyInput } from './password-key.ts';
export { passwordKey, passwordKeyDefaults } from './password-key.ts';
export type { PowOptions } from './proof-of-work.ts';
export { POW_CHALLENGE_BYTES, POW_NONCE_BYTES, proofOfWork } from './proof-of-work.ts';
export type { OaepInput, RsaPrivate, RsaPublic, RsaPurpose } from './rsa.ts';
export {
  fingerprintOf,
  generateRsa,
  importRsaPrivate,
  importRsaPublic,
  oaepOpen,
  oaepSeal,
  pssSign,
  pssVerify,
  RSA_BITS_DEFAULT,
  RSA_BITS_MAX,
  RSA_BITS_MIN,
  RSA_SPKI_BYTES_MAX,
} from './rsa.ts';
export type { OpenInput, SealedOpener, SealedPurpose, SealInput } from './sealed.ts';
export { openerOf, openSealed, SEALED_RECIPIENTS_MAX, sealedPurposes, sealTo } from './sealed.ts';
export { equal, wipe } from './secret.ts';
export type { ServerRotation, ServerRotationLink, ServerSealing } from './server-certificate.ts';
export {
  SERVER_SEALING_MS_MAX,
  signServerRotation,
  signServerSealing,
  verifyServerRotation,
  verifyServerSealing,
} from './server-certificate.ts';
export type { KeyPair } from './x25519.ts';
export { x25519 } from './x25519.ts';
export { X25519_BYTES } from './x25519-node.ts';
export { x509NotAfterMs } from './x509.ts';
