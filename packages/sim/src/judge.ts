/** What has to hold once everything is quiet: what people said against what lies on the disks. */
import type { MlsEngine } from '@securechat/e2ee';
import type { MessageRecord } from '@securechat/client/engine';
import { sendingGroup } from '@securechat/client/engine';
import type { Code } from '@securechat/wire';
import { toBase64url } from '@securechat/wire';
import type { ClientNode } from './client-node.ts';
import type { WipeWatch } from './simulate.ts';
import type { Gap, Saying, Witness } from './witness.ts';
import type { Life, World } from './world.ts';

interface Evidence {
  readonly world: World;
  readonly witness: Witness;
  readonly clients: ReadonlyMap<string, ClientNode>;
  /** Message keys that were used: name and key. */
  readonly spent: ReadonlySet<string>;
  readonly wipes: readonly WipeWatch[];
  readonly engineFor: (life: Life) => MlsEngine;
}

/** With every history read once. */
interface Case extends Evidence {
  readonly messages: (node: ClientNode, user: string) => readonly MessageRecord[];
}

/**
 * Gaps that say where something went that was accepted. What an old device wrote before its owner's reset and what was
 * parked until after it is not believed any more (reliability.md).
 */
function isExplained({ code, conversation }: Gap, { reset, recovered }: Witness): boolean {
  if (code === 'EXPIRED') return true;
  if (code !== 'SENDER_RESET') return false;
  const from = conversation.slice(1);
  // In a group that was given up nobody can say whose it was.
  return from === '' ? reset.size + recovered.size > 0 : reset.has(from) || recovered.has(from);
}

/** What is shown to this person of what may be missing from that one. */
function gapsOf({ witness }: Evidence, name: string, from: string): readonly Gap[] {
  const shown = witness.gaps.get(name) ?? [];
  return shown.filter(({ conversation }) => conversation === '' || conversation === `@${from}`);
}

/** Either side is shown that something is missing: an old copy does not know what came back to it since. */
function hasGap(evidence: Evidence, one: string, other: string): boolean {
  return gapsOf(evidence, one, other).length + gapsOf(evidence, other, one).length > 0;
}

export async function judge(given: Evidence): Promise<void> {
  const read = new Map<string, readonly MessageRecord[]>();
  const messages: Case['messages'] = (node, user) => {
    const key = `${node.person.name} ${user}`;
    const known = read.get(key) ?? node.messages(user);
    read.set(key, known);
    return known;
  };
  const evidence = { ...given, messages };
  everyMessage(evidence);
  everyPromise(evidence);
  everyOrder(evidence);
  everyGap(evidence);
  everyFile(evidence);
  everyKey(evidence);
  await everyGroup(evidence);
}

/** True where this person may lack a message, and says so. */
function mayLack(evidence: Evidence, name: string, { from, message }: { from: string; message: string }): boolean {
  const { witness, clients } = evidence;
  if (witness.deleted.has(name)) return true;
  // What expired went back to its sender, who does not call it accepted any more.
  const gaps = gapsOf(evidence, name, from).filter(({ code }) => code !== 'EXPIRED');
  if (gaps.some((gap) => isExplained(gap, witness))) return true;
  // Logged out, which it was told: what waits for it waits on.
  const client = clients.get(name);
  if (client === undefined || client.over !== undefined) return true;
  if (witness.wentInto(client.groupsParkedInLost, from, message)) return true;
  const isOld = witness.rolledBack.has(name);
  // A profile that was put back and whose keys were then replaced shows nothing any more.
  if (isOld && (witness.reset.has(name) || gaps.length > 0)) return true;
  // What came in a group that the old copy never knew waits, and becomes a gap in a week.
  return isOld && witness.wentInto(client.groupsParked, from, message);
}

function everyMessage(evidence: Case): void {
  for (const saying of evidence.witness.sayings) {
    const sender = evidence.clients.get(saying.from);
    const receiver = evidence.clients.get(saying.to);
    if (sender !== undefined && receiver !== undefined) judgeMessage(evidence, saying, sender, receiver);
  }
}

function judgeMessage(evidence: Case, saying: Saying, sender: ClientNode, receiver: ClientNode): void {
  const { witness, messages } = evidence;
  const { from, to, text, status } = saying;
  const arrived = messages(receiver, from).filter((one) => !one.own && one.text === text);
  // What was read in a profile that is lost nobody remembers, when it is sent again for an old copy or a server that forgot.
  const again = witness.recovered.has(to) && (witness.rolledBack.has(from) || witness.restored || witness.liedTo);
  if (arrived.length > 1 && !again) witness.fail('stored-twice', `${to} has ${text} ${arrived.length} times`);
  if (status === 'unsaid' && arrived.length > 0) witness.fail('from-nowhere', `${to} has ${text}, which nobody sent`);
  const known = messages(sender, to).find((one) => one.own && one.text === text);
  const forgetful = witness.rolledBack.has(from) || witness.recovered.has(from);
  const unsure = (forgetful && known === undefined) || witness.deleted.has(from) || sender.over !== undefined;
  if (unsure) return;
  const { state, code } = known ?? {};
  const accepted = state === 'sent' || state === 'delivered' || state === 'read';
  // An old copy tries again what it does not know the end of; what it calls accepted arrives, or a loss is shown.
  if (witness.rolledBack.has(from) && (!accepted || hasGap(evidence, from, to))) return;
  // What waited in a profile that is lost never goes out, and what went back to it nobody hears of.
  const isLost = known !== undefined && sender.hasLost(to, known.id);
  if (isLost && (state === 'queued' || mayComeBack(witness, to))) return;
  if (status === 'taken' && state === undefined) return witness.fail('forgotten', `${from} has no ${text} any more`);
  if (state === 'queued') return witness.fail('never-settled', `${text} of ${from} is still queued`);
  // A refusal that an old copy has forgotten does not bind it.
  const refused = state === 'failed' || (status === 'refused' && !witness.rolledBack.has(from));
  if (refused && arrived.length > 0) {
    if (!sentBackLate(witness, to, code ?? saying.code))
      witness.fail('refused-then-delivered', `${text} failed for ${from} (${code ?? saying.code}) and ${to} has it`);
    return witness.count('failed, and read before');
  }
  // Stored before, and hidden by whoever blocked since.
  if (witness.blocked.has(`${to} ${from}`)) return;
  if (known === undefined || !accepted || arrived.length > 0) return;
  if (mayLack(evidence, to, { from, message: known.id })) return;
  if (witness.liedTo || witness.restored) {
    if (!isSeen(evidence, saying, known.id))
      witness.fail('lost-in-silence', `${text} is ${state} for ${from}, and nobody is shown that ${to} lacks it`);
  } else if (!witness.rolledBack.has(to))
    witness.fail('lost', `${text} is ${state} for ${from} and ${to} does not have it`);
  else witness.fail('lost-in-silence', `${text} is ${state} for ${from}, ${to} does not have it and shows no gap`);
}

/** What was accepted for this person may go back to its sender. */
function mayComeBack({ deleted, reset, recovered, expired, restored, liedTo }: Witness, to: string): boolean {
  return deleted.has(to) || reset.has(to) || recovered.has(to) || expired || restored || liedTo;
}

/** It went back to its sender although it had been read, which the server had not heard. */
function sentBackLate(witness: Witness, to: string, code: Code | undefined): boolean {
  if (witness.deleted.has(to) || witness.restored || witness.liedTo) return true;
  return (code === 'EXPIRED' && witness.expired) || (code === 'RECIPIENT_RESET' && witness.reset.has(to));
}

/**
 * With a server that lied or went back: a loss is shown, or nothing came after it in its chain that could show it. A chain
 * ends with its group: what is withheld at its end nobody can count.
 */
function isSeen(evidence: Case, { from, to, number }: Saying, message: string): boolean {
  const { witness, clients, messages } = evidence;
  const [sender, receiver] = [clients.get(from), clients.get(to)];
  if (receiver?.over !== undefined || gapsOf(evidence, to, from).length > 0) return true;
  if (receiver !== undefined && witness.wentInto(receiver.groupsParked, from, message)) return true;
  // Docs, reliability.md: a copy put back by hand is noticed by its numbers alone, and may have caught up with them.
  if (witness.copied) return true;
  if (sender === undefined || receiver === undefined || witness.restored) return false;
  const idOf = new Map(messages(sender, to).map((one) => [one.text, one.id as string]));
  const group = witness.groupOf(from, message);
  const later = witness.sayings.filter((one) => one.number > number && one.from === from && one.to === to);
  const got = new Set(messages(receiver, from).map((one) => one.text));
  return !later.some((one) => got.has(one.text) && witness.groupOf(from, idOf.get(one.text)) === group);
}

/** D1, from the server's mouth: whatever it called stored is there. */
function everyPromise(evidence: Case): void {
  const { witness, clients, messages } = evidence;
  if (witness.restored || witness.liedTo) return;
  for (const { from, message, device } of witness.promised()) {
    const receiver = clients.get(witness.personOf.get(device) ?? '');
    if (receiver === undefined || mayLack(evidence, receiver.person.name, { from, message })) continue;
    // It may have come back to a profile that is lost, or to nobody.
    if (witness.recovered.has(from) && mayComeBack(witness, receiver.person.name)) continue;
    if (witness.deleted.has(from)) continue;
    if (witness.rolledBack.has(from) && hasGap(evidence, from, receiver.person.name)) continue;
    const saidTo = witness.sayings.some(({ to }) => to === receiver.person.name);
    const sender = clients.get(from);
    const own = sender && messages(sender, receiver.person.name).find((one) => one.own && one.id === message);
    const back = own?.state === 'failed' && sentBackLate(witness, receiver.person.name, own.code);
    if (!saidTo || own === undefined || back || witness.blocked.has(`${receiver.person.name} ${from}`)) continue;
    if (!messages(receiver, from).some(({ id, own }) => !own && id === message))
      witness.fail('promise-broken', `the server said that ${receiver.person.name} has ${message} of ${from}`);
  }
}

function everyOrder({ witness, clients, messages }: Case): void {
  const numbers = new Map(witness.sayings.map(({ text, number }) => [text, number]));
  for (const receiver of clients.values())
    for (const from of clients.keys()) {
      const { name } = receiver.person;
      if (witness.rolledBack.has(from) || witness.rolledBack.has(name)) continue;
      const forgetful = witness.restored || witness.liedTo;
      if (forgetful && (witness.gaps.has(name) || witness.recovered.has(name))) continue;
      const got = messages(receiver, from).flatMap(({ own, text }) => (own ? [] : [numbers.get(text) ?? -1]));
      const wrong = got.findIndex((number, at) => at > 0 && number < (got[at - 1] ?? 0));
      if (wrong > 0) witness.fail('order', `${name} has ${from}'s ${got.join()}`);
    }
}

/** A gap is only where something is missing. */
function everyGap({ witness }: Evidence): void {
  const { gaps: everyones, rolledBack, restored, liedTo } = witness;
  if (restored || liedTo) return;
  // Of a group that was given up nobody can say whose it was.
  const isOfOldCopy = ({ conversation }: Gap): boolean =>
    conversation === '' ? rolledBack.size > 0 : rolledBack.has(conversation.slice(1));
  for (const [name, gaps] of everyones) {
    // What expired leaves holes in chains as well, and messages whose invitation is gone.
    const expired = witness.expired && gaps.some(({ code }) => code === 'EXPIRED');
    if (expired || rolledBack.has(name)) continue;
    for (const gap of gaps)
      if (!isExplained(gap, witness) && !isOfOldCopy(gap))
        witness.fail('gap', `${name} is shown a gap of ${gap.missing}: ${gap.code}`);
  }
}

/** A file that somebody has is whole, and it is there where that was shown. */
function everyFile({ world, witness, clients }: Case): void {
  for (const { from, to, name, content, shown } of witness.offers) {
    const receiver = clients.get(to);
    if (receiver === undefined) continue;
    const stem = name.slice(0, name.indexOf('.'));
    const got = world.files.below(`${receiver.folder}/in`).filter(([path]) => {
      const file = path.slice(path.lastIndexOf('/') + 1);
      return file === name || file.startsWith(`${stem} (`);
    });
    if (got.some(([, bytes]) => Buffer.compare(bytes, content) !== 0))
      witness.fail('file-damaged', `${to} has another ${name} than ${from} sent`);
    if (got.length === 0 && (shown.has(`${to} fileReceived`) || shown.has(`${from} fileDelivered`)))
      witness.fail('file-lost', `${to} does not have ${name}, which was shown as received`);
    if (got.length > 1) witness.count('file written twice');
  }
}

/** Used keys are nowhere any more: not on a disk, not in the memory that was named. */
function everyKey({ witness, clients, spent, wipes }: Evidence): void {
  for (const client of clients.values())
    for (const [key, value] of client.disk.durable.records) {
      if (!key.startsWith('group') || witness.rolledBack.has(client.person.name)) continue;
      // Read and not stored (a crash, a full disk), and gone from the server before it was read again: never used.
      if (witness.expired || witness.liedTo || witness.restored) continue;
      const text = Buffer.from(value).toString('latin1');
      for (const use of spent) {
        const [who = '', used = ''] = use.split(' ');
        if (who === client.person.name && text.includes(used))
          witness.fail('key-kept', `${client.person.name} has a key on the disk that was used`);
      }
    }
  for (const client of clients.values()) {
    const { running } = client;
    if (running === undefined || running.store.troubled) continue;
    // What an old device wrote is opened, and then neither kept nor counted as read.
    if ((witness.gaps.get(client.person.name) ?? []).some(({ code }) => code === 'UNDECRYPTABLE')) continue;
    const watch = wipes.find(({ life }) => life === running.life);
    if (watch?.arrays.some((array) => array.some((byte) => byte !== 0)) === true)
      witness.fail('not-wiped', `${client.person.name} keeps what it was to wipe`);
  }
}

/** Both sides of a conversation write in one group, and agree on its epoch. */
async function everyGroup({ world, witness, clients, engineFor }: Evidence): Promise<void> {
  // A commit that a copy put back by hand took back parts them until the next one (reliability.md).
  if (witness.liedTo || witness.copied) return;
  for (const [name, client] of clients)
    for (const [user, { lineage }] of client.running?.engine.ledger.conversations ?? []) {
      const peer = clients.get(user);
      const mine = sendingGroup(lineage);
      const theirs = sendingGroup(peer?.running?.engine.ledger.conversation(name).lineage ?? []);
      if (name > user || mine === undefined || theirs === undefined || mine.group !== theirs.group) continue;
      const [own, other] = await factsOf([client, peer], mine.group, { world, engineFor });
      if (own === undefined || other === undefined) continue;
      const agree = own.epoch === other.epoch && own.authenticator === other.authenticator;
      if (!agree) witness.fail('members-disagree', `${name} is in epoch ${own.epoch}, ${user} in ${other.epoch}`);
    }
}

async function factsOf(
  nodes: readonly (ClientNode | undefined)[],
  group: Parameters<NonNullable<ClientNode['running']>['engine']['ledger']['group']>[0],
  { world, engineFor }: Pick<Evidence, 'world' | 'engineFor'>,
) {
  const facts: ({ readonly epoch: number; readonly authenticator: string } | undefined)[] = [];
  for (const node of nodes) {
    const running = node?.running;
    const record = running && (await world.as(running.life, () => running.engine.ledger.group(group)));
    const read = record && engineFor({ name: 'judge', alive: true }).facts(record.state);
    facts.push(read && { epoch: read.epoch, authenticator: toBase64url(read.authenticator) });
  }
  return facts;
}
