/** What both libraries are asked to do. The founder and the first member added are really there, all others only stand in the tree. */
export interface Lane {
  readonly name: string;
  /** A group of this many, founded by one commit; `join` opens its welcome, as often as it is called. */
  found(suite: number, size: number): Promise<Founded>;
}

export interface Founded {
  join(): Promise<Talk>;
}

export interface Talk {
  /** By the founder, for the first member. */
  encrypt(plaintext: Uint8Array): Promise<Uint8Array>;
  decrypt(message: Uint8Array): Promise<void>;
  /** Renews the founder's keys and enters the epoch. */
  commit(): Promise<Uint8Array>;
  process(commit: Uint8Array): Promise<void>;
  /** Bytes stored for one message. */
  storedPerMessage(): Promise<number>;
}
