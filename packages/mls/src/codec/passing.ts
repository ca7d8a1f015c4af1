/**
 * Bytes that are hashed, signed or sealed at once and then dropped. Memory of their own costs more than most of what is
 * done with them, and would show them until it is collected: these share one buffer, and are wiped.
 */
import { Writer } from './writer.ts';

const ROOM_BYTES = 1 << 16;
const room = new Uint8Array(ROOM_BYTES);
/** By calls that have not returned: one inside of another writes behind it. */
let taken = 0;

/** What `use` makes of what `write` writes, some `bytes` of it. Neither may keep what it is given. */
export function passing<T>(bytes: number, write: (writer: Writer) => void, use: (written: Uint8Array) => T): T {
  const start = taken;
  taken = Math.min(start + bytes, ROOM_BYTES);
  const writer = new Writer(room.subarray(start, taken));
  try {
    write(writer);
    return use(writer.view());
  } finally {
    writer.view().fill(0);
    taken = start;
  }
}
