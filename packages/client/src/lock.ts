/**
 * One process per account. The holder keeps `lock.db` locked (the kernel frees it on any death) and listens on a local
 * socket, where another process of the same owner that knows the password can do two things:
 *
 * - `takeOver`: a new explicit login; the holder ends its session (SESSION_REPLACED) and lets go;
 * - `forward`: lines of JSON-RPC for the running client (`securechat send`, `listen`).
 *
 *     holder    {"securechat":"lock 1","challenge":32 bytes}
 *     requester {"want":"takeOver"|"forward","nonce":32 bytes,"proof":HMAC(proof key, "requester" …)}
 *     holder    {"proof":HMAC(proof key, "holder" …)}      or {"code":"AUTH_FAILED"} and the end, or
 *               {"code":"PROFILE_LOCKED"} to a "forward" where it takes none
 *
 * Both sides prove that they unwrapped the store's key, neither sends it. Byte strings are base64url.
 */
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { equal, hmacSha256, systemEntropy, wipe } from '@securechat/crypto';
import { ByteWriter, fromBase64url, SecureChatError, toBase64url } from '@securechat/wire';
import { LineChannel } from './line-channel.ts';
import { removeSocketFolder, socketPath, socketPathForListening } from './socket-path.ts';
import { PRIVATE_FILE } from './stores/sqlite/database.ts';
import type { HeldFile } from './stores/sqlite/exclusively.ts';
import { holdFile } from './stores/sqlite/exclusively.ts';
import { makePrivateFolder, readPrivateFile } from './stores/sqlite/private-file.ts';

const GREETING = 'lock 1';
const NONCE_BYTES = 32;
/** A stranger on the socket gets this long to prove itself, and there may be this many. */
const PROOF_MS = 5_000;
const STRANGERS_MAX = 8;
/** How long a holder may take to end its session. */
const RELEASE_MS = 15_000;
/** Others that send one message each, and are gone. */
const BRIEF_MS = 5_000;
const POLL_MS = 50;

type Want = 'takeOver' | 'forward';

export interface HeldLock {
  readonly kind: 'held';
  /**
   * Opens the socket. `onTakeOver` must end the session and call `release`; `onForward` gets a proven channel, and
   * whoever asks for one is turned away where it is absent.
   * `proofKey` (SqliteStore.proofKey) is copied. PROFILE_UNWRITABLE when no socket can be made.
   */
  serve(options: {
    readonly proofKey: Uint8Array;
    readonly onTakeOver: () => void;
    readonly onForward: ((channel: LineChannel) => void) | undefined;
  }): Promise<void>;
  /** Lets go and closes the socket with every channel. Idempotent; the store must be closed before. */
  release(): Promise<void>;
}

export interface BusyLock {
  readonly kind: 'busy';
  /** Process id of the holder, as far as it is known. */
  readonly holder: number | undefined;
  /** When the holder has let go by itself, within some seconds. PROFILE_LOCKED. */
  released(): Promise<HeldLock>;
  /** AUTH_FAILED (the holder has another key), PROFILE_LOCKED (it does not answer or does not let go). */
  takeOver(proofKey: Uint8Array): Promise<HeldLock>;
  /** The same errors; PROFILE_LOCKED also where the holder takes no lines. The channel ends when the holder does. */
  forward(proofKey: Uint8Array): Promise<LineChannel>;
}

/** Takes the lock of an account's folder, or tells how to reach who has it. PROFILE_UNWRITABLE. */
export function openAccountLock(folder: string): HeldLock | BusyLock {
  makePrivateFolder(folder);
  return tryToHold(folder) ?? busy(folder);
}

function tryToHold(folder: string): HeldLock | undefined {
  const file = holdFile(join(folder, 'lock.db'));
  return file === undefined ? undefined : held(folder, file);
}

function held(folder: string, file: HeldFile): HeldLock {
  let listening: Listening | undefined;
  noteHolder(folder);
  return {
    kind: 'held',
    async serve({ proofKey, onTakeOver, onForward }) {
      listening = await listen(folder, Uint8Array.from(proofKey), { onTakeOver, onForward });
    },
    async release() {
      listening?.close();
      listening = undefined;
      rmSync(holderFile(folder), { force: true });
      file.release();
    },
  };
}

function busy(folder: string): BusyLock {
  const holder = holderOf(folder);
  const locked = (cause?: unknown): SecureChatError => {
    const who = holder === undefined ? 'another SecureChat' : `another SecureChat (process ${holder})`;
    return new SecureChatError(
      'PROFILE_LOCKED',
      { text: `This account is open in ${who} on this machine.` },
      { cause },
    );
  };
  return {
    kind: 'busy',
    holder,
    async released() {
      for (const deadline = performance.now() + BRIEF_MS; performance.now() < deadline; await delay(POLL_MS)) {
        const lock = tryToHold(folder);
        if (lock !== undefined) return lock;
      }
      throw locked();
    },
    async takeOver(proofKey) {
      const deadline = performance.now() + RELEASE_MS;
      let asked = false;
      while (performance.now() < deadline) {
        const lock = tryToHold(folder);
        if (lock !== undefined) return lock;
        // Asked again until it was heard: a holder that has only just started does not listen yet.
        if (!asked) {
          const channel = await ask(folder, proofKey, 'takeOver').catch(unlessRefused);
          channel?.close();
          asked = channel !== undefined;
        }
        await delay(POLL_MS);
      }
      throw locked();
    },
    async forward(proofKey) {
      return ask(folder, proofKey, 'forward').catch((error: unknown) => {
        unlessRefused(error);
        throw locked(error);
      });
    },
  };
}

/** A refused proof is final; an unreachable holder may be about to start or about to end. */
function unlessRefused(error: unknown): undefined {
  if (error instanceof SecureChatError && error.code === 'AUTH_FAILED') throw error;
  return undefined;
}

// ---- the holder's side

interface Listening {
  close(): void;
}
type Handlers = Pick<Parameters<HeldLock['serve']>[0], 'onTakeOver' | 'onForward'>;

async function listen(folder: string, proofKey: Uint8Array, handlers: Handlers): Promise<Listening> {
  const path = socketPathForListening(folder);
  const channels = new Set<Socket>();
  const strangers = new Set<Socket>();
  const server: Server = createServer((socket) => {
    if (strangers.size >= STRANGERS_MAX) return void socket.destroy();
    channels.add(socket);
    strangers.add(socket);
    socket.setTimeout(PROOF_MS, () => socket.destroy());
    socket.on('close', () => (channels.delete(socket), strangers.delete(socket)));
    const { onTakeOver, onForward } = handlers;
    challenge(new LineChannel(socket), { proofKey, forwards: onForward !== undefined }, (want, channel) => {
      strangers.delete(socket);
      socket.setTimeout(0);
      if (want === 'takeOver') onTakeOver();
      else onForward?.(channel);
    });
  });
  // A socket left by a crash: we hold the lock, so nobody listens on it.
  if (process.platform !== 'win32') rmSync(path, { force: true });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject).listen({ path, readableAll: false, writableAll: false }, resolve);
    await promise;
    // Windows: a pipe has no mode, and is the owner's by default.
    if (process.platform !== 'win32') chmodSync(path, PRIVATE_FILE);
  } catch (cause) {
    throw new SecureChatError('PROFILE_UNWRITABLE', { text: 'No socket can be made in the profile.' }, { cause });
  }
  server.on('error', () => {});
  server.unref();
  return {
    close() {
      server.close();
      for (const socket of channels) socket.destroySoon();
      removeSocketFolder(folder);
      wipe(proofKey);
    },
  };
}

function challenge(
  channel: LineChannel,
  { proofKey, forwards }: { readonly proofKey: Uint8Array; readonly forwards: boolean },
  proven: (want: Want, channel: LineChannel) => void,
): void {
  const nonceOfHolder = systemEntropy(NONCE_BYTES);
  channel.send(JSON.stringify({ securechat: GREETING, challenge: toBase64url(nonceOfHolder) }));
  channel.onLine((line) => {
    channel.onLine(undefined);
    const answer = fields(line);
    const want = answer['want'] === 'takeOver' || answer['want'] === 'forward' ? answer['want'] : undefined;
    const nonce = bytes(answer['nonce']);
    const proof = bytes(answer['proof']);
    const proofs = want && nonce && proofsOf(proofKey, { want, challenge: nonceOfHolder, nonce });
    if (!want || !proof || !proofs || !equal(proof, proofs.requester)) {
      channel.send(JSON.stringify({ code: 'AUTH_FAILED' }));
      return channel.close();
    }
    if (want === 'forward' && !forwards) {
      channel.send(JSON.stringify({ code: 'PROFILE_LOCKED' }));
      return channel.close();
    }
    channel.trust();
    channel.send(JSON.stringify({ proof: toBase64url(proofs.holder) }));
    proven(want, channel);
  });
}

// ---- the requester's side

async function ask(folder: string, proofKey: Uint8Array, want: Want): Promise<LineChannel> {
  const path = socketPath(folder);
  const unanswered = (cause?: unknown): SecureChatError => new SecureChatError('PROFILE_LOCKED', {}, { cause });
  if (path === undefined) throw unanswered();
  const socket = connect({ path });
  const channel = new LineChannel(socket);
  const { promise, resolve, reject } = Promise.withResolvers<LineChannel>();
  socket.setTimeout(PROOF_MS, () => socket.destroy());
  channel.onClose(() => reject(unanswered()));
  channel.onLine((greeting) => {
    const { securechat, challenge: offered } = fields(greeting);
    const challengeBytes = bytes(offered);
    if (securechat !== GREETING || challengeBytes === undefined) return void socket.destroy();
    const nonce = systemEntropy(NONCE_BYTES);
    const proofs = proofsOf(proofKey, { want, challenge: challengeBytes, nonce });
    channel.send(JSON.stringify({ want, nonce: toBase64url(nonce), proof: toBase64url(proofs.requester) }));
    channel.onLine((line) => {
      const answer = fields(line);
      const proof = bytes(answer['proof']);
      if (answer['code'] === 'PROFILE_LOCKED') return void socket.destroy();
      if (proof === undefined || !equal(proof, proofs.holder)) {
        reject(new SecureChatError('AUTH_FAILED'));
        return void socket.destroy();
      }
      socket.setTimeout(0);
      channel.trust();
      channel.onLine(undefined);
      resolve(channel);
    });
  });
  return promise;
}

function proofsOf(
  proofKey: Uint8Array,
  over: { readonly want: Want; readonly challenge: Uint8Array; readonly nonce: Uint8Array },
): { readonly requester: Uint8Array; readonly holder: Uint8Array } {
  const prove = (who: 'requester' | 'holder'): Uint8Array =>
    hmacSha256(
      proofKey,
      new ByteWriter()
        .text16('securechat/lock v1')
        .text16(who)
        .text16(over.want)
        .vec16(over.challenge)
        .vec16(over.nonce)
        .done(),
    );
  return { requester: prove('requester'), holder: prove('holder') };
}

function fields(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** Nonces and proofs have 32 bytes. */
function bytes(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length !== 43) return undefined;
  try {
    return fromBase64url(value);
  } catch {
    return undefined;
  }
}

// ---- who holds it, for the sentence alone; the lock itself never depends on it

function holderFile(folder: string): string {
  return join(folder, 'holder');
}
function noteHolder(folder: string): void {
  try {
    writeFileSync(holderFile(folder), `${process.pid}\n`, { mode: PRIVATE_FILE });
  } catch {
    // A full disk: the sentence will not name the process.
  }
}
function holderOf(folder: string): number | undefined {
  try {
    const pid = Number(readPrivateFile(holderFile(folder)));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
