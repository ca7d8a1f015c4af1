/** Network addresses as limits count them, and ranges of them. Addresses live in memory alone and are never logged. */

/** A range such as 10.0.0.0/8. Addresses are compared as 128 bits, IPv4 as ::ffff:a.b.c.d. */
export interface AddressBlock {
  readonly base: bigint;
  /** 0..128, counted in the 128-bit form. */
  readonly prefixBits: number;
}

const IPV4_MAPPED = 0xffff_0000_0000n;

/** Throws an Error with the reason. A single address is a range of one. */
export function parseBlock(text: string): AddressBlock {
  const [address = '', prefix, ...rest] = text.split('/');
  const value = addressValue(address);
  if (value === undefined || rest.length > 0) throw new Error('it must be an address range such as 10.0.0.0/8');
  const ipv4 = !address.includes(':');
  const bitsMax = ipv4 ? 32 : 128;
  const bits = prefix === undefined ? bitsMax : /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
  if (!(bits <= bitsMax)) throw new Error(`the prefix must be 0 to ${bitsMax}`);
  const prefixBits = ipv4 ? bits + 96 : bits;
  return { base: value & maskOf(prefixBits), prefixBits };
}

export function inBlocks(address: string, blocks: readonly AddressBlock[]): boolean {
  const value = addressValue(address);
  return value !== undefined && blocks.some((block) => (value & maskOf(block.prefixBits)) === block.base);
}

/** The unit that limits count: one IPv4 address, one IPv6 /64. What cannot be read is one unit of its own. */
export function limitUnit(address: string): string {
  const value = addressValue(address);
  if (value === undefined) return 'unknown';
  return isMappedV4(value) ? `4:${(value & 0xffff_ffffn).toString(16)}` : `6:${(value >> 64n).toString(16)}`;
}

/** The unit that password guessing is counted by: an IPv4 /24, an IPv6 /48. */
export function neighbourhood(address: string): string {
  const value = addressValue(address);
  if (value === undefined) return 'unknown';
  return isMappedV4(value) ? `4:${((value & 0xffff_ffffn) >> 8n).toString(16)}` : `6:${(value >> 80n).toString(16)}`;
}

function isMappedV4(value: bigint): boolean {
  return value >> 32n === IPV4_MAPPED >> 32n;
}

function maskOf(prefixBits: number): bigint {
  return ((1n << 128n) - 1n) ^ ((1n << BigInt(128 - prefixBits)) - 1n);
}

/** 128 bits; undefined for what is no address. A zone (`%eth0`) is left out. */
function addressValue(text: string): bigint | undefined {
  const address = text.replace(/%.*$/, '').toLowerCase();
  if (!address.includes(':')) {
    const v4 = v4Value(address);
    return v4 === undefined ? undefined : IPV4_MAPPED | v4;
  }
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const tail = dotted?.[2] === undefined ? undefined : v4Value(dotted[2]);
  if (dotted !== null && tail === undefined) return undefined;
  const groups =
    dotted === null
      ? address
      : `${dotted[1]}${((tail ?? 0n) >> 16n).toString(16)}:${((tail ?? 0n) & 0xffffn).toString(16)}`;
  return v6Value(groups);
}

function v4Value(text: string): bigint | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function v6Value(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array.from({ length: Math.max(missing, 0) }, () => '0'), ...tail];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/.test(group))) return undefined;
  return all.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}
