/** A line of standard input, without its end (LF or CRLF). */
export type InputLine =
  | { readonly kind: 'line'; readonly text: string }
  /** Longer than the bound; it was skipped up to its end, never held. */
  | { readonly kind: 'too-long' }
  /** Not UTF-8. Replacement characters would silently change passwords and messages. */
  | { readonly kind: 'not-text' };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Splits bytes into lines of at most `bytesMax` bytes; memory stays at one line whatever comes. The last may lack its end. */
export async function* inputLines(
  input: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<InputLine, undefined> {
  let pieces: Uint8Array[] = [];
  let held = 0;
  let skipping = false;
  const take = (piece: Uint8Array): void => {
    if (skipping) return;
    held += piece.length;
    // One more for the CR that may end the line.
    if (held > bytesMax + 1) {
      skipping = true;
      pieces = [];
    } else pieces.push(piece);
  };
  const finish = (): InputLine => {
    const line = skipping ? ({ kind: 'too-long' } as const) : decode(Buffer.concat(pieces), bytesMax);
    pieces = [];
    held = 0;
    skipping = false;
    return line;
  };
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (held > 0) yield finish();
}

function decode(bytes: Uint8Array, bytesMax: number): InputLine {
  const line = bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
  if (line.length > bytesMax) return { kind: 'too-long' };
  try {
    return { kind: 'line', text: new TextDecoder('utf-8', { fatal: true }).decode(line) };
  } catch {
    return { kind: 'not-text' };
  }
}
