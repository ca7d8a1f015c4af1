/**
 * Ed25519 signatures that libraries disagree about: RFC 8032 leaves open whether the cofactor counts (§5.1.7), and says
 * nothing of points of small order. Where members judge one signature differently, a hostile one can split the group.
 * Here all judge as OpenSSL does: without the cofactor, and against small order.
 */
import { equalPublic, utf8 } from '../codec/bytes.ts';
import type { CryptoProvider } from './provider.ts';

/** RFC 8032 §7.1, test 1: of the empty message. */
const known = {
  seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
  publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  signature:
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
} as const;

/** What is odd about it, whether it is accepted, public key, message, signature. */
const arguable: readonly (readonly [string, boolean, string, string, string])[] = [
  [
    'honest',
    true,
    'f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4',
    'm',
    'f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e218e29bf48958a22cf42bd38202c01471bf80a0345714e7ce02ffdd63578caf903',
  ],
  [
    'key of mixed order, with the cofactor and without',
    true,
    '988b8b06afc3abd50c44e1396f4587342176485abb80721cfde8385f5e9320ce',
    'm6',
    'f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21943704d9a406337e05148d9f31d4ea27b66dbc886ccab4ec2a10d0b59cdc7d0e',
  ],
  [
    'key of mixed order, with the cofactor alone',
    false,
    '988b8b06afc3abd50c44e1396f4587342176485abb80721cfde8385f5e9320ce',
    'm0',
    'f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e21b7756db1b22f04e1b882be1cb2c536afd6d848f8d3a803b48d6db2402021fc0d',
  ],
  [
    'share of mixed order',
    false,
    'f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4',
    'm',
    'fb15ddd1cd7684fa60e25fe9df39afdc2b12d6908402179723b4d66311f8694a92ee07d3ed5011251f2fa481fef1c090d03fb3cc7f88e11132a329129a55c604',
  ],
  [
    'share of order one',
    false,
    'f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4',
    'm',
    '01000000000000000000000000000000000000000000000000000000000000004f2526bc36d5783d52e661044d3403147980469bdc566d12bb36db266600a605',
  ],
  [
    'share of order eight',
    false,
    '988b8b06afc3abd50c44e1396f4587342176485abb80721cfde8385f5e9320ce',
    'm0',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc859cf7fd644a1909e298d3cff88b21343c6890cfced218077c42872020f2efcf07',
  ],
  [
    'key of order eight',
    false,
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'm0',
    'f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e2103fcae421b119b26bafd00b62f5b87e41fe5abef52055e4964b82fb213f59301',
  ],
  [
    'key that is not reduced',
    false,
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'm',
    'f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e2103fcae421b119b26bafd00b62f5b87e41fe5abef52055e4964b82fb213f59301',
  ],
  [
    'response that is not reduced',
    false,
    'f27cb81402e6860c926ff81f393d14340e41a70bc0b0195cf64a90b348cb2fc4',
    'm',
    'f87a22889707d326b221b2dba4102625f99227c2febe06664c8d9409eb213e217bfdb4a5afed3427195a30c30afb2530f80a0345714e7ce02ffdd63578caf913',
  ],
];

/** To be asked once, before an Ed25519 of another making takes the place of a provider's own. */
export function judgesAlike(ed25519: CryptoProvider['ed25519']): boolean {
  const seed = bytesOfHex(known.seed);
  const signs =
    equalPublic(ed25519.publicOf(seed), bytesOfHex(known.publicKey)) &&
    equalPublic(ed25519.sign(seed, new Uint8Array(0)), bytesOfHex(known.signature));
  return (
    signs &&
    arguable.every(
      ([, accepted, key, message, signature]) =>
        ed25519.verify(bytesOfHex(key), utf8(message), bytesOfHex(signature)) === accepted,
    )
  );
}

function bytesOfHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(i * 2, i * 2 + 2), 16));
}
