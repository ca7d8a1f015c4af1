/**
 * Lanes through SecureChat: a message is done when the server has acknowledged it as durable to the sender *and* the
 * receiver has it. Bodies are opaque bytes: no end-to-end encryption is measured here.
 */
import { systemEntropy } from '@securechat/crypto';
import { control, encodeSubmit, idBytes, idOf } from '@securechat/wire';
import type { ClientId, Code, GroupId, MailboxSeq, Submit } from '@securechat/wire';
import { attach, open } from './account.ts';
import type { Account, Link, Target } from './account.ts';
import type { Lane } from './load.ts';
import type { Lanes } from './relay-lanes.ts';

/** A lane in each direction between the two of every pair; the first of them founds their conversation. */
export async function openChatLanes(
  target: Target,
  pairs: readonly (readonly [Account, Account])[],
  bodyBytes: number,
): Promise<Lanes> {
  const ends: End[] = [];
  const payload = systemEntropy(bodyBytes);
  for (const [one, other] of pairs) {
    const [first, second] = [await openEnd(target, one, payload), await openEnd(target, other, payload)];
    first.peer = second;
    second.peer = first;
    ends.push(first, second);
    const group = idOf<GroupId>(systemEntropy(16));
    const founded = Promise.withResolvers<void>();
    first.onAccepted = founded.resolve;
    first.submit(group, { kind: 'found', epoch: 1, chainNumber: 0, payload: founding(one, other) });
    await founded.promise;
    for (const end of [first, second]) end.begin(group);
  }
  return { lanes: ends, close: () => ends.forEach((end) => end.close()) };
}

/** One attached device: the lane of what it sends to its peer. */
class End implements Lane {
  onDone: () => void = () => undefined;
  onAccepted: () => void = () => undefined;
  peer: End | undefined;
  closing = false;
  #submit: Submitter | undefined;
  #close: () => void = () => undefined;
  readonly #payload: Uint8Array;
  #group: GroupId | undefined;
  #chainNumber = 0;
  #accepted = 0;
  #delivered = 0;
  #done = 0;

  constructor(payload: Uint8Array) {
    this.#payload = payload;
  }

  attached(submit: Submitter, close: () => void): void {
    this.#submit = submit;
    this.#close = close;
  }

  begin(group: GroupId): void {
    this.#group = group;
    this.onAccepted = () => {
      this.#accepted += 1;
      this.#settle();
    };
  }

  send(): void {
    this.#chainNumber += 1;
    if (this.#group !== undefined)
      this.submit(this.#group, { kind: 'message', epoch: 1, chainNumber: this.#chainNumber, payload: this.#payload });
  }

  submit(group: GroupId, what: What): void {
    this.#submit?.(group, what);
  }

  /** The peer has one of its messages. */
  delivered(): void {
    this.#delivered += 1;
    this.#settle();
  }

  close(): void {
    this.closing = true;
    this.#close();
  }

  #settle(): void {
    while (this.#done < Math.min(this.#accepted, this.#delivered)) {
      this.#done += 1;
      this.onDone();
    }
  }
}

async function openEnd(target: Target, account: Account, payload: Uint8Array): Promise<End> {
  const end = new End(payload);
  const acknowledge = cumulativeAck((upTo) => link.ack(upTo));
  let answered = 0;
  const { link } = await open(target, {
    onClosed: (code: Code) => {
      if (!end.closing) throw new Error(`a connection under load ended: ${code}`);
    },
    onAccepted: () => {
      answered += 1;
      end.onAccepted();
    },
    onDeliver: (row) => {
      acknowledge(row.seq);
      if (row.kind === 'message') end.peer?.delivered();
    },
  });
  const { submitNumberHighest } = await attach(link, account, { storedUpTo: 0, submitNumberHighest: 0 });
  end.attached(
    submitter(link, submitNumberHighest, () => answered),
    () => link.close(),
  );
  return end;
}

type What = Pick<Submit, 'kind' | 'epoch' | 'chainNumber' | 'payload'>;
type Submitter = (group: GroupId, what: What) => void;

/**
 * Numbers and sends; answers come in the order of sending. Ids count up, and what is unresolved is told, as a client does:
 * the server's dedupe index grows at its end and forgets at its beginning.
 */
function submitter(link: Link, submitNumberHighest: number, answered: () => number): Submitter {
  let submitNumber = submitNumberHighest;
  const random = systemEntropy(10);
  return (group, what) => {
    submitNumber += 1;
    const id = Buffer.concat([Buffer.alloc(6), random]);
    id.writeUIntBE(submitNumber, 0, 6);
    const lowestUnresolved = submitNumberHighest + answered() + 1;
    link.submit(
      encodeSubmit({ id: idOf<ClientId>(id), onlineOnly: false, group, submitNumber, lowestUnresolved, ...what }),
    );
  };
}

function founding(from: Account, to: Account): Uint8Array {
  return control.Founding.encode({
    peerAccount: idBytes(to.id),
    peerSequence: 1,
    ownSequence: 1,
    generation: 1,
    predecessor: new Uint8Array(0),
    devices: [idBytes(from.device), idBytes(to.device)],
    invitation: systemEntropy(1024),
    capsule: systemEntropy(1024),
    firstMessage: new Uint8Array(0),
  }).finish();
}

/** One acknowledgement per record of deliveries, in one record with what the same turn of the loop sends. */
function cumulativeAck(send: (upTo: MailboxSeq) => void): (upTo: MailboxSeq) => void {
  let newest: MailboxSeq | undefined;
  return (upTo) => {
    if (newest === undefined) {
      queueMicrotask(() => {
        if (newest !== undefined) send(newest);
        newest = undefined;
      });
    }
    newest = upTo;
  };
}
