import { SecureChatError } from '@securechat/client';
import { formatBytes } from '../byte-size.ts';
import { asSecureChatError } from '../sentence.ts';
import { parsePath, parseUser } from './intent.ts';
import type { Offer, Session } from './session.ts';

export async function offerFile(session: Session, rest: string): Promise<void> {
  const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
  if (match === null) return session.notice('Usage: !file user path');
  const user = parseUser(match[1] ?? '');
  const path = parsePath(match[2] ?? '', session.options.home, session.options.fileExists);
  const { id } = await session.client.sendFile(`@${user}`, path);
  session.sent.set(id, { user, text: path });
  session.acquainted.add(user);
  session.notice(`Offered to ${user}. It is sent when they accept.`);
}

/** One question at a time: behind two of them a y would be meant for the last one read, and answer the first. */
export function showOffer(session: Session, offer: Omit<Offer, 'shownAt'>): void {
  const first = session.offers.length === 0;
  const line = first ? `${offerText(offer)}. ${QUESTION}` : `${offerText(offer)} as well. Answer the other one first.`;
  session.offers.push({ ...offer, shownAt: session.screen.print(line) });
}

const QUESTION = 'Accept? y/n';

function offerText({ from, name, bytes }: Omit<Offer, 'shownAt'>): string {
  return `@${from} offers ${name} (${formatBytes(bytes)})`;
}

/** `y`, `n`, `!accept`, `!decline`: the oldest offer, or the oldest of the person named. */
export async function answerOffer(session: Session, rest: string, accept: boolean): Promise<void> {
  const from = parseUser(rest.trim());
  const index = session.offers.findIndex((offer) => from === '' || offer.from === from);
  const offer = session.offers[index];
  if (offer === undefined) return session.lineFailed(new SecureChatError('NO_SUCH_TRANSFER'));
  let stays = false;
  try {
    await answer(session, offer, accept);
  } catch (error) {
    // What cannot be written now may be later.
    stays = asSecureChatError(error).code === 'FILE_UNWRITABLE';
    session.lineFailed(error);
  }
  if (!stays) remove(session, offer.id);
  ask(session);
}

async function answer(session: Session, offer: Offer, accept: boolean): Promise<void> {
  if (accept) {
    await session.client.acceptFile(offer.id);
    session.transfers.set(offer.id, { name: offer.name, shown: 0 });
    session.notice(`Accepted: ${offer.name} from ${offer.from}.`);
  } else {
    await session.client.declineFile(offer.id);
    session.notice(`Declined: ${offer.name} from ${offer.from}.`);
  }
}

/** The offer is over from elsewhere. */
export function withdraw(session: Session, id: string): void {
  const asked = session.offers[0]?.id === id;
  remove(session, id);
  if (asked) ask(session);
}

function remove(session: Session, id: string): void {
  const index = session.offers.findIndex((offer) => offer.id === id);
  if (index >= 0) session.offers.splice(index, 1);
}

/** The question stands last on the screen, so that the next y is answered by somebody who has just read it. */
function ask(session: Session): void {
  const [next] = session.offers;
  if (next !== undefined)
    session.offers[0] = { ...next, shownAt: session.screen.print(`${offerText(next)}. ${QUESTION}`) };
}
