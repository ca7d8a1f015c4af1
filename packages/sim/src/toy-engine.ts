/**
 * A group key agreement that is none, behind the port of the real one: epochs, a chain of keys per leaf of which each
 * key is used once, and the refusals of MLS. It is fast and draws from the seed alone. What it hides it hides with a
 * secret that only members have, so that plaintext at the server is found; it withstands nobody.
 */
import { aes256gcm, sha256 } from '@securechat/crypto';
import type { GroupState, MlsEngine } from '@securechat/e2ee';
import { limits, toBase64url, fromBase64url, ByteReader, ByteWriter } from '@securechat/wire';

type StagedCommit = Extract<ReturnType<MlsEngine['decrypt']>, { kind: 'commit' }>;

interface ToyLeaf {
  readonly credential: string;
  readonly signingKey: string;
  readonly encryptionKey: string;
}
interface Chain {
  /** Generation of the next key. */
  next: number;
  key: string;
  readonly skipped: Record<string, string>;
}
interface Epoch {
  readonly epoch: number;
  readonly secret: string;
  readonly chains: Record<string, Chain>;
}
interface ToyState {
  readonly group: string;
  readonly context: string;
  readonly own: number;
  leaves: ToyLeaf[];
  /** Newest last. */
  epochs: Epoch[];
}

/** What a run watches: every message key at the moment it is spent, and what is to be wiped once its successor is stored. */
export interface KeyWatch {
  spent(key: string): void;
  toWipe(arrays: readonly Uint8Array[]): void;
}

const MAGIC = 0x746f7900;
const EPOCHS_KEPT = 5;
const KIND = { message: 1, commit: 2 } as const;
const none = new Uint8Array(0);
const nonce = new Uint8Array(12);

export function toyEngine(watch: KeyWatch): MlsEngine {
  const engine: MlsEngine = {
    suite: 0xf101,

    keyPackage({ own, validity, entropy }) {
      const secrets = entropy(32);
      const value = {
        credential: b64(own.credential),
        signingKey: b64(own.signingPublic),
        init: hash('init', b64(secrets)),
        ...validity,
      };
      const keyPackage = bytesOf(value);
      return { keyPackage, reference: referenceOf(keyPackage), secrets };
    },

    readKeyPackage(keyPackage) {
      const value = packageIn(keyPackage);
      if (value === undefined) return undefined;
      return {
        reference: referenceOf(keyPackage),
        credential: raw(value.credential),
        signingKey: raw(value.signingKey),
        validity: { notBeforeMs: value.notBeforeMs, notAfterMs: value.notAfterMs },
      };
    },

    welcomedReferences: (welcome) => welcomeIn(welcome)?.references.map(raw),

    found({ group, context, own, keyPackages, psk, check, entropy }) {
      const packages = keyPackages.map((one) => ({ reference: b64(referenceOf(one)), value: packageIn(one) }));
      const leaves: ToyLeaf[] = [leafOf(own.credential, own.signingPublic, entropy(32))];
      for (const { value } of packages) {
        if (value === undefined) return refuse('malformed');
        if (!check(raw(value.credential), raw(value.signingKey))) return refuse('credential');
        leaves.push({ credential: value.credential, signingKey: value.signingKey, encryptionKey: value.init });
      }
      const secret = hash('found', b64(entropy(32)), b64(psk.secret));
      const shared = { group: b64(group), context: b64(context), leaves, secret };
      const welcome = bytesOf({
        psk: b64(psk.id),
        references: packages.map(({ reference }) => reference),
        sealed: b64(
          aes256gcm.seal({ key: raw(hash('welcome', b64(psk.secret))), nonce, aad: none, plaintext: bytesOf(shared) }),
        ),
      });
      const state = newState(shared, 0, { epoch: 1, secret });
      return { kind: 'founded', state: hold(state), epoch: 1, wipe: [], welcome };
    },

    join({ welcome, keyPackage, secrets, own, psk, check }) {
      const opened = welcomeIn(welcome);
      if (opened === undefined) return refuse('malformed');
      const place = opened.references.indexOf(b64(referenceOf(keyPackage)));
      const fits = packageIn(keyPackage)?.init === hash('init', b64(secrets));
      if (place < 0 || !fits) return refuse('no-key-package');
      if (opened.psk !== b64(psk.id)) return refuse('no-psk');
      const key = raw(hash('welcome', b64(psk.secret)));
      const plaintext = aes256gcm.open({ key, nonce, aad: none, ciphertext: raw(opened.sealed) });
      if (plaintext === undefined) return refuse('undecryptable');
      const shared = parse(plaintext) as { group: string; context: string; leaves: ToyLeaf[]; secret: string };
      if (!shared.leaves.every((leaf) => check(raw(leaf.credential), raw(leaf.signingKey))))
        return refuse('credential');
      const index = shared.leaves.findIndex((leaf) => leaf.signingKey === b64(own.signingPublic));
      if (index < 0) return refuse('policy');
      const state = newState(shared, index, { epoch: 1, secret: shared.secret });
      const { roster, context } = factsOf(state);
      const signer = roster[0];
      if (signer === undefined) return refuse('malformed');
      const result = {
        kind: 'joined',
        state: hold(state),
        epoch: 1,
        group: raw(shared.group),
        context,
        roster,
        signer,
      } as const;
      return { ...result, wipe: toWipe([secrets]) };
    },

    encrypt({ state: before, aad, plaintext }) {
      const state = open(before);
      const epoch = newest(state);
      const { generation, key } = take(chainOf(epoch, state.own), undefined) ?? { generation: 0, key: '' };
      watch.spent(key);
      const ciphertext = sealed(state, { kind: KIND.message, generation, aad, key, plaintext });
      return { ciphertext, state: hold(state), epoch: epoch.epoch, wipe: toWipe([markOf(before)]) };
    },

    decrypt({ state: before, ciphertext, check }) {
      const state = open(before);
      const header = headerIn(ciphertext);
      if (header === undefined) return refuse('malformed');
      if (header.group !== state.group) return refuse('other-group');
      if (header.leaf === state.own) return refuse('own');
      const current = newest(state);
      if (header.epoch > current.epoch) return refuse('too-new');
      const epoch = state.epochs.find((one) => one.epoch === header.epoch);
      if (epoch === undefined || (header.kind === KIND.commit && epoch !== current)) return refuse('too-old');
      const chain = chainOf(epoch, header.leaf);
      if (header.generation - chain.next > limits.outOfOrderForwardMax.value) return refuse('too-far-ahead');
      const isCommit = header.kind === KIND.commit;
      const taken = isCommit ? { key: commitKey(epoch, header.leaf, header.aad) } : take(chain, header.generation);
      if (taken === undefined) return refuse('replayed');
      const plaintext = aes256gcm.open({ key: raw(taken.key), nonce, aad: header.signed, ciphertext: header.body });
      const sender = factsOf(state).roster[header.leaf];
      if (plaintext === undefined || sender === undefined) return refuse('undecryptable');
      watch.spent(taken.key);
      if (header.kind === KIND.message) {
        const after = { state: hold(state), epoch: current.epoch, wipe: toWipe([markOf(before)]) };
        return { kind: 'message', sender, sentInEpoch: header.epoch, aad: header.aad, plaintext, ...after };
      }
      if (!check(sender.credential, sender.signingKey)) return refuse('credential');
      return staged(state, before, { leaf: header.leaf, commit: parse(plaintext) as ToyCommit });
    },

    selfUpdate({ state: before, entropy }) {
      const state = open(before);
      const { epoch } = newest(state);
      const change: ToyCommit = { secret: b64(entropy(32)), encryptionKey: b64(entropy(32)) };
      const aad = entropy(16);
      const key = commitKey(newest(state), state.own, aad);
      const commit = sealed(state, { kind: KIND.commit, generation: 0, aad, key, plaintext: bytesOf(change) });
      const next = open(before);
      advance(next, next.own, change);
      // Keys of epochs before lie in the state alone, which goes on using them up.
      next.epochs = [newest(next)];
      const after = { state: hold(state), epoch, wipe: toWipe([markOf(before)]) };
      return { ...after, commit, pending: bytesOf(next), epochAfter: epoch + 1, groupInfo: groupInfo(next) };
    },

    mergeOwn({ state: current, pending }) {
      const [now, next] = [open(current), parse(pending) as ToyState];
      const merged = { ...next, epochs: [...now.epochs, newest(next)].slice(-EPOCHS_KEPT) };
      return { state: hold(merged), epoch: newest(next).epoch, wipe: toWipe([markOf(current), pending]) };
    },

    facts: (state) => factsOf(open(state)),

    exportGroupInfo: ({ state }) => groupInfo(open(state)),

    pack(state, stored) {
      const { epochs, ...base } = open(state);
      const there = stored && open(stored);
      const same = there?.leaves.every((leaf, at) => leaf.encryptionKey === base.leaves[at]?.encryptionKey) === true;
      return { base: same ? undefined : bytesOf(base), messageKeys: bytesOf(epochs) };
    },

    unpack({ base, messageKeys }) {
      const state = { ...(parse(base) as Omit<ToyState, 'epochs'>), epochs: parse(messageKeys) as Epoch[] };
      return hold(state);
    },

    discard: (state) => markOf(state).fill(0),
  };
  return engine;

  function toWipe(arrays: readonly Uint8Array[]): readonly Uint8Array[] {
    watch.toWipe(arrays);
    return arrays;
  }

  function staged(
    state: ToyState,
    before: GroupState,
    by: { leaf: number; commit: ToyCommit },
  ): StagedCommit | Refusal {
    const facts = factsOf(state);
    const after = copyOf(state);
    advance(after, by.leaf, by.commit);
    const committer = facts.roster[by.leaf];
    if (committer === undefined) return refuse('malformed');
    return {
      kind: 'commit',
      committer,
      before: facts.roster,
      after: factsOf(after).roster,
      contextBefore: facts.context,
      contextAfter: facts.context,
      merge: () => ({ state: hold(after), epoch: newest(after).epoch, wipe: toWipe([markOf(before)]) }),
      drop: () => undefined,
    };
  }
}

/** What the header of a ciphertext says in the clear; MLS hides the sender, the run wants to know it. */
export function toyHeader(
  ciphertext: Uint8Array,
):
  { readonly epoch: number; readonly leaf: number; readonly generation: number; readonly commit: boolean } | undefined {
  const header = headerIn(ciphertext);
  return header && { ...header, commit: header.kind === KIND.commit };
}

interface ToyCommit {
  readonly secret: string;
  readonly encryptionKey: string;
}
type Refusal = Extract<ReturnType<MlsEngine['decrypt']>, { kind: 'refused' }>;

function refuse<R extends Refusal['reason']>(reason: R): { readonly kind: 'refused'; readonly reason: R } {
  return { kind: 'refused', reason };
}

// ---- states in memory

class Held {
  readonly state: ToyState;
  /** Zero once the state was wiped. */
  readonly mark: Uint8Array = Uint8Array.of(1);
  constructor(state: ToyState) {
    this.state = state;
  }
}

function hold(state: ToyState): GroupState {
  return new Held(state) as unknown as GroupState;
}

/** A copy, to be changed. */
function open(state: GroupState): ToyState {
  const held = state as unknown as Held;
  if (held.mark[0] !== 1) throw new Error('a state that was wiped');
  return copyOf(held.state);
}

function markOf(state: GroupState): Uint8Array {
  return (state as unknown as Held).mark;
}

function copyOf(state: ToyState): ToyState {
  const chains = (epoch: Epoch): Epoch['chains'] =>
    Object.fromEntries(
      Object.entries(epoch.chains).map(([leaf, chain]) => [leaf, { ...chain, skipped: { ...chain.skipped } }]),
    );
  return { ...state, epochs: state.epochs.map((epoch) => ({ ...epoch, chains: chains(epoch) })) };
}

// ---- keys

/** The key of a generation, which is gone afterwards; the next one without a number. Undefined: spent. */
function take(chain: Chain, generation: number | undefined): { generation: number; key: string } | undefined {
  const wanted = generation ?? chain.next;
  if (wanted < chain.next) {
    const key = chain.skipped[wanted];
    delete chain.skipped[wanted];
    return key === undefined ? undefined : { generation: wanted, key };
  }
  while (chain.next < wanted) {
    chain.skipped[chain.next] = hash('message', chain.key);
    step(chain);
  }
  const key = hash('message', chain.key);
  step(chain);
  return { generation: wanted, key };
}

function step(chain: Chain): void {
  chain.key = hash('next', chain.key);
  chain.next += 1;
}

/** A commit has a key of its own: one that loses must not take any from the chain of messages. */
function commitKey(epoch: Epoch, leaf: number, fresh: Uint8Array): string {
  return hash('commit', epoch.secret, String(leaf), b64(fresh));
}

function chainOf(epoch: Epoch, leaf: number): Chain {
  return (epoch.chains[leaf] ??= { next: 0, key: hash('chain', epoch.secret, String(leaf)), skipped: {} });
}

function advance(state: ToyState, leaf: number, { secret, encryptionKey }: ToyCommit): void {
  const before = newest(state);
  const next = { epoch: before.epoch + 1, secret: hash('epoch', before.secret, secret), chains: {} };
  state.epochs = [...state.epochs, next].slice(-EPOCHS_KEPT);
  state.leaves = state.leaves.map((one, at) => (at === leaf ? { ...one, encryptionKey } : one));
}

function newest(state: ToyState): Epoch {
  const epoch = state.epochs.at(-1);
  if (epoch === undefined) throw new Error('a state without an epoch');
  return epoch;
}

function newState(
  { group, context, leaves }: { group: string; context: string; leaves: ToyLeaf[] },
  own: number,
  { epoch, secret }: { epoch: number; secret: string },
): ToyState {
  return { group, context, own, leaves, epochs: [{ epoch, secret, chains: {} }] };
}

function factsOf(state: ToyState): ReturnType<MlsEngine['facts']> {
  const roster = state.leaves.map((leaf, index) => ({
    index,
    credential: raw(leaf.credential),
    signingKey: raw(leaf.signingKey),
    encryptionKey: raw(leaf.encryptionKey),
  }));
  const { epoch, secret } = newest(state);
  const authenticator = raw(hash('authenticator', secret));
  return { group: raw(state.group), epoch, context: raw(state.context), roster, ownLeaf: state.own, authenticator };
}

function leafOf(credential: Uint8Array, signingKey: Uint8Array, encryptionKey: Uint8Array): ToyLeaf {
  return { credential: b64(credential), signingKey: b64(signingKey), encryptionKey: b64(encryptionKey) };
}

// ---- bytes:  magic u32 | kind u8 | group 16 | epoch u64 | leaf u8 | generation u32 | aad vec16 | body

function sealed(
  state: ToyState,
  message: { kind: number; generation: number; aad: Uint8Array; key: string; plaintext: Uint8Array },
): Uint8Array {
  const head = new ByteWriter(36 + message.aad.length)
    .u32(MAGIC)
    .u8(message.kind)
    .raw(raw(state.group))
    .u64(newest(state).epoch)
    .u8(state.own)
    .u32(message.generation)
    .vec16(message.aad)
    .done();
  const body = aes256gcm.seal({ key: raw(message.key), nonce, aad: head, plaintext: message.plaintext });
  return new ByteWriter(head.length + body.length).raw(head).raw(body).done();
}

function headerIn(ciphertext: Uint8Array) {
  if (ciphertext.length < 52) return undefined;
  const reader = new ByteReader(ciphertext);
  if (reader.u32() !== MAGIC) return undefined;
  const kind = reader.u8();
  const group = b64(reader.raw(16));
  const [epoch, leaf, generation] = [reader.u64(), reader.u8(), reader.u32()];
  const aad = reader.vec16().slice();
  const signed = ciphertext.slice(0, 36 + aad.length);
  return { kind, group, epoch, leaf, generation, aad, signed, body: ciphertext.slice(signed.length) };
}

function packageIn(bytes: Uint8Array) {
  const value = parse(bytes) as
    { credential: string; signingKey: string; init: string; notBeforeMs: number; notAfterMs: number } | undefined;
  return typeof value?.init === 'string' ? value : undefined;
}

function welcomeIn(bytes: Uint8Array) {
  const value = parse(bytes) as { psk: string; references: string[]; sealed: string } | undefined;
  return Array.isArray(value?.references) ? value : undefined;
}

function groupInfo(state: ToyState): Uint8Array {
  return bytesOf({ group: state.group, epoch: newest(state).epoch });
}

function referenceOf(keyPackage: Uint8Array): Uint8Array {
  return digestOf(keyPackage);
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes);
}

function hash(...parts: readonly string[]): string {
  return toBase64url(sha256(new TextEncoder().encode(parts.join('|'))));
}

function b64(bytes: Uint8Array): string {
  return toBase64url(bytes);
}
function raw(text: string): Uint8Array {
  return fromBase64url(text);
}
function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
