/**
 * What goes between the store and its writer thread. Calls travel in batches; the bytes of all submissions of a batch lie
 * in one buffer that is transferred, so that a message costs no thread hop and no copy of its own.
 */
import type { AccountId, ClientId, Code, DeviceId, FailureDetail, GroupId, Limits, SubmitKind } from '@securechat/wire';
import type {
  AppendedRow,
  AttachedDevice,
  DeviceChange,
  FoundingFacts,
  KeyPackageTaken,
  MailboxRow,
  Maintained,
  RecordSpace,
  RecordWrite,
  StoredRecord,
  StoreError,
  Submission,
} from '../port.ts';

/** Payload bytes of one batch, and about those of one commit: bounds the log, and with it what the ballast must hold. */
export const BATCH_BYTES_MAX: number = 2 * 1024 * 1024;

export interface Operations {
  readonly submit: { readonly ask: PackedSubmission; readonly answer: PackedResult };
  readonly fetch: {
    readonly ask: readonly [device: DeviceId, after: number, rowsMax: number, bytesMax: number];
    readonly answer: readonly MailboxRow[];
  };
  readonly ack: { readonly ask: readonly [device: DeviceId, generation: number, upTo: number]; readonly answer: true };
  readonly attach: {
    readonly ask: readonly [device: DeviceId, storedUpTo: number, history: number | undefined];
    readonly answer: AttachedDevice | undefined;
  };
  readonly detach: { readonly ask: readonly [device: DeviceId, generation: number]; readonly answer: true };
  readonly putKeyPackages: {
    readonly ask: readonly [
      device: DeviceId,
      oneTime: readonly Uint8Array[],
      lastResort: Uint8Array | undefined,
      withdraw: boolean,
    ];
    readonly answer: number;
  };
  readonly takeKeyPackages: {
    readonly ask: readonly [devices: readonly DeviceId[], lastResortOnly: boolean];
    readonly answer: ReadonlyMap<DeviceId, KeyPackageTaken>;
  };
  readonly keyPackageStock: {
    readonly ask: DeviceId;
    readonly answer: { readonly oneTime: number; readonly lastResort: boolean };
  };
  readonly get: {
    readonly ask: readonly [space: RecordSpace, keys: readonly string[], nowMs: number];
    readonly answer: readonly StoredRecord[];
  };
  readonly put: {
    readonly ask: readonly [writes: readonly RecordWrite[], devices: DeviceChange | undefined, nowMs: number];
    readonly answer: { readonly ok: boolean; readonly rows: readonly AppendedRow[] };
  };
  readonly list: {
    readonly ask: readonly [space: RecordSpace, prefix: string, after: string, limit: number, nowMs: number];
    readonly answer: readonly StoredRecord[];
  };
  readonly block: {
    readonly ask: readonly [owner: AccountId, other: AccountId, blocked: boolean, quiet: boolean];
    readonly answer: boolean;
  };
  readonly blocks: {
    readonly ask: AccountId;
    readonly answer: readonly { readonly account: AccountId; readonly quiet: boolean }[];
  };
  readonly contacts: { readonly ask: AccountId; readonly answer: readonly AccountId[] };
  readonly deleteAccount: {
    readonly ask: readonly [account: AccountId, nowMs: number];
    readonly answer: readonly AppendedRow[];
  };
  readonly maintain: {
    readonly ask: readonly [nowMs: number, monotonicMs: number, budgetMs: number];
    readonly answer: Maintained;
  };
}

export type OperationName = keyof Operations;

/** `n` pairs the answer with the call. */
export type Call = {
  readonly [Name in OperationName]: readonly [n: number, name: Name, ask: Operations[Name]['ask']];
}[OperationName];

export type ToWriter =
  { readonly kind: 'calls'; readonly calls: readonly Call[]; readonly bytes: Uint8Array } | { readonly kind: 'close' };

export interface PackedFailure {
  readonly code: StoreError['code'];
  readonly retry: StoreError['retry'];
  readonly outcome: StoreError['outcome'];
  readonly text: string;
}

export type FromWriter =
  | { readonly kind: 'opened' }
  | {
      readonly kind: 'answers';
      /** How many batches of calls these answers settle. */
      readonly batches: number;
      readonly answers: readonly (readonly [n: number, answer: unknown])[];
      readonly failures: readonly (readonly [n: number, failure: PackedFailure])[];
    }
  /** Opening failed, or nothing may be written any more. */
  | { readonly kind: 'fatal'; readonly failure: PackedFailure }
  | { readonly kind: 'closed' };

export interface WriterOptions {
  readonly directory: string;
  readonly limits: Limits;
  readonly monotonicMs: number;
  readonly ballastBytes: number;
  /** Messages to people who never wrote back are counted (`unansweredPerDay`). */
  readonly countUnanswered: boolean;
}

/** A submission with its payload left out: that lies in the batch's buffer at `payloadAt`. */
export type PackedSubmission = readonly [
  account: AccountId,
  device: DeviceId,
  generation: number,
  id: ClientId,
  kind: SubmitKind,
  onlineOnly: boolean,
  group: GroupId,
  epoch: number,
  submitNumber: number,
  chainNumber: number,
  lowestUnresolved: number,
  nowMs: number,
  payloadAt: number,
  payloadBytes: number,
  refusal: { readonly code: Code; readonly detail: FailureDetail } | undefined,
  commit: Submission['commit'],
  founding: FoundingFacts | undefined,
];

/** Rows are (index into the devices, seq, index into the bodies), one after the other. The store knows the bodies. */
export type PackedResult =
  | readonly [kind: 'accepted', repeat: boolean, devices: string, peers: string, rows: readonly number[]]
  | readonly [kind: 'refused', code: Code, detail: FailureDetail];

export function packSubmission(submission: Submission, payloadAt: number): PackedSubmission {
  const { sender, submit, refusal, commit, founding } = submission;
  return [
    sender.account,
    sender.device,
    sender.generation,
    submit.id,
    submit.kind,
    submit.onlineOnly || submission.onlineOnly === true,
    submit.group,
    submit.epoch,
    submit.submitNumber,
    submit.chainNumber,
    submit.lowestUnresolved,
    submission.nowMs,
    payloadAt,
    submit.payload.length,
    refusal,
    commit && { commit: tight(commit.commit), capsule: tight(commit.capsule) },
    founding && {
      ...founding,
      slot: tight(founding.slot),
      invitation: tight(founding.invitation),
      capsule: tight(founding.capsule),
      firstMessage: founding.firstMessage && tight(founding.firstMessage),
    },
  ];
}

export function unpackSubmission(packed: PackedSubmission, bytes: Uint8Array): Submission {
  const [account, device, generation, id, kind, onlineOnly, group, epoch, submitNumber, chainNumber] = packed;
  const [lowestUnresolved, nowMs, payloadAt, payloadBytes, refusal, commit, founding] = packed.slice(10) as Tail;
  const payload = bytes.subarray(payloadAt, payloadAt + payloadBytes);
  return {
    sender: { account, device, generation },
    submit: { id, kind, onlineOnly, group, epoch, submitNumber, chainNumber, lowestUnresolved, payload },
    nowMs,
    ...(refusal && { refusal }),
    ...(commit && { commit }),
    ...(founding && { founding }),
  };
}

type Tail = PackedSubmission extends readonly [
  unknown,
  unknown,
  unknown,
  unknown,
  unknown,
  unknown,
  unknown,
  unknown,
  unknown,
  unknown,
  ...infer Rest,
]
  ? Rest
  : never;

/** A copy that owns its buffer: cloning a view would clone all that it is a view of. */
export function tight(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
