/**
 * The judge, outside of what it judges: which texts a sender was told to be accepted, against what the receiver holds and
 * has shown. Texts are numbered per direction in the order of the calls.
 */
export type Outcome = 'accepted' | 'failed' | 'queued' | 'unknown';

/** One direction: what was said, what is stored, what was shown. */
export interface Record {
  /** By number: what became of it, as the sender says at the end. `unknown`: its process died over it and has no trace. */
  readonly said: ReadonlyMap<number, Outcome>;
  /** Numbers whose acceptance was told while the processes ran: a later word cannot take that back. */
  readonly told: ReadonlySet<number>;
  /** The receiver's history, in its order. */
  readonly stored: readonly number[];
  /** What the receiver's processes announced, one after the other. */
  readonly shown: readonly number[];
  /** Gaps that the receiver showed. */
  readonly gaps: readonly string[];
}

export interface Verdict {
  readonly accepted: number;
  readonly failed: number;
  /** Accepted, and not stored by the receiver. */
  readonly lost: readonly number[];
  /** Stored or shown more than once. */
  readonly twice: readonly number[];
  /** Stored behind a later one of the same sender. */
  readonly disordered: readonly number[];
  /** Told as failed, or never said, and stored all the same. */
  readonly unwanted: readonly number[];
  /** Still not accepted nor failed when everything ran again. */
  readonly stuck: readonly number[];
  /** A gap was shown although nothing is missing. */
  readonly alarms: readonly string[];
}

export function judge({ said, told, stored, shown, gaps }: Record): Verdict {
  const numbers = [...said.keys()];
  const isAccepted = (number: number): boolean => told.has(number) || said.get(number) === 'accepted';
  const known = new Set(stored);
  return {
    accepted: numbers.filter(isAccepted).length,
    failed: numbers.filter((number) => said.get(number) === 'failed').length,
    lost: numbers.filter((number) => isAccepted(number) && !known.has(number)),
    twice: [...new Set([...repeated(stored), ...repeated(shown)])],
    disordered: stored.filter((number, at) => at > 0 && number < (stored[at - 1] ?? 0)),
    unwanted: stored.filter((number) => !said.has(number) || (said.get(number) === 'failed' && !told.has(number))),
    stuck: numbers.filter((number) => said.get(number) === 'queued'),
    alarms: gaps,
  };
}

/** One line of what is wrong; undefined when nothing is. */
export function complaint(verdict: Verdict): string | undefined {
  const kinds = ['lost', 'twice', 'disordered', 'unwanted', 'stuck', 'alarms'] as const;
  const wrong = kinds.filter((kind) => verdict[kind].length > 0);
  if (wrong.length === 0) return undefined;
  return wrong.map((kind) => `${kind}: ${verdict[kind].slice(0, 8).join(', ')}`).join('; ');
}

function repeated(numbers: readonly number[]): readonly number[] {
  const seen = new Set<number>();
  return numbers.filter((number) => seen.has(number) || !seen.add(number));
}
