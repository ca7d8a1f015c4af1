/**
 * User names: NFKC, case-folded, 3 to 32 characters. Letters of one script, digits 0-9, and `.` `_` `-` inside; a name
 * starts with a letter or a digit.
 */
import { SecureChatError } from './codes.ts';
import { limits } from './limits.ts';

/**
 * Letters that may stand together. In scripts of the second list vowel signs are characters of their own (marks); in the
 * first every letter has a composed form, and marks would only pile up.
 */
const scripts: readonly RegExp[] = [
  /^\p{scx=Latin}+$/u,
  /^\p{scx=Greek}+$/u,
  /^\p{scx=Cyrillic}+$/u,
  /^\p{scx=Armenian}+$/u,
  /^\p{scx=Georgian}+$/u,
  /^\p{scx=Hangul}+$/u,
  /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}]+$/u,
];
const scriptsWithMarks: readonly RegExp[] = [
  /^[\p{scx=Hebrew}\p{M}]+$/u,
  /^[\p{scx=Arabic}\p{M}]+$/u,
  /^\p{scx=Devanagari}+$/u,
  /^\p{scx=Bengali}+$/u,
  /^\p{scx=Tamil}+$/u,
  /^\p{scx=Telugu}+$/u,
  /^\p{scx=Thai}+$/u,
];

/** The one spelling of a name; NAME_INVALID for what cannot be one. */
export function normaliseUsername(text: string): string {
  // Longer input cannot become a name; the check bounds the work.
  if (text.length > 4 * limits.usernameCharsMax.value) throw new SecureChatError('NAME_INVALID');
  const name = foldCase(text.trim().normalize('NFKC')).normalize('NFKC');
  const count = [...name].length;
  const fits =
    count >= limits.usernameCharsMin.value &&
    count <= limits.usernameCharsMax.value &&
    /^[\p{L}0-9][\p{L}\p{M}0-9._-]*$/u.test(name) &&
    oneScript(name.replace(/[0-9._-]/g, ''));
  if (!fits) throw new SecureChatError('NAME_INVALID');
  return name;
}

/** Upper case first: it opens `ß` and both sigmas alike. */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase().replaceAll('ς', 'σ');
}

function oneScript(letters: string): boolean {
  if (letters === '') return true;
  if (scripts.some((script) => script.test(letters))) return !/\p{M}/u.test(letters);
  // At most two marks on a letter.
  return scriptsWithMarks.some((script) => script.test(letters)) && !/\p{M}{3}/u.test(letters);
}

/** What looks alike in common typefaces, in small letters; each class is named by its Latin member (UTS #39). */
const lookalikes: Readonly<Record<string, string>> = {
  a: 'аα',
  b: 'ьβв',
  c: 'сϲ',
  d: 'ԁ',
  e: 'еёє',
  f: 'ғ',
  g: 'ɡց',
  h: 'һհ',
  j: 'ј',
  k: 'кκ',
  l: '1iıіɩιϊїӏ|',
  m: 'м',
  n: 'пηո',
  o: '0оοσօ',
  p: 'рρ',
  q: 'ԛզ',
  r: 'г',
  s: 'ѕꜱ',
  t: 'тτ',
  u: 'υսц',
  v: 'νѵ',
  w: 'ԝω',
  x: 'хχ',
  y: 'уγү',
  z: 'ᴢ',
};

const classOf: ReadonlyMap<string, string> = new Map(
  Object.entries(lookalikes).flatMap(([name, members]) => [...members].map((member) => [member, name] as const)),
);

/** People would take whoever has one of these for the operator, or for the program itself. */
const reservedNames = ['admin', 'root', 'securechat', 'server', 'support', 'system'];

/** True for a name that nobody may register, and for what looks like one. `name` is normalised already. */
export function isReservedName(name: string): boolean {
  const skeleton = confusableSkeleton(name);
  return reservedNames.some((reserved) => confusableSkeleton(reserved) === skeleton);
}

/** Two names with equal skeletons look alike. `name` is normalised already; a skeleton is never shown. */
export function confusableSkeleton(name: string): string {
  // Accents are easily overlooked: compared without them.
  const bare = name.normalize('NFD').replace(/[\u0300-\u036f]/g, '');
  const latin = [...bare].map((letter) => classOf.get(letter) ?? letter).join('');
  return latin.replaceAll('rn', 'm').replaceAll('vv', 'w');
}
