/**
 * Order after a refusal (docs/protocol/delivery.md, check 4): what follows a refused chain number of the same attach and
 * group is refused too, until that number is accepted. Each number refused on the way is waited for in turn, so what is
 * accepted is in order without a gap.
 */
export interface RefusedChain {
  /** The lowest chain number that has to be accepted next. */
  readonly next: number;
  /** The highest one refused so far. */
  readonly last: number;
}

/** Chain number 0 (commits) stands outside of the order. */
export function chainRefuses(refused: RefusedChain | undefined, chainNumber: number): boolean {
  return refused !== undefined && chainNumber > refused.next;
}

export function afterRefusal(refused: RefusedChain | undefined, chainNumber: number): RefusedChain | undefined {
  if (chainNumber === 0) return refused;
  if (refused === undefined) return { next: chainNumber, last: chainNumber };
  return { next: Math.min(refused.next, chainNumber), last: Math.max(refused.last, chainNumber) };
}

export function afterAccepted(refused: RefusedChain | undefined, chainNumber: number): RefusedChain | undefined {
  if (refused === undefined || chainNumber !== refused.next) return refused;
  return refused.next >= refused.last ? undefined : { next: refused.next + 1, last: refused.last };
}
