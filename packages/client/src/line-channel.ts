/** Lines of text over a local socket, both ways. A line is one JSON value; what it means is the caller's. */
import type { Socket } from 'node:net';

/** Before the other side proved itself: a challenge, a proof. */
const STRANGER_LINE_BYTES_MAX = 4 * 1024;
/** Afterwards: a page of history with escapes. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
/** A reader that stopped reading must not take the memory of the writer. */
const UNSENT_BYTES_MAX = 32 * 1024 * 1024;
const NEWLINE = 0x0a;

/** Closes itself on a line over the limit, on text that is not UTF-8, and on a reader that has stopped. */
export class LineChannel {
  readonly #socket: Socket;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #lineBytesMax = STRANGER_LINE_BYTES_MAX;
  #lines: string[] = [];
  #onLine: ((line: string) => void) | undefined;
  #onClose: (() => void) | undefined;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece) => this.#take(Buffer.from(piece)));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#closed = true;
      this.#onClose?.();
    });
  }

  /** From now on the other side is known. */
  trust(): void {
    this.#lineBytesMax = LINE_BYTES_MAX;
  }

  /** `line` without a line end. Nothing happens when the channel is closed. */
  send(line: string): void {
    if (this.#closed) return;
    this.#socket.write(`${line}\n`);
    if (this.#socket.writableLength > UNSENT_BYTES_MAX) this.#socket.destroy();
  }

  /** One handler at a time; while there is none the other side is not read, and no line is lost. */
  onLine(handler: ((line: string) => void) | undefined): void {
    this.#onLine = handler;
    if (handler === undefined) this.#socket.pause();
    else this.#socket.resume();
    this.#hand();
  }

  /** At once, if it is closed already. */
  onClose(handler: () => void): void {
    this.#onClose = handler;
    if (this.#closed) handler();
  }

  /** What was sent still goes out. */
  close(): void {
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #take(piece: Buffer): void {
    for (let rest = piece; ;) {
      const end = rest.indexOf(NEWLINE);
      const part = end < 0 ? rest : rest.subarray(0, end);
      this.#held.push(part);
      this.#heldBytes += part.length;
      if (this.#heldBytes > this.#lineBytesMax) return void this.#socket.destroy();
      if (end < 0) break;
      const line = textOf(Buffer.concat(this.#held));
      this.#held = [];
      this.#heldBytes = 0;
      if (line === undefined) return void this.#socket.destroy();
      this.#lines.push(line);
      this.#hand();
      rest = rest.subarray(end + 1);
    }
  }

  #hand(): void {
    while (this.#onLine !== undefined) {
      const line = this.#lines.shift();
      if (line === undefined) return;
      this.#onLine(line);
    }
  }
}

function textOf(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
