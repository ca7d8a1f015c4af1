import { SecureChatError } from '@securechat/client';
import { formatBytes } from '../byte-size.ts';
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

export function offerLine(offer: Omit<Offer, 'shownAt'>): string {
  return `@${offer.from} offers ${offer.name} (${formatBytes(offer.bytes)}). Accept? y/n`;
}

/** `y`, `n`, `!accept`, `!decline`: the oldest offer, or the oldest of the person named. */
export async function answerOffer(session: Session, rest: string, accept: boolean): Promise<void> {
  const from = parseUser(rest.trim());
  const index = session.offers.findIndex((offer) => from === '' || offer.from === from);
  const [offer] = index < 0 ? [] : session.offers.splice(index, 1);
  if (offer === undefined) return session.failure(new SecureChatError('NO_SUCH_TRANSFER'));
  if (accept) {
    await session.client.acceptFile(offer.id);
    session.transfers.set(offer.id, { name: offer.name, shown: 0 });
    session.notice(`Accepted: ${offer.name} from ${offer.from}.`);
  } else {
    await session.client.declineFile(offer.id);
    session.notice(`Declined: ${offer.name} from ${offer.from}.`);
  }
  const next = session.offers[0];
  if (next === undefined) return;
  // The question is asked again, so that the next y is answered by somebody who has just read it.
  session.offers[0] = { ...next, shownAt: session.screen.print(offerLine(next)) };
}
