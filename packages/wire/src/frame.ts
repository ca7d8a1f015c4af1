/**
 * Frames inside the sealed session. The plaintext of consecutive records is one byte stream of frames, so a frame may
 * span records and a record may carry many frames.
 *
 *     0        1        2                 4                          8
 *     +--------+--------+-----------------+--------------------------+----------- - -
 *     | kind   | flags  | zero            | request                  | body length  | body
 *     +--------+--------+-----------------+--------------------------+----------- - -
 *       u8       u8       u16               u32                        u32
 *
 * `request` pairs a response with its request (chosen by the requester, 1..2^32-1, not reused while open); 0 elsewhere.
 * Hot kinds (submit, accepted, deliver, ack) have fixed layouts (submission.ts); their ciphertext is never decoded here.
 */
import { readU32, writeU32 } from './bytes.ts';
import { SecureChatError } from './codes.ts';

export const frameKinds = {
  request: 0x01,
  response: 0x02,
  event: 0x03,
  submit: 0x10,
  accepted: 0x11,
  refused: 0x12,
  deliver: 0x13,
  ack: 0x14,
  ping: 0x20,
  pong: 0x21,
  goaway: 0x22,
} as const;

export type FrameKind = keyof typeof frameKinds;

export interface Frame {
  readonly kind: FrameKind;
  readonly request: number;
  readonly body: Uint8Array;
}

export const FRAME_HEADER_BYTES = 12;

const nothing = new Uint8Array(0);

/** By number. */
const kinds: (FrameKind | undefined)[] = [];
for (const kind of Object.keys(frameKinds) as FrameKind[]) kinds[frameKinds[kind]] = kind;

export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  return encodeFrames([frame]);
}

/** One after the other, as the plaintext of one record. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const { body } of frames) length += FRAME_HEADER_BYTES + body.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const { kind, request, body } of frames) {
    bytes[at] = frameKinds[kind];
    writeU32(bytes, at + 4, request);
    writeU32(bytes, at + 8, body.length);
    bytes.set(body, at + FRAME_HEADER_BYTES);
    at += FRAME_HEADER_BYTES + body.length;
  }
  return bytes;
}

/**
 * Cuts the byte stream of records into frames. Holds at most one incomplete frame, of at most `bodyBytesMax`.
 * Errors: MALFORMED (unknown kind, non-zero reserved bits), TOO_LARGE (announced body over the limit; refused before it
 * is collected). After an error the stream is dead.
 */
export class FrameReader {
  #bodyBytesMax: number;
  /** Longer than what is in it: it doubles, so that a frame that comes in tiny records is not copied for each of them. */
  #held: Uint8Array = nothing;
  #heldBytes = 0;
  /** With fewer held bytes nothing can be said yet. */
  #wantedBytes = FRAME_HEADER_BYTES;

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** Bytes of an incomplete frame. Must be 0 where the keys change: a frame never spans two keys. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The limit rises once, at attach. */
  allow(bodyBytesMax: number): void {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** The frames completed by this piece, in order. Bodies may be views of `piece`. */
  push(piece: Uint8Array): Frame[] {
    let bytes = piece;
    if (this.#heldBytes > 0) {
      this.#hold(piece);
      if (this.#heldBytes < this.#wantedBytes) return [];
      bytes = this.#held.subarray(0, this.#heldBytes);
      this.#held = nothing;
      this.#heldBytes = 0;
    }
    const frames: Frame[] = [];
    let at = 0;
    this.#wantedBytes = FRAME_HEADER_BYTES;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const kind = kinds[bytes[at] ?? 0];
      if (kind === undefined || bytes[at + 1] !== 0 || bytes[at + 2] !== 0 || bytes[at + 3] !== 0)
        throw new SecureChatError('MALFORMED');
      const length = readU32(bytes, at + 8);
      if (length > this.#bodyBytesMax) throw new SecureChatError('TOO_LARGE');
      const end = at + FRAME_HEADER_BYTES + length;
      if (end > bytes.length) {
        this.#wantedBytes = end - at;
        break;
      }
      frames.push({ kind, request: readU32(bytes, at + 4), body: bytes.subarray(at + FRAME_HEADER_BYTES, end) });
      at = end;
    }
    if (at < bytes.length) this.#hold(bytes.subarray(at));
    return frames;
  }

  #hold(piece: Uint8Array): void {
    const bytes = this.#heldBytes + piece.length;
    if (bytes > this.#held.length) {
      const larger = new Uint8Array(Math.max(bytes, 2 * this.#held.length));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(piece, this.#heldBytes);
    this.#heldBytes = bytes;
  }
}
