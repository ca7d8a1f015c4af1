/**
 * Who may connect: limits on connections in total, without a login, and per address, and on the rate of new ones; nobody
 * while memory is short. A connection is counted from its first packet to its end.
 */
import type { Limits } from '@securechat/wire';
import type { AddressBlock } from '../../core/addresses.ts';
import { inBlocks, limitUnit } from '../../core/addresses.ts';
import { Buckets } from '../buckets.ts';

export interface Ticket {
  /** Address that limits go by. */
  readonly address: string;
  /** The link attached or logged in: it leaves the narrow limits of strangers. */
  authenticated(): void;
  /** Behind a proxy the real address is known only after the request. False: refused, the caller closes. */
  moveTo(address: string): boolean;
  /** Idempotent. */
  end(): void;
}

interface Counts {
  total: number;
  strangers: number;
}

export class Admission {
  readonly #limits: Limits;
  readonly #proxies: readonly AddressBlock[];
  readonly #all: Counts = { total: 0, strangers: 0 };
  readonly #units = new Map<string, Counts>();
  readonly #connects: Buckets;
  readonly #crowded: () => boolean;

  /** While `crowded` nobody new is let in. */
  constructor(
    limits: Limits,
    proxies: readonly AddressBlock[],
    nowMs: () => number,
    crowded: () => boolean = () => false,
  ) {
    this.#limits = limits;
    this.#proxies = proxies;
    this.#crowded = crowded;
    this.#connects = new Buckets(
      { burst: limits.connectsPerAddressBurst, perSecond: limits.connectsPerAddressPerSecond },
      nowMs,
    );
  }

  get connections(): number {
    return this.#all.total;
  }

  /** True for a proxy that is configured: it speaks for others, so it has no limits of its own. */
  isProxy(address: string): boolean {
    return inBlocks(address, this.#proxies);
  }

  /** Undefined: refused, the caller cuts the connection without a word. */
  admit(address: string): Ticket | undefined {
    const limits = this.#limits;
    if (this.#crowded()) return undefined;
    if (this.#all.total >= limits.connectionsMax || this.#all.strangers >= limits.unauthenticatedMax) return undefined;
    const first = this.isProxy(address) ? undefined : limitUnit(address);
    if (first !== undefined && !this.#fits(first)) return undefined;
    return this.#open(address, first);
  }

  #open(address: string, first: string | undefined): Ticket {
    let unit = first;
    let stranger = true;
    let ended = false;
    this.#all.total += 1;
    this.#all.strangers += 1;
    if (unit !== undefined) this.#count(unit, 1, 1);
    return {
      address,
      authenticated: () => {
        if (!stranger || ended) return;
        stranger = false;
        this.#all.strangers -= 1;
        if (unit !== undefined) this.#count(unit, 0, -1);
      },
      moveTo: (real) => {
        const next = limitUnit(real);
        if (ended || unit !== undefined || !this.#fits(next)) return false;
        unit = next;
        this.#count(unit, 1, stranger ? 1 : 0);
        return true;
      },
      end: () => {
        if (ended) return;
        ended = true;
        this.#all.total -= 1;
        if (stranger) this.#all.strangers -= 1;
        if (unit !== undefined) this.#count(unit, -1, stranger ? -1 : 0);
      },
    };
  }

  #fits(unit: string): boolean {
    const counts = this.#units.get(unit);
    if (counts !== undefined) {
      if (counts.total >= this.#limits.connectionsPerAddressMax) return false;
      if (counts.strangers >= this.#limits.unauthenticatedPerAddressMax) return false;
    }
    return this.#connects.spend(unit).kind === 'spent';
  }

  #count(unit: string, total: number, strangers: number): void {
    const counts = this.#units.get(unit) ?? { total: 0, strangers: 0 };
    counts.total += total;
    counts.strangers += strangers;
    if (counts.total === 0) this.#units.delete(unit);
    else this.#units.set(unit, counts);
  }
}
