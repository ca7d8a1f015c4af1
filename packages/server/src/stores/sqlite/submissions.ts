/** A submission inside the transaction: load the facts, decide in core, apply the outcome. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { sha256 } from '@securechat/crypto';
import type { AccountId, Limits } from '@securechat/wire';
import { SecureChatError, submitKinds } from '@securechat/wire';
import type {
  FoundingPlace,
  GroupFacts,
  KnownFacts,
  MailboxFacts,
  PersonFacts,
  SlotFacts,
  SubmitFacts,
  SubmitOutcome,
} from '../../core/submit-facts.ts';
import { decideSubmit } from '../../core/mailbox.ts';
import type { Submission } from '../port.ts';
import type { Attachments } from './attachments.ts';
import type { Blocks } from './blocks.ts';
import type { Device, Devices } from './devices.ts';
import type { Group, Groups } from './groups.ts';
import type { Mailboxes } from './mailboxes.ts';
import { packDevices, unpackDevices } from './pack.ts';
import { Unanswered } from './unanswered.ts';

/**
 * Forgotten dedupe rows are deleted once so many submit numbers have gathered: few, so that many devices share a page and
 * a commit writes fewer of them; not one, which would be a statement more per message.
 */
const FORGET_EVERY = 8;

type Accepted = Extract<SubmitOutcome, { kind: 'accepted' }>;

export interface SubmissionParts {
  readonly db: DatabaseSync;
  readonly limits: Limits;
  readonly devices: Devices;
  readonly groups: Groups;
  readonly mailboxes: Mailboxes;
  readonly blocks: Blocks;
  readonly attachments: Attachments;
  /** Open registration: messages to people who never wrote back are counted. */
  readonly countUnanswered: boolean;
  /** The rules; another one only where a test plants a fault. */
  readonly decide?: typeof decideSubmit;
}

export class Submissions {
  readonly #parts: SubmissionParts;
  readonly #known: StatementSync;
  readonly #remember: StatementSync;
  readonly #forget: StatementSync;
  readonly #unanswered = new Unanswered();

  constructor(parts: SubmissionParts) {
    this.#parts = parts;
    const { db } = parts;
    this.#known = db.prepare('SELECT submit_number, hash, answer FROM dedupe WHERE device = ? AND client = ?');
    this.#remember = db.prepare(
      'INSERT OR REPLACE INTO dedupe (device, client, submit_number, hash, answer) VALUES (?, ?, ?, ?, ?)',
    );
    this.#forget = db.prepare('DELETE FROM dedupe WHERE device = ? AND submit_number < ?');
  }

  submit(submission: Submission, day: number): SubmitOutcome {
    const { limits, devices, groups, attachments, decide = decideSubmit } = this.#parts;
    const sender = devices.find(submission.sender.device);
    const group = groups.find(submission.submit.group);
    const facts = this.#load(submission, sender, group);
    const outcome = decide(submission, facts, limits);
    // A refusal by the fence says nothing about the order of the device's newer connection.
    const fenced =
      outcome.kind === 'refused' && (outcome.code === 'DEVICE_REVOKED' || outcome.code === 'SESSION_REPLACED');
    if (!fenced && (group !== undefined || submission.submit.kind === 'found'))
      attachments.note(submission.sender.device, submission.submit, outcome.kind !== 'refused');
    if (outcome.kind === 'accepted' && sender !== undefined) {
      this.#apply(submission, outcome, { sender, group, hash: facts.hash, day });
      if (facts.unansweredToday !== undefined) this.#unanswered.note(sender.account, submission.nowMs);
    }
    return outcome;
  }

  /** The first answer to what was accepted before; needs no room on the disk. */
  repeat(submission: Submission): Extract<SubmitOutcome, { kind: 'repeat' }> | undefined {
    const { limits, devices, groups, decide = decideSubmit } = this.#parts;
    const sender = devices.find(submission.sender.device);
    const outcome = decide(submission, this.#load(submission, sender, groups.find(submission.submit.group)), limits);
    return outcome.kind === 'repeat' ? outcome : undefined;
  }

  #load(submission: Submission, sender: Device | undefined, group: Group | undefined): SubmitFacts {
    const { devices, attachments, blocks } = this.#parts;
    const { submit, founding } = submission;
    const own = submission.sender.account;
    const members = submit.kind === 'found' ? (founding?.devices ?? []) : (group?.devices ?? []);
    const peer = submit.kind === 'found' ? founding?.peer : group && otherOf(group, own);
    const unansweredToday = this.#unansweredToday(submission, peer);
    return {
      hash: hashOf(submission),
      sender: sender && {
        account: sender.account,
        ended: sender.ended,
        generation: sender.generation,
        submitNumberHighest: sender.submitHighest,
        forgottenBelow: sender.forgottenBelow,
      },
      known: sender && this.#knownFacts(sender, submission),
      refused: attachments.refused(submission.sender.device, submit.group),
      group: group && this.#groupFacts(group, own),
      founding: founding && this.#foundingPlace(founding.slot, own, founding.peer),
      mailboxes: members
        .filter((id) => id !== submission.sender.device)
        .map((id) => devices.find(id))
        .filter((device) => device !== undefined)
        .map((device) => this.#mailboxFacts(device, submission)),
      block: peer === undefined ? 'none' : blocks.of(peer, own),
      ...(unansweredToday !== undefined && { unansweredToday }),
    };
  }

  #unansweredToday({ sender, submit, founding, nowMs }: Submission, peer: AccountId | undefined): number | undefined {
    const writes = submit.kind === 'message' || founding?.firstMessage !== undefined;
    if (!this.#parts.countUnanswered || !writes || peer === undefined) return undefined;
    return this.#parts.blocks.hasWritten(peer, sender.account)
      ? undefined
      : this.#unanswered.today(sender.account, nowMs);
  }

  #knownFacts(sender: Device, submission: Submission): KnownFacts | undefined {
    const row = this.#known.get(sender.row, submission.submit.id);
    if (row === undefined) return undefined;
    const devices = unpackDevices(String(row['answer']));
    const peers = new Set<AccountId>();
    for (const { device } of devices) {
      const account = this.#parts.devices.find(device)?.account;
      if (account !== undefined && account !== sender.account) peers.add(account);
    }
    return { hash: row['hash'] as Uint8Array, submitNumber: Number(row['submit_number']), devices, peers: [...peers] };
  }

  #groupFacts(group: Group, own: AccountId): GroupFacts {
    const { devices, groups } = this.#parts;
    const newest = group.superseded ? groups.slot(group.slot) : undefined;
    return {
      epoch: group.epoch,
      successor: newest && this.#slotFacts(newest),
      members: group.devices,
      peers: [otherOf(group, own)],
      devicesCurrent:
        devices.person(group.founder)?.change === group.founderChange &&
        devices.person(group.peer)?.change === group.peerChange,
    };
  }

  #foundingPlace(slot: Uint8Array, own: AccountId, peer: AccountId): FoundingPlace {
    const holder = this.#parts.groups.slot(slot);
    return { slot: holder && this.#slotFacts(holder), own: this.#person(own), peer: this.#person(peer) };
  }

  #slotFacts(slot: { readonly group: Group['id']; readonly generation: number }): SlotFacts {
    return { ...slot, devices: this.#parts.groups.find(slot.group)?.devices ?? [] };
  }

  #person(account: AccountId): PersonFacts | undefined {
    const person = this.#parts.devices.person(account);
    if (person === undefined) return undefined;
    const current = this.#parts.devices.ofAccount(account).filter((device) => !device.ended);
    return { sequence: person.sequence, devices: current.map((device) => device.id) };
  }

  #mailboxFacts(device: Device, { submit }: Submission): MailboxFacts {
    const { mailboxes, attachments, limits } = this.#parts;
    const nearFull =
      device.rows >= limits.mailboxRowsMax || device.bytes + submit.payload.length > limits.mailboxBytesMax;
    return {
      device: device.id,
      account: device.account,
      next: device.next,
      rows: device.rows,
      bytes: device.bytes,
      attached: attachments.has(device.id),
      resyncWaits: nearFull && mailboxes.resyncWaits(device, submit.group),
    };
  }

  #apply(
    submission: Submission,
    outcome: Accepted,
    known: { sender: Device; group: Group | undefined; hash: Uint8Array; day: number },
  ): void {
    const { devices, mailboxes, groups, blocks } = this.#parts;
    const { submit, founding, commit, nowMs } = submission;
    const { sender, group } = known;

    for (const [index, { kind, payload }] of outcome.bodies.entries()) {
      const rows = outcome.rows.filter((row) => row.body === index);
      if (rows.length === 0) continue;
      const to = rows.map((row) => present(devices.find(row.device)));
      const body = { kind, payload, group: submit.group, sender: sender.row, client: submit.id };
      const seqs = mailboxes.append({ ...body, storedAtMs: nowMs, day: known.day }, to);
      // Decided and written numbers must be the same ones: a difference would skip or repeat a row.
      if (rows.some((row, at) => row.seq !== seqs[at])) throw new SecureChatError('INTERNAL');
    }

    if (submit.kind === 'commit' && group && commit) groups.advance(group, outcome.epoch, commit.capsule);
    if (submit.kind === 'found' && founding)
      groups.found(
        {
          id: submit.group,
          slot: founding.slot,
          generation: founding.generation,
          epoch: outcome.epoch,
          founder: sender.account,
          founderChange: devices.person(sender.account)?.change ?? 0,
          peer: founding.peer,
          peerChange: devices.person(founding.peer)?.change ?? 0,
          devices: [...founding.devices],
          superseded: false,
        },
        founding.capsule,
      );
    if (outcome.wrote) for (const peer of outcome.peers) blocks.noteWrote(sender.account, peer);

    this.#remember.run(sender.row, submit.id, submit.submitNumber, known.hash, packDevices(outcome.devices));
    sender.submitHighest = submit.submitNumber;
    sender.forgottenBelow = outcome.forgottenBelow;
    if (sender.forgottenBelow - sender.deletedBelow >= FORGET_EVERY) {
      this.#forget.run(sender.row, sender.forgottenBelow);
      sender.deletedBelow = sender.forgottenBelow;
    }
    devices.touch(sender);
  }
}

/** Over what makes a submission the same one: not the submit number, which changes after a refusal. */
function hashOf({ submit }: Submission): Uint8Array {
  const { kind, group, epoch, chainNumber, payload } = submit;
  const head = `${submitKinds[kind]} ${group} ${epoch} ${chainNumber} `;
  const hashed = Buffer.allocUnsafe(head.length + payload.length);
  hashed.write(head, 0, 'latin1');
  hashed.set(payload, head.length);
  return sha256(hashed);
}

function otherOf(group: Group, own: AccountId): AccountId {
  return group.founder === own ? group.peer : group.founder;
}

function present(device: Device | undefined): Device {
  if (device === undefined) throw new SecureChatError('INTERNAL');
  return device;
}
