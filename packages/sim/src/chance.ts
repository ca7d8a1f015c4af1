/** Everything that is left to chance in a run comes out of one seed. */

export interface Chance {
  /** In [0, 1). */
  fraction(): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** True once in `times`, on average. */
  oneIn(times: number): boolean;
  pick<T>(values: readonly [T, ...T[]]): T;
  /** A source of its own: what one part draws does not move what another one gets. */
  fork(name: string): Chance;
}

export function chanceOf(seed: string): Chance {
  const next = mulberry32(hashOf(seed));
  const chance: Chance = {
    fraction: next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    oneIn: (times) => next() * times < 1,
    pick: (values) => values[Math.floor(next() * values.length)] ?? values[0],
    fork: (name) => chanceOf(`${seed}/${name}`),
  };
  return chance;
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** Mulberry32 (Tommy Ettinger, public domain): enough chance for a plan of faults, none for keys. */
function mulberry32(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
