import type { Entropy } from '@securechat/crypto';
import type { BinaryId, ClientId } from '@securechat/wire';
import { ByteWriter, ID_BYTES, idOf } from '@securechat/wire';

/** 16 random bytes. */
export function freshId<T extends Exclude<BinaryId, ClientId>>(entropy: Entropy): T {
  return idOf<T>(entropy(ID_BYTES));
}

/** 6 bytes of counter, then 10 random: ids in the order of sending halve the cost of the server's dedupe index. */
export function clientId(counter: number, entropy: Entropy): ClientId {
  const bytes = new ByteWriter(ID_BYTES + 2).u64(counter).raw(entropy(10)).done();
  return idOf<ClientId>(bytes.subarray(2));
}
