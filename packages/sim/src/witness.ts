/**
 * Sees everything and judges it: what people said, what went over the wire, what the server decided and committed, what
 * was shown, and what lies on the disks in the end. Every rule that is broken has a name.
 */
import type { ClientEvent, Engine } from '@securechat/client/engine';
import { hasher, sha256 } from '@securechat/crypto';
import type { SubmitFacts, SubmitOutcome, Submission } from '@securechat/server/parts';
import type { Code, DeviceId } from '@securechat/wire';
import { control, decodeAccepted, decodeSubmit, toBase64url } from '@securechat/wire';
import type { Person } from './people.ts';
import { toyHeader } from './toy-engine.ts';

export interface Violation {
  /** Which invariant. */
  readonly rule: string;
  readonly text: string;
}

/** A file that somebody wanted to send. */
export interface Offer {
  readonly from: string;
  readonly to: string;
  readonly name: string;
  readonly content: Uint8Array;
  id: string | undefined;
  /** What was shown of it to either side. */
  readonly shown: Set<string>;
}

/** Something a person wrote. */
export interface Saying {
  readonly number: number;
  readonly from: string;
  readonly to: string;
  readonly text: string;
  /** `unknown`: the process ended before it was on disk, or right after. */
  status: 'unsaid' | 'unknown' | 'taken' | 'refused';
  id: string | undefined;
  code: Code | undefined;
}

export interface Gap {
  /** `@name`; empty where nobody knows in which. */
  readonly conversation: string;
  readonly code: Code;
  readonly missing: number;
}

interface Sent {
  readonly person: string;
  readonly device: DeviceId;
  /** Everything but submit number and lowest unresolved. */
  readonly fixed: string;
  /** The inner id. */
  readonly message: string | undefined;
  readonly group: string;
  readonly chain: number;
  /** Refused since it was sent last: may be encrypted again. */
  refused: boolean;
}

export interface Memory {
  readonly stored: ReadonlyMap<string, Decision>;
  readonly commits: ReadonlyMap<string, string>;
}

type Decision = readonly [Submission, SubmitFacts, SubmitOutcome];

/** Codes that say who asks, and nothing about the submission. */
const fences: ReadonlySet<Code> = new Set<Code>(['SESSION_REPLACED', 'DEVICE_REVOKED']);
const MARK = 'canary';

export class Witness {
  readonly violations: Violation[] = [];
  readonly sayings: Saying[] = [];
  /** Profiles put back to an old copy: what was in them since is gone, visibly. */
  readonly rolledBack = new Set<string>();
  readonly deleted = new Set<string>();
  /** Whose profile was lost, and whose account came back by the recovery words. */
  readonly recovered = new Set<string>();
  /** Who has blocked whom at some time. */
  readonly blocked = new Set<string>();
  /** New keys were asked for. */
  readonly reset = new Set<string>();
  /** More time passed than the server keeps what nobody fetches. */
  expired = false;
  /** The server was put back to an older state, with or without saying so. */
  restored = false;
  /** By hand, so that nobody was told. */
  copied = false;
  /** The server lied. */
  liedTo = false;
  /** Submissions that a lying server called accepted. */
  readonly neverStored = new Set<string>();
  /** How often something happened, of which a run is to have some. */
  readonly features = new Map<string, number>();
  readonly offers: Offer[] = [];
  readonly personOf = new Map<DeviceId, string>();
  /** By person to whom they are shown. */
  readonly gaps = new Map<string, Gap[]>();
  /** By device and client id: what the server said is stored, and where. */
  readonly said = new Map<string, readonly DeviceId[]>();
  readonly #clock: () => number;
  /** Over everything that happened. */
  readonly #trace = hasher('sha256');
  #digest: string | undefined;
  readonly #log: string[] | undefined;
  readonly #sent = new Map<string, Sent>();
  readonly #ofMessage = new Map<string, Set<string>>();
  readonly #keys = new Map<string, { readonly digest: string; readonly key: string }>();
  readonly #handles = new Set<string>();
  readonly #engines = new Map<string, Engine>();
  readonly #shown = new Map<string, string>();
  #stored = new Map<string, Decision>();
  #commits = new Map<string, string>();
  #decisions: Decision[] = [];

  constructor(clock: () => number, keepLog: boolean) {
    this.#clock = clock;
    this.#log = keepLog ? [] : undefined;
  }

  /** Everything that happened, in order, as one hash: two runs of a seed have the same. */
  get digest(): string {
    return (this.#digest ??= toBase64url(this.#trace.digest()).slice(0, 16));
  }
  get log(): readonly string[] {
    return this.#log ?? [];
  }

  note(text: string): void {
    const line = `${this.#clock()} ${text}`;
    if (this.#digest === undefined) this.#trace.update(Buffer.from(`${line}\n`));
    this.#log?.push(line);
  }

  fail(rule: string, text: string): void {
    this.note(`VIOLATION ${rule}: ${text}`);
    this.violations.push({ rule, text });
  }

  count(feature: string): void {
    this.features.set(feature, (this.features.get(feature) ?? 0) + 1);
  }

  lied(how: string): void {
    this.liedTo = true;
    this.note(`a lie: ${how}`);
    this.count(`lie: ${how}`);
  }

  // ---- people

  says(from: string, to: string, text: string) {
    const saying: Saying = {
      number: this.sayings.length,
      from,
      to,
      text,
      status: 'unknown',
      id: undefined,
      code: undefined,
    };
    this.sayings.push(saying);
    this.note(`${from} says ${text} to ${to}`);
    return {
      unsaid: (): void => void (saying.status = 'unsaid'),
      taken: (id: string): void => {
        Object.assign(saying, { status: 'taken', id });
        this.note(`${text} taken`);
      },
      refused: (code: Code): void => {
        const unknown = code === 'OUTCOME_UNKNOWN';
        if (unknown) this.count('outcome unknown to the sender');
        Object.assign(saying, { status: unknown ? 'unknown' : 'refused', code });
        this.note(`${text} refused ${code}`);
      },
    };
  }

  offered(offer: Offer): Offer {
    this.offers.push(offer);
    this.note(`${offer.from} offers ${offer.name} to ${offer.to}`);
    return offer;
  }

  /** A process of this person runs. */
  opened({ name }: Person, engine: Engine): void {
    this.#engines.set(name, engine);
  }

  event(name: string, event: ClientEvent): void {
    if (event.kind === 'message') {
      const { id, text, own } = event.message;
      if (own) return;
      this.note(`${name} sees ${text}`);
      const key = `${name} ${text}`;
      const again = this.rolledBack.size > 0 || this.restored || this.liedTo;
      const forgotten = this.rolledBack.has(name) || (this.recovered.has(name) && again);
      if (this.#shown.has(key) && !forgotten)
        this.fail('shown-twice', `${name} sees ${text} as ${this.#shown.get(key)} and ${id}`);
      this.#shown.set(key, id);
    }
    if (event.kind === 'state') {
      this.note(`${name}: ${event.id} ${event.state} ${event.code ?? ''}`);
      this.count(event.code === undefined ? event.state : `failed: ${event.code}`);
    }
    if (event.kind === 'connection') this.note(`${name} ${event.state} ${event.code ?? ''}`);
    if (event.kind.startsWith('file') && event.kind !== 'fileProgress' && 'id' in event) {
      const shown = event.kind === 'fileAnswered' && !event.accepted ? 'fileDeclined' : event.kind;
      this.note(`${name}: ${shown} ${event.id}`);
      this.count(shown);
      this.offers.find(({ id }) => id === event.id)?.shown.add(`${name} ${shown}`);
    }
    if (event.kind === 'gap') {
      this.count(`gap: ${event.code}`);
      this.note(`${name} sees a gap of ${event.missing}: ${event.code}`);
      const { conversation, code, missing } = event;
      this.gaps.set(name, [...(this.gaps.get(name) ?? []), { conversation, code, missing }]);
    }
  }

  // ---- the wire

  submitted(name: string, device: DeviceId, body: Uint8Array): void {
    const submit = decodeSubmit(body);
    const { kind, group, epoch, chainNumber, payload } = submit;
    const key = `${device} ${submit.id}`;
    this.note(`${name} submits ${kind} #${submit.submitNumber} chain ${chainNumber} epoch ${epoch} ${submit.id}`);
    if (Buffer.from(payload.buffer, payload.byteOffset, payload.length).includes(MARK))
      this.fail('plaintext', `${name} sends what can be read`);
    const digest = toBase64url(sha256(payload));
    const fixed = [kind, group, epoch, chainNumber, digest].join(' ');
    const before = this.#sent.get(key);
    if (before === undefined) {
      const message =
        kind === 'commit' ? undefined : this.#engines.get(name)?.ledger.outboxBySubmit(submit.id)?.message;
      this.#firstSent(name, device, key, message);
      this.#sent.set(key, { person: name, device, fixed, message, group, chain: chainNumber, refused: false });
    } else {
      if (before.fixed !== fixed) this.fail('resend-differs', `${name}: ${submit.id} has other bytes than before`);
      before.refused = false;
    }
    this.#keyOf(name, device, { kind, group, payload, digest, key });
  }

  /** A message under a second client id was encrypted again: only a refusal permits that. */
  #firstSent(name: string, device: DeviceId, key: string, message: string | undefined): void {
    if (message === undefined) return;
    const inner = `${name} ${message}`;
    const keys = this.#ofMessage.get(inner) ?? new Set();
    for (const earlier of keys) {
      const sent = this.#sent.get(earlier);
      // New keys know nothing of what the old ones began; a server that was put back has forgotten it.
      const excused = sent?.device !== device || this.rolledBack.has(name) || this.restored || this.liedTo;
      if (!excused && !this.#mayEncryptAgain(sent))
        this.fail('encrypted-again', `${name} encrypts ${message} again, which nobody refused`);
    }
    this.#ofMessage.set(inner, keys.add(key));
  }

  /** Refused, or behind one that was: what follows in the chain the server refuses too, whether or not that is heard. */
  #mayEncryptAgain(sent: Sent | undefined): boolean {
    if (sent === undefined || sent.refused) return true;
    const { person, group, chain } = sent;
    const before = (one: Sent): boolean => one.person === person && one.group === group && one.chain < chain;
    return [...this.#sent.values()].some((one) => one.refused && before(one));
  }

  /** No key of a chain encrypts two things. */
  #keyOf(
    name: string,
    device: DeviceId,
    sent: { kind: string; group: string; payload: Uint8Array; digest: string; key: string },
  ): void {
    if (sent.kind === 'commit') return;
    const ciphertext = sent.kind === 'found' ? control.Founding.decode(sent.payload).firstMessage : sent.payload;
    const header = toyHeader(ciphertext);
    if (header === undefined) return;
    const use = `${device} ${sent.group} ${header.epoch} ${header.generation}`;
    const known = this.#keys.get(use);
    // What an old copy of a profile sent in its lost future, and nobody took, is known to nobody.
    const matters = known !== undefined && (!this.rolledBack.has(name) || this.#stored.has(known.key));
    if (matters && known.digest !== sent.digest)
      this.fail('key-used-twice', `${name} encrypts two messages with one key`);
    this.#keys.set(use, { digest: sent.digest, key: sent.key });
  }

  refusalRead(name: string, device: DeviceId, id: string, code: Code): void {
    this.note(`${name} is refused ${id}: ${code}`);
    this.count(`refused: ${code}`);
    const sent = this.#sent.get(`${device} ${id}`);
    if (sent !== undefined) sent.refused = true;
  }

  // ---- the server

  attached({ name }: Person, device: DeviceId, generation: number): void {
    this.personOf.set(device, name);
    this.note(`${name} attached ${generation}`);
  }

  resumed(name: string, handle: string, good: boolean): void {
    this.count(good ? 'resumed' : 'resumption refused');
    if (good && this.#handles.has(handle) && !this.restored)
      this.fail('resumed-twice', `${name} resumes twice with one secret`);
    if (good) this.#handles.add(handle);
  }

  /** Inside a transaction. */
  decided(submission: Submission, facts: SubmitFacts, outcome: SubmitOutcome): void {
    this.#decisions.push([submission, facts, outcome]);
    const { sender, submit } = submission;
    if (outcome.kind === 'accepted' && facts.sender?.generation !== sender.generation)
      this.fail('fence', `${submit.id} of an older connection is accepted`);
    const epoch = submit.kind === 'found' ? undefined : facts.group?.epoch;
    if (outcome.kind === 'accepted' && epoch !== undefined && epoch !== submit.epoch)
      this.fail('epoch', `${submit.id} of epoch ${submit.epoch} is accepted in ${epoch}`);
  }

  /** The transaction ended. */
  ended(how: 'kept' | 'lost'): void {
    const decisions = this.#decisions;
    this.#decisions = [];
    if (how === 'kept') for (const decision of decisions) this.#committed(decision);
  }

  #committed(decision: Decision): void {
    const [{ sender, submit }, , outcome] = decision;
    const key = `${sender.device} ${submit.id}`;
    const person = this.#sent.get(key)?.person ?? '';
    const known = this.#stored.has(key);
    if (outcome.kind === 'refused') {
      if (known && !fences.has(outcome.code) && !this.rolledBack.has(person) && !this.liedTo)
        this.fail('refused-after-accepted', `${submit.id} was stored before and is refused: ${outcome.code}`);
      return;
    }
    if (outcome.kind === 'repeat') return this.count('answered again');
    // What it was made to forget it takes again.
    if (known && !this.liedTo) this.fail('stored-twice', `${submit.id} is stored a second time`);
    this.#stored.set(key, decision);
    if (submit.kind !== 'commit') return;
    const place = `${submit.group} ${submit.epoch}`;
    this.count('commit');
    if (this.#commits.has(place) && !this.liedTo)
      this.fail('two-commits', `epoch ${submit.epoch} of ${submit.group} has two commits`);
    this.#commits.set(place, submit.id);
  }

  /** What the server has stored, as far as it matters to these rules: to be rewound when it is put back. */
  memory(): Memory {
    return { stored: new Map(this.#stored), commits: new Map(this.#commits) };
  }
  rewind({ stored, commits }: Memory): void {
    this.restored = true;
    this.#stored = new Map(stored);
    this.#commits = new Map(commits);
  }

  /** The server said so, whether or not it arrives. */
  answered(name: string, device: DeviceId, kind: 'accepted' | 'refused', bytes: Uint8Array): void {
    if (kind === 'refused') return;
    const { id, devices } = decodeAccepted(bytes);
    this.note(`accepted ${id} of ${name}`);
    const key = `${device} ${id}`;
    this.said.set(
      key,
      devices.filter(({ state }) => state === 'stored').map((one) => one.device),
    );
    if (!this.#stored.has(key)) this.fail('said-before-stored', `${id} of ${name} is accepted and not on the disk`);
  }

  // ---- the end

  /** In which group a message went out last. */
  groupOf(person: string, message: string | undefined): string | undefined {
    return [...this.#sent.values()].findLast((sent) => sent.person === person && sent.message === message)?.group;
  }

  /** Whether a message went out in one of these groups. */
  wentInto(groups: ReadonlySet<string>, person: string, message: string): boolean {
    const sent = [...this.#sent.values()].filter((one) => one.person === person && one.message === message);
    return sent.some(({ group }) => groups.has(group));
  }

  /** Inner ids of messages that the server said are stored for the device, by person who sent them. */
  *promised(): Generator<{ readonly from: string; readonly message: string; readonly device: DeviceId }> {
    for (const [key, devices] of this.said) {
      const sent = this.#sent.get(key);
      if (sent?.message === undefined) continue;
      for (const device of devices) yield { from: sent.person, message: sent.message, device };
    }
  }

  static mark(number: number): string {
    return `${MARK}-${number}`;
  }
}
