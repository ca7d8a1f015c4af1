import { SecureChatError } from '@securechat/client';
import type { ClientEvent, Code, ConnectionState } from '@securechat/client';
import { formatBytes } from '../byte-size.ts';
import { exitCodeOfLogout } from '../exit-codes.ts';
import { sanitizeLine } from '../sanitize.ts';
import { sentenceOf, sentenceOfCode } from '../sentence.ts';
import { showOffer, withdraw } from './file-commands.ts';
import { marks } from './marks.ts';
import type { Session } from './session.ts';

type Event<K extends ClientEvent['kind']> = Extract<ClientEvent, { readonly kind: K }>;

/** Prints what an event means to a person. Synchronous, so that the order on the screen is the order of arrival. */
export function showEvent(session: Session, event: ClientEvent): void {
  (handlers[event.kind] as (session: Session, event: ClientEvent) => void)(session, event);
}

const handlers: { readonly [K in ClientEvent['kind']]: (session: Session, event: Event<K>) => void } = {
  message: (session, { message }) => {
    // Own messages of this session were printed when they were sent.
    if (!message.own && session.showMessage(message)) session.screen.alert();
  },
  state: showState,
  fileOffer: (session, { id, from, name, bytes }) => {
    showOffer(session, { id, from, name: sanitizeLine(name), bytes });
    session.screen.alert();
  },
  fileProgress: showProgress,
  fileAnswered: (session, { id, user, name, accepted }) => {
    const file = sanitizeLine(name);
    if (accepted) session.transfers.set(id, { name: file, shown: 0 });
    session.notice(accepted ? `${user} accepted ${file}. Sending.` : `${user} declined ${file}.`);
  },
  fileDelivered: (session, { id, user, name }) => {
    endTransfer(session, id);
    session.notice(`${user} has received ${sanitizeLine(name)}.`);
  },
  fileReceived: (session, { id, from, path, sha256 }) => {
    endTransfer(session, id);
    session.notice(`Received from ${from}: ${sanitizeLine(path)}`);
    if (session.screen.interactive) session.notice(session.screen.style.dim(`sha256 ${sha256}`));
  },
  fileFailed: (session, { id, user, name, code }) => {
    endTransfer(session, id);
    withdraw(session, id);
    session.warning(`${sanitizeLine(name)} (${user}): ${whyFailed(session, id, code)}`);
  },
  presence: () => undefined,
  keyChanged: (session, { user, verified }) =>
    session.warning(
      verified
        ? `The identity of ${user}, whom you had verified, changed. Sending to them is halted: !verify ${user}`
        : `The identity of ${user} changed (keys reset). To be sure that it is them: !verify ${user}`,
    ),
  deviceEnds: (session, { at, renewable }) =>
    session.warning(
      `This device is certified until ${at.slice(0, 10)}; from then on others refuse its keys. ` +
        (renewable
          ? 'To renew it: !logout, then !login while the server can be reached.'
          : 'Come back with the recovery words in a new profile, or take new keys: !resetkeys'),
    ),
  newDevice: (session, { user }) => session.notice(`${user} is on a new device.`),
  loggedOut: (session, { code, reason }) => {
    session.accountOutcome = exitCodeOfLogout(code);
    session.loggedOut();
    const why = sanitizeLine(reason);
    session.warning(sentenceOf(new SecureChatError(code)));
    if (why !== '' && !sentenceOfCode(code).includes(why)) session.notice(why);
  },
  connection: (session, { state, code }) => showConnection(session, state, code),
  gap: (session, { conversation, missing, code }) => {
    const whose = conversation === '' ? '' : ` of ${sanitizeLine(conversation)}`;
    const count = missing === 0 ? '' : `${missing} ${missing === 1 ? 'message' : 'messages'}${whose} missing: `;
    session.warning(`${count}${sentenceOfCode(code)}`);
  },
  serverPinned: (session, { fingerprint }) =>
    session.notice(`The key of this server is now remembered: ${fingerprint}. Another one will be refused.`),
};

export function showState(session: Session, event: Event<'state'>): void {
  const { id, conversation, state, code } = event;
  const known = session.sent.get(id);
  const user = known?.user ?? conversation.replace(/^@/, '');
  if (state === 'failed') {
    const { sending, refused } = session;
    const its = known === undefined ? sending?.user === user : sending?.id === id;
    if (sending !== undefined && its) return void sending.failures.push(event);
    if (known === undefined && refused?.user === user && refused.code === code) {
      session.refused = undefined;
      session.sent.set(id, { user, text: refused.text });
      return void session.failed.push(id);
    }
  }
  const waited = state !== 'queued' && session.unaccepted.delete(id);
  if (state === 'failed') {
    session.failed.push(id);
    if (known === undefined) session.sent.set(id, { user, text: '' });
    const excerpt = known === undefined ? '' : ` ("${excerptOf(known.text)}")`;
    const why = code === undefined ? '' : ` ${sentenceOfCode(code)}`;
    if (code !== undefined) session.remember(code);
    session.warning(`Not delivered to ${user}${excerpt}.${why} !resend sends it again.`);
  }
  const remarked = known?.remark?.(marks[state]) === true;
  if (waited && state !== 'failed' && !remarked) session.wentOut.push(id);
  if (waited && session.unaccepted.size === 0) showWentOut(session);
}

/** The mark of what waited is far up by now: one quiet line, once nothing waits any more. */
function showWentOut(session: Session): void {
  const [id, ...others] = session.wentOut.splice(0);
  const known = id === undefined ? undefined : session.sent.get(id);
  if (known === undefined) return;
  const { dim } = session.screen.style;
  if (others.length > 0) return session.notice(dim(`${others.length + 1} queued messages were sent.`));
  session.notice(dim(`The queued message to ${known.user} was sent: "${excerptOf(known.text)}"`));
}

function showProgress(session: Session, { id, bytes, of, direction }: Event<'fileProgress'>): void {
  const transfer = session.transfers.get(id) ?? { name: session.sent.get(id)?.text ?? 'file', shown: 0 };
  session.transfers.set(id, transfer);
  const percent = of === 0 ? 100 : Math.floor((bytes / of) * 100);
  const line = `${transfer.name}: ${percent} % of ${formatBytes(of)} ${direction === 'up' ? 'sent' : 'received'}`;
  if (session.screen.interactive) return session.screen.setStatus(percent >= 100 ? undefined : line);
  const quarter = Math.floor(percent / 25);
  // A pipe gets a line per quarter, and none for what is over at once.
  if (quarter > transfer.shown && percent < 100) session.notice(line);
  transfer.shown = Math.max(transfer.shown, quarter);
}

/** `file-received` says that it failed there, not why: their disk or their folder are the likely reasons. */
function whyFailed(session: Session, id: string, code: Code): string {
  if (code !== 'FILE_DAMAGED' || !session.sent.has(id)) return sentenceOfCode(code);
  return 'They could not take it: it came damaged, or cannot be written there. Offer it again.';
}

function endTransfer(session: Session, id: string): void {
  session.transfers.delete(id);
  session.screen.setStatus(undefined);
}

function showConnection(session: Session, state: ConnectionState, code: Event<'connection'>['code']): void {
  if (state !== 'connecting') session.screen.setStatus(undefined);
  const online = state === 'online';
  const changed = online !== session.online;
  // Trying again is not worth a line each time.
  if (online && session.reconnecting) session.reconnecting = false;
  // It comes after a connection that was lost, so that nothing changes, and it takes a minute.
  if (code === 'DEVICE_PAUSED' && session.username !== undefined) return session.warning(sentenceOfCode(code));
  if (session.username === undefined || !changed || session.reconnecting) return;
  const final = code === 'SERVER_KEY_CHANGED' || code === 'UNSUPPORTED_VERSION' || code === 'ACCOUNT_DISABLED';
  if (!online && !final) return session.connectionLost();
  session.online = online;
  session.showPrompt();
  if (online) session.notice('Connected again.');
  else if (final) session.warning(sentenceOfCode(code));
}

function excerptOf(text: string): string {
  const line = sanitizeLine(text);
  return line.length > 30 ? `${line.slice(0, 29).toWellFormed()}…` : line;
}
