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

/** `pairs` of sender and receiver; each founds its conversation first. */
export async function openChatLanes(
  target: Target,
  pairs: readonly (readonly [Account, Account])[],
  bodyBytes: number,
): Promise<Lanes> {
  const opened: ChatLane[] = [];
  for (const [sender, receiver] of pairs) opened.push(await openChatLane(target, sender, receiver, bodyBytes));
  return {
    lanes: opened.map(({ lane }) => lane),
    close: () => opened.forEach((lane) => lane.close()),
  };
}

interface ChatLane {
  readonly lane: Lane;
  close(): void;
}

async function openChatLane(target: Target, from: Account, to: Account, bodyBytes: number): Promise<ChatLane> {
  let accepted = 0;
  let delivered = 0;
  let done = 0;
  let closing = false;
  const onClosed = (code: Code): void => {
    if (!closing) throw new Error(`a connection under load ended: ${code}`);
  };
  const lane: Lane = { send: () => undefined, onDone: () => undefined };
  const settle = (): void => {
    while (done < Math.min(accepted, delivered)) {
      done += 1;
      lane.onDone();
    }
  };
  const founded = Promise.withResolvers<void>();
  const sender = await open(target, {
    onClosed,
    onAccepted: () => {
      founded.resolve();
      accepted += 1;
      settle();
    },
  });
  const acknowledge = cumulativeAck((upTo) => receiver.link.ack(upTo));
  const receiver = await open(target, {
    onClosed,
    onDeliver: (row) => {
      acknowledge(row.seq);
      if (row.kind !== 'message') return;
      delivered += 1;
      settle();
    },
  });
  await attach(receiver.link, to, { storedUpTo: 0, submitNumberHighest: 0 });
  const { submitNumberHighest } = await attach(sender.link, from, { storedUpTo: 0, submitNumberHighest: 0 });

  const group = idOf<GroupId>(systemEntropy(16));
  const submit = submitter(sender.link, group, submitNumberHighest);
  submit({ kind: 'found', epoch: 1, chainNumber: 0, payload: founding(from, to) });
  await founded.promise;
  accepted = 0;

  const payload = systemEntropy(bodyBytes);
  let chainNumber = 0;
  lane.send = () => submit({ kind: 'message', epoch: 1, chainNumber: ++chainNumber, payload });
  const close = (): void => {
    closing = true;
    sender.link.close();
    receiver.link.close();
  };
  return { lane, close };
}

/** Numbers and sends. Ids count up, as a client's do, so that the dedupe index of the server grows at its end. */
function submitter(link: Link, group: GroupId, submitNumberHighest: number) {
  let submitNumber = submitNumberHighest;
  const random = systemEntropy(10);
  return (what: Pick<Submit, 'kind' | 'epoch' | 'chainNumber' | 'payload'>): void => {
    submitNumber += 1;
    const id = Buffer.concat([Buffer.alloc(6), random]);
    id.writeUIntBE(submitNumber, 0, 6);
    const lowestUnresolved = Math.max(1, submitNumber - IN_FLIGHT_MAX);
    link.submit(
      encodeSubmit({ id: idOf<ClientId>(id), onlineOnly: false, group, submitNumber, lowestUnresolved, ...what }),
    );
  };
}

/** More than any window of the load. */
const IN_FLIGHT_MAX = 64;

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

/** One acknowledgement per turn of the loop, as a client sends after its commit. */
function cumulativeAck(send: (upTo: MailboxSeq) => void): (upTo: MailboxSeq) => void {
  let newest: MailboxSeq | undefined;
  return (upTo) => {
    if (newest === undefined) {
      setImmediate(() => {
        if (newest !== undefined) send(newest);
        newest = undefined;
      });
    }
    newest = upTo;
  };
}
