/**
 * Finds what was said in bytes that must not hold it, in every form a careless program might have written: UTF-8, UTF-16
 * of both byte orders, JSON and percent escapes, and hexadecimal and base64 of these. Texts are cut into pieces, so that a database page that
 * ends in the middle of one hides nothing. One pass over the bytes, however many canaries there are.
 */

/** Characters or bytes of a piece: shorter ones of plain words are found in every program. */
const PIECE_LENGTH = 12;

export interface Canary {
  readonly name: string;
  readonly secret: string | Uint8Array;
  /** Of plain English, two words in a row may stand in any program: longer pieces then. */
  readonly pieceLength?: number;
}

interface Needle {
  readonly name: string;
  readonly form: string;
  readonly bytes: Uint8Array;
}

export interface Find {
  readonly name: string;
  readonly form: string;
  readonly at: number;
}

export class CanarySearch {
  /** Needles by their first four bytes; `#filter` is a cheap first look. */
  readonly #needles = new Map<number, Needle[]>();
  readonly #filter = new Uint8Array(1 << 20);

  constructor(canaries: readonly Canary[]) {
    for (const { name, secret, pieceLength } of canaries) {
      for (const { form, bytes } of formsOf(secret, pieceLength)) this.#add({ name, form, bytes });
    }
  }

  #add(needle: Needle): void {
    const first = wordAt(needle.bytes, 0);
    const same = this.#needles.get(first);
    if (same === undefined) this.#needles.set(first, [needle]);
    else same.push(needle);
    this.#filter[slotOf(first)] = 1;
  }

  /** At most one find for each canary and form. */
  in(haystack: Uint8Array): Find[] {
    const found = new Map<string, Find>();
    const last = haystack.length - 4;
    for (let at = 0; at <= last; at += 1) {
      const word = wordAt(haystack, at);
      if (this.#filter[slotOf(word)] === 0) continue;
      for (const { name, form, bytes } of this.#needles.get(word) ?? []) {
        if (startsWith(haystack, at, bytes)) found.set(`${name} ${form}`, { name, form, at });
      }
    }
    return [...found.values()];
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24) | 0
  );
}

function slotOf(word: number): number {
  return Math.imul(word, 0x9e3779b1) >>> 12;
}

function startsWith(haystack: Uint8Array, at: number, needle: Uint8Array): boolean {
  if (at + needle.length > haystack.length) return false;
  for (let index = 0; index < needle.length; index += 1) if (haystack[at + index] !== needle[index]) return false;
  return true;
}

/** Every form of a secret, each in pieces. */
export function formsOf(
  secret: string | Uint8Array,
  pieceLength: number = PIECE_LENGTH,
): { readonly form: string; readonly bytes: Uint8Array }[] {
  const plain =
    typeof secret === 'string'
      ? pieces(secret, pieceLength).flatMap(formsOfText)
      : pieces(secret, pieceLength).flatMap(formsOfBytes);
  return plain.flatMap(([form, bytes]) => [{ form, bytes }, ...encoded(form, bytes)]);
}

function formsOfText(text: string): [string, Uint8Array][] {
  return [
    ['utf-8', Buffer.from(text)],
    ['utf-16le', Buffer.from(text, 'utf16le')],
    ['utf-16be', Buffer.from(text, 'utf16le').swap16()],
    ['json escapes', Buffer.from(jsonEscapes(text))],
    ['percent escapes', Buffer.from(encodeURIComponent(text))],
  ];
}

function formsOfBytes(bytes: Uint8Array): [string, Uint8Array][] {
  return [
    ['bytes', bytes],
    // As big numbers lie in memory.
    ['reversed bytes', bytes.toReversed()],
  ];
}

function jsonEscapes(text: string): string {
  return Array.from({ length: text.length }, (_, at) => {
    const unit = text.charCodeAt(at);
    return unit < 0x80 ? text.charAt(at) : `\\u${unit.toString(16).padStart(4, '0')}`;
  }).join('');
}

function pieces<T extends string | Uint8Array>(whole: T, length: number): T[] {
  if (typeof whole !== 'string') {
    const starts = Array.from({ length: Math.max(1, Math.floor(whole.length / length)) }, (_, at) => at * length);
    return starts.map((start) => whole.subarray(start, start + length) as T);
  }
  const characters = [...whole];
  const count = Math.max(1, Math.floor(characters.length / length));
  return Array.from({ length: count }, (_, at) => characters.slice(at * length, (at + 1) * length).join('') as T);
}

function encoded(form: string, bytes: Uint8Array): { readonly form: string; readonly bytes: Uint8Array }[] {
  const hex = Buffer.from(bytes).toString('hex');
  const texts: [string, string][] = [
    [`hex of ${form}`, hex],
    [`hex of ${form}`, hex.toUpperCase()],
  ];
  for (const shift of [0, 1, 2]) {
    const text = base64At(bytes, shift);
    texts.push([`base64+${shift} of ${form}`, text], [`base64+${shift} of ${form}`, urlSafe(text)]);
  }
  return texts.filter(([, text]) => text.length >= 8).map(([name, text]) => ({ form: name, bytes: Buffer.from(text) }));
}

/** Base64 differs with the offset in its three bytes: the part that is the same whatever stands before and behind. */
function base64At(bytes: Uint8Array, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  const first = Math.ceil((shift * 8) / 6);
  const end = Math.floor(((shift + bytes.length) * 8) / 6);
  return text.slice(first, end);
}

function urlSafe(text: string): string {
  return text.replaceAll('+', '-').replaceAll('/', '_');
}
