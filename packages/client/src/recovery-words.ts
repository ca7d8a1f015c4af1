/**
 * The twelve recovery words: 128 random bits and a 4-bit checksum (BIP-39, English list). People copy them by hand, so
 * what they type is read kindly: any case, any spaces, commas or line ends, and the first four letters where they are enough.
 */
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { SecureChatError } from '@securechat/wire';

export const RECOVERY_ENTROPY_BYTES = 16;
const WORDS = 12;
/** In this list four letters tell every two words apart. */
const PREFIX_LETTERS = 4;

/** Twelve words, one space between. */
export function recoveryWordsOf(entropy: Uint8Array): string {
  if (entropy.length !== RECOVERY_ENTROPY_BYTES)
    throw new SecureChatError('INTERNAL', { text: 'Recovery entropy must have 16 bytes.' });
  return entropyToMnemonic(Uint8Array.from(entropy), wordlist);
}

/** The 16 bytes behind the words. RECOVERY_WORDS_WRONG, with a sentence that names what is wrong but no word. */
export function recoveryEntropyOf(words: string): Uint8Array {
  const typed = words
    .normalize('NFKD')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '');
  if (typed.length !== WORDS)
    throw new SecureChatError('RECOVERY_WORDS_WRONG', {
      text: `There must be ${WORDS} recovery words; these are ${typed.length}.`,
    });
  const whole = typed.map((word, index) => {
    const known = completed(word);
    if (known === undefined)
      throw new SecureChatError('RECOVERY_WORDS_WRONG', { text: `Recovery word ${index + 1} is not in the list.` });
    return known;
  });
  try {
    return mnemonicToEntropy(whole.join(' '), wordlist);
  } catch {
    // The library's error would quote the words.
    throw new SecureChatError('RECOVERY_WORDS_WRONG', {
      text: 'These recovery words do not belong together: one of them is wrong, or their order.',
    });
  }
}

function completed(typed: string): string | undefined {
  if (wordlist.includes(typed)) return typed;
  if (typed.length < PREFIX_LETTERS) return undefined;
  const fitting = wordlist.filter((word) => word.startsWith(typed));
  return fitting.length === 1 ? fitting[0] : undefined;
}
