/**
 * What a link needs of a connection, whatever carries it. One transport frame is one binary WebSocket message, or one
 * length-prefixed piece of a TCP stream.
 *
 * Failure: a broken connection calls `onClose` once and swallows later sends. Order: frames arrive in the order sent.
 * Shutdown: `close` lets what was sent drain for a short time, then the connection is cut.
 */
export interface Transport {
  readonly kind: 'ws' | 'tcp';
  /** Address of the peer, for limits alone; never logged. */
  readonly address: string;
  /** All frames in one write. */
  send(frames: readonly Uint8Array[]): void;
  /** Bytes accepted by `send` that the peer has not taken yet. */
  readonly bufferedAmount: number;
  /** A longer frame from now on ends the connection before it is collected. */
  allowFrame(bytesMax: number): void;
  /** Backpressure: the peer's bytes stay in the network until `resume`. A few frames may still arrive. */
  pause(): void;
  resume(): void;
  close(): void;
  /** Both are set by the link before the next turn of the event loop. */
  onFrame: (frame: Uint8Array) => void;
  onClose: () => void;
  /** What was sent has drained. */
  onDrain: () => void;
}

/** Time that a closed connection has to take its last bytes. */
export const CLOSE_DRAIN_MS = 2000;
