/** The client: one object from `connect` to `close`, at most one account open in it. */
import { systemEntropy } from '@securechat/crypto';
import { safetyNumber, safetyPart, tsMlsEngine } from '@securechat/e2ee';
import type { AccountId, Code, Fingerprint } from '@securechat/wire';
import {
  defaultLimits,
  formatServerAddress,
  idBytes,
  normaliseUsername,
  parseServerAddress,
  SecureChatError,
} from '@securechat/wire';
import type {
  Client,
  ClientEvent,
  ClientOptions,
  ClientStatus,
  Contact,
  LoggedIn,
  Message,
  Registered,
  SendOptions,
  SendResult,
} from './api.ts';
import type { ContactRecord } from './core/record-contact.ts';
import { messageView } from './core/record-message.ts';
import { findAccount } from './profile.ts';
import type { ForwardedEvents } from './shell/engine.ts';
import { Engine, presenceOf } from './shell/engine.ts';
import { EventHub } from './shell/event-hub.ts';
import type { Link } from './shell/link-port.ts';
import { resetIdentity } from './shell/new-identity.ts';
import { renewOldKeys, watchPresence } from './shell/online.ts';
import type { OpenProfile } from './shell/open-profile.ts';
import { closeProfile, discardProfile, isRegistering } from './shell/open-profile.ts';
import { isHalted } from './shell/people.ts';
import { Sender, shown } from './shell/send.ts';
import type { OpenedLink, ServerAt } from './shell/server-pin.ts';
import { isNews, openPinned, remember } from './shell/server-pin.ts';
import type { SignInInput } from './shell/sign-in.ts';
import { recoverInto, signIn } from './shell/sign-in.ts';
import { signUp } from './shell/sign-up.ts';
import { pinOf } from './servers-file.ts';
import type { Answer } from './shell/open-account.ts';

const HISTORY_DEFAULT = 50;
const HISTORY_MAX = 1000;
/** Upkeep of the store: replaced records leave the disk. */
const UPKEEP_MS = 60_000;
/** 16 bytes in base64url. */
const INVITE_CODE = /^[\w-]{22}$/;
const DATE_MS_MAX = 8.64e15;
/** Keys that come of age while the client runs. */
const RENEWAL_MINUTES = 60;

/**
 * Prepares a client; nothing is connected yet. USAGE for an address that is none, SERVER_KEY_CHANGED when it names
 * another key than the one pinned.
 */
export async function connect(options: ClientOptions): Promise<Client> {
  const address = parseServerAddress(options.server);
  pinOf(options.profileDirectory, address);
  return new SecureChatClient(options, {
    profileDirectory: options.profileDirectory,
    address,
    tlsCa: options.tlsCa,
  });
}

/** An open account: from login to logout. */
interface Open {
  readonly profile: OpenProfile;
  readonly engine: Engine;
  readonly sender: Sender;
  readonly upkeep: NodeJS.Timeout;
}

class SecureChatClient implements Client {
  readonly #options: ClientOptions;
  readonly #at: ServerAt;
  readonly #hub = new EventHub();
  #open: Open | undefined;
  /** A login or registration under way: two at once would fight for one profile. */
  #entering = false;
  #closed = false;

  constructor(options: ClientOptions, at: ServerAt) {
    this.#options = options;
    this.#at = at;
  }

  events(): AsyncIterableIterator<ClientEvent> {
    return this.#hub.iterate();
  }

  // ---- coming and going

  register(account: {
    readonly username: string;
    readonly password: string;
    readonly invite?: string;
  }): Promise<Registered> {
    return this.#enter(async () => {
      const { username, password, invite } = account;
      const input = { ...this.#entrance(), username, password, invite };
      const { profile, opened, fingerprint, recoveryWords } = await signUp(input);
      await this.#start(profile, opened);
      const { account: id, device } = profile.ledger.account;
      return { account: id, device, fingerprint, recoveryWords };
    });
  }

  async registration(): Promise<'invite' | 'open' | 'closed'> {
    const { link } = await openPinned(this.#at, silent);
    try {
      const answer = await link.request('challenge', {});
      const mode = answer.$case === 'challenge' ? answer.value.registration : '';
      if (mode !== 'invite' && mode !== 'open' && mode !== 'closed') throw new SecureChatError('MALFORMED');
      return mode;
    } finally {
      link.close();
    }
  }

  login(account: {
    readonly username: string;
    readonly password: string;
    readonly recoveryWords?: string;
  }): Promise<LoggedIn> {
    return this.#enter(async () => {
      const { username, password, recoveryWords } = account;
      const input: SignInInput = { ...this.#entrance(), username, password, recoveryWords };
      const { profile, opened } = await signIn(input);
      let code = await this.#start(profile, opened);
      if (code === 'DEVICE_REVOKED' && recoveryWords !== undefined) code = await this.#recover(profile, input);
      if (code !== undefined && barring.has(code)) {
        const unmade = code === 'NOT_AUTHENTICATED' && isRegistering(profile.folder);
        await this.#leave(unmade ? discardProfile : closeProfile);
        throw new SecureChatError(unmade ? 'AUTH_FAILED' : code);
      }
      return this.#loggedIn(profile);
    });
  }

  async hasProfile(username: string): Promise<boolean> {
    try {
      return findAccount(this.#at.profileDirectory, this.#at.address, username) !== undefined;
    } catch (error) {
      if (error instanceof SecureChatError && error.code === 'NAME_INVALID') return false;
      throw error;
    }
  }

  async logout(): Promise<void> {
    const { engine } = this.#account();
    // Offline at once for everybody; without a connection the server notices by itself.
    await engine
      .link()
      ?.request('detach', {})
      .catch(() => undefined);
    await this.#leave(closeProfile);
  }

  async deleteAccount(username: string): Promise<void> {
    const { engine, profile } = this.#account();
    const link = this.#link();
    if (nameOf(username) !== profile.ledger.account.username)
      throw new SecureChatError('NO_SUCH_USER', { text: 'This is not the name of your account.' });
    engine.leaving = true;
    try {
      await link.request('deleteAccount', { username: profile.ledger.account.username });
    } catch (error) {
      engine.leaving = false;
      throw error;
    }
    await this.#leave(discardProfile);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#leave(closeProfile);
    this.#hub.close();
  }

  // ---- messages

  async send(to: string, text: string, options: SendOptions = {}): Promise<SendResult> {
    const { sender } = this.#account();
    return sender.send(this.#other(to), text, options);
  }

  async resend(id: string): Promise<SendResult> {
    return this.#account().sender.resend(id);
  }

  async history(query: {
    readonly with: string;
    readonly before?: string;
    readonly limit?: number;
  }): Promise<readonly Message[]> {
    const { ledger } = this.#account().profile;
    const user = this.#other(query.with);
    const limit = Math.min(HISTORY_MAX, Math.max(1, Math.trunc(query.limit ?? HISTORY_DEFAULT)));
    const { before } = query;
    const records = await ledger.messages(user, { limit, ...(before !== undefined && { before }) });
    return records.map((record) => messageView(record, user, ledger.account.username));
  }

  async markRead(user: string): Promise<void> {
    const { engine } = this.#account();
    const name = this.#other(user);
    await engine.serial.run(name, async () => {
      const conversation = engine.ledger.conversation(name);
      if (conversation.unread === 0) return;
      const told = engine.receipts.mayKnow(name);
      const read = told ? [...conversation.read, ...conversation.unreadIds] : conversation.read;
      // "Read" says "delivered" as well.
      const delivered = conversation.delivered.filter((id) => !read.includes(id));
      const value = { ...conversation, unread: 0, unreadIds: [], read, delivered };
      await engine.ledger.commit([{ put: 'conversation', value }]);
    });
    engine.receipts.owed(name);
  }

  // ---- people

  async presence(user: string): Promise<'online' | 'offline' | 'unknown'> {
    const { engine } = this.#account();
    const contact = await this.#contact(user);
    const link = this.#link();
    const answer = await link.request('getPresence', { account: idBytes(contact.account) });
    if (answer.$case !== 'presence') throw new SecureChatError('MALFORMED');
    const presence = presenceOf(answer.value.presence);
    engine.presences.set(contact.user, presence);
    return presence;
  }

  async contacts(): Promise<readonly Contact[]> {
    const { engine } = this.#account();
    const { ledger } = engine;
    const contacts = [...ledger.contacts.values()].map((contact) => ({
      contact: {
        user: contact.user,
        fingerprint: contact.identity,
        verified: isVerified(contact),
        changed: contact.changed,
        blocked: contact.blocked,
        unread: ledger.conversation(contact.user).unread,
        presence: shown(engine.presences.get(contact.user)),
      },
      lastMs: ledger.conversation(contact.user).lastMs,
    }));
    contacts.sort((a, b) => b.lastMs - a.lastMs || (a.contact.user < b.contact.user ? -1 : 1));
    return contacts.map(({ contact }) => contact);
  }

  async block(user: string, options: { readonly quiet?: boolean } = {}): Promise<void> {
    await this.#setBlocked(user, true, options.quiet === true);
  }

  async unblock(user: string): Promise<void> {
    await this.#setBlocked(user, false, false);
  }

  async safetyNumber(user: string): Promise<{ readonly safetyNumber: string; readonly verified: boolean }> {
    const { engine } = this.#account();
    const { user: name } = await this.#contact(user);
    const number = await this.#safetyNumber(name);
    return engine.serial.run(name, async () => {
      const contact = engine.ledger.contacts.get(name);
      // Looked at: for somebody who was never verified that is all the change asks for.
      if (contact?.changed === true && !contact.verified)
        await engine.ledger.commit([{ put: 'contact', value: { ...contact, changed: false } }]);
      return { safetyNumber: number, verified: contact !== undefined && isVerified(contact) };
    });
  }

  async verify(user: string, given: string): Promise<{ readonly safetyNumber: string; readonly verified: boolean }> {
    const { engine } = this.#account();
    const { user: name } = await this.#contact(user);
    const number = await this.#safetyNumber(name);
    const verified = given.replace(/\D/g, '') === number.replace(/\D/g, '');
    if (!verified) return { safetyNumber: number, verified };
    await engine.serial.run(name, async () => {
      const contact = engine.ledger.contacts.get(name);
      if (contact === undefined) return;
      const halted = isHalted(contact);
      await engine.ledger.commit([{ put: 'contact', value: { ...contact, verified: true, changed: false } }]);
      if (halted) engine.dispatch({ kind: 'halted', user: name, halted: false });
    });
    return { safetyNumber: number, verified };
  }

  async resetKeys(): Promise<{ readonly fingerprint: Fingerprint }> {
    const { engine } = this.#account();
    this.#link();
    this.#options.onProgress?.('keys', undefined);
    const reset = await startReset(engine, this.#options.rsaBits ?? 3072);
    if (reset.kind === 'done') await engine.changeOver();
    else if (!(await engine.resetHappened())) throw reset.error;
    return { fingerprint: (await engine.people.me()).person.account.identity.fingerprint };
  }

  async invite(
    options: { readonly uses?: number; readonly hours?: number } = {},
  ): Promise<{ readonly code: string; readonly link: string; readonly expiresAt: string; readonly uses: number }> {
    const { profile } = this.#account();
    const request = { uses: options.uses ?? 0, hours: options.hours ?? 0 };
    const answer = await this.#link().request('createInvite', request);
    if (answer.$case !== 'invite') throw new SecureChatError('MALFORMED');
    const { code, expiresMs, uses } = answer.value;
    // It goes into a link and onto a screen: what is no code and no date is not shown.
    if (!INVITE_CODE.test(code) || expiresMs > DATE_MS_MAX) throw new SecureChatError('MALFORMED');
    const server = formatServerAddress({
      ...this.#at.address,
      fingerprint: this.#pin() ?? profile.ledger.account.server,
    });
    return { code, link: `securechat:${server}?invite=${code}`, expiresAt: new Date(expiresMs).toISOString(), uses };
  }

  // ---- files

  async sendFile(to: string, path: string): Promise<{ readonly id: string }> {
    const { engine, sender } = this.#account();
    const user = this.#other(to);
    await sender.admit(user);
    const { promise: heard, resolve: hear } = Promise.withResolvers<Answer>();
    const bytesMax = engine.fileBytesMax ?? defaultLimits.fileBytesMax;
    const offer = await engine.transfers.offer(user, path, bytesMax, (order) => engine.waitFor(order, hear));
    const answer = await sender.settled(Promise.resolve(offer.order), heard).finally(() => offer.done());
    if (answer?.kind === 'failed') throw new SecureChatError(answer.code);
    return { id: offer.id };
  }

  async acceptFile(id: string, directory?: string): Promise<void> {
    await this.#account().engine.transfers.answer(id, true, directory ?? this.#options.downloadDirectory);
  }

  async declineFile(id: string): Promise<void> {
    await this.#account().engine.transfers.answer(id, false, '');
  }

  async status(): Promise<ClientStatus> {
    const { engine, profile } = this.#open ?? {};
    const account = profile?.ledger.account;
    const person = account === undefined ? undefined : (await engine?.people.me())?.person;
    return {
      connection: engine?.connection ?? 'offline',
      server: formatServerAddress({ ...this.#at.address, fingerprint: undefined }),
      serverFingerprint: this.#pin() ?? null,
      account: account?.account ?? null,
      username: account?.username ?? null,
      device: account?.device ?? null,
      fingerprint: person?.account.identity.fingerprint ?? null,
      unsent: engine?.unsent ?? 0,
    };
  }

  // ---- behind it

  async #enter<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new SecureChatError('NOT_LOGGED_IN', { text: 'This client is closed.' });
    if (this.#open !== undefined || this.#entering) throw new SecureChatError('ALREADY_LOGGED_IN');
    this.#entering = true;
    try {
      const entered = await work();
      // Closed while this was under way.
      if (this.#closed) await this.#leave(closeProfile);
      return entered;
    } finally {
      this.#entering = false;
    }
  }

  #entrance() {
    return {
      at: this.#at,
      options: this.#options,
      nowMs: () => Date.now(),
      onPinned: (fingerprint: Fingerprint) => this.#hub.emit({ kind: 'serverPinned', fingerprint }),
    };
  }

  /** Runs the account. Resolves after the first attempt to attach, with the code of what kept it from that. */
  async #start(
    profile: OpenProfile,
    opened: { readonly link: OpenedLink; readonly events: ForwardedEvents } | undefined,
  ): Promise<Code | undefined> {
    const engine: Engine = new Engine({
      ledger: profile.ledger,
      mls: tsMlsEngine(),
      entropy: systemEntropy,
      nowMs: () => Date.now(),
      random: () => Math.random(),
      emit: (event) => this.#hub.emit(event),
      open: async (events, resumption) => {
        this.#options.onProgress?.('connecting', undefined);
        const link = await openPinned(this.#at, events, resumption);
        remember(this.#at, link.opened);
        if (isNews(link.opened)) this.#hub.emit({ kind: 'serverPinned', fingerprint: link.opened.pin.fingerprint });
        return link;
      },
      onEnded: () => {
        if (this.#open?.engine === engine) void this.#leave(closeProfile);
      },
    });
    let minutes = 0;
    const upkeep = setInterval(() => {
      profile.store.tick();
      minutes += 1;
      if (minutes % RENEWAL_MINUTES === 0) void renewOldKeys(engine).catch(() => undefined);
    }, UPKEEP_MS);
    upkeep.unref();
    this.#open = { profile, engine, sender: new Sender(engine), upkeep };
    try {
      await this.#serve(profile);
      return await engine.start(opened);
    } catch (error) {
      await this.#leave(closeProfile);
      throw error;
    }
  }

  #serve(profile: OpenProfile): Promise<void> {
    return profile.lock.serve({
      proofKey: profile.store.proofKey,
      onTakeOver: () => this.#takenOver(),
      onForward: (channel) =>
        this.#options.onForward === undefined ? channel.close() : this.#options.onForward(channel),
    });
  }

  /** The same profile under new keys; `undefined` once attached. */
  async #recover(profile: OpenProfile, input: SignInInput): Promise<Code | undefined> {
    await this.#open?.engine.stop();
    clearInterval(this.#open?.upkeep);
    this.#open = undefined;
    try {
      const opened = await recoverInto(input, profile);
      return await this.#start(profile, opened);
    } catch (error) {
      await closeProfile(profile);
      throw error;
    }
  }

  #loggedIn({ ledger }: OpenProfile): LoggedIn {
    const { account, device, username } = ledger.account;
    const unread = [...ledger.conversations.values()].filter((one) => one.unread > 0);
    unread.sort((a, b) => b.lastMs - a.lastMs);
    return { account, device, username, unread: unread.map((one) => ({ user: one.user, count: one.unread })) };
  }

  /** Another process of this machine logged in to this account. */
  #takenOver(): void {
    const code = 'SESSION_REPLACED';
    const reason = new SecureChatError(code).message;
    void this.#leave(closeProfile).then(() => this.#hub.emit({ kind: 'loggedOut', code, reason }));
  }

  async #leave(end: (profile: OpenProfile) => Promise<void>): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    clearInterval(open.upkeep);
    await open.engine.stop();
    await end(open.profile);
  }

  #account(): Open {
    if (this.#open === undefined) throw new SecureChatError('NOT_LOGGED_IN');
    return this.#open;
  }

  /** UNREACHABLE without a connection. */
  #link(): Link {
    const link = this.#account().engine.link();
    if (link === undefined) throw new SecureChatError('UNREACHABLE');
    return link;
  }

  /** A user name that is not our own. SELF, NO_SUCH_USER for what is no name. */
  #other(to: string): string {
    const { account } = this.#account().profile.ledger;
    const user = nameOf(to);
    if (user === account.username) throw new SecureChatError('SELF');
    return user;
  }

  async #contact(to: string): Promise<ContactRecord> {
    const { engine } = this.#account();
    const user = this.#other(to);
    const known = engine.ledger.contacts.get(user);
    if (known !== undefined) return known;
    this.#link();
    return engine.people.lookup(engine, user);
  }

  async #safetyNumber(user: string): Promise<string> {
    const { engine } = this.#account();
    const contact = engine.ledger.contacts.get(user);
    if (contact === undefined) throw new SecureChatError('NO_SUCH_USER');
    const me = await engine.people.me();
    const bundle = await engine.people.bundle(contact);
    return safetyNumber(engine.ledger.account.server, safetyPart(me.person.account), safetyPart(bundle.account)).digits;
  }

  async #setBlocked(to: string, blocked: boolean, quiet: boolean): Promise<void> {
    const { engine } = this.#account();
    const { user, account } = await this.#contact(to);
    await this.#link().request('block', { account: idBytes(account satisfies AccountId), blocked, quiet });
    await engine.serial.run(user, async () => {
      const contact = engine.ledger.contacts.get(user);
      if (contact !== undefined) await engine.ledger.commit([{ put: 'contact', value: { ...contact, blocked } }]);
    });
    await watchPresence(engine).catch(() => undefined);
  }

  #pin(): Fingerprint | undefined {
    return pinOf(this.#at.profileDirectory, this.#at.address).fingerprint;
  }
}

/** `open`: the answer was lost; the next attach tells whether the server has the new keys. */
async function startReset(
  engine: Engine,
  bits: number,
): Promise<{ readonly kind: 'done' } | { readonly kind: 'open'; readonly error: unknown }> {
  try {
    await resetIdentity(engine, bits);
    return { kind: 'done' };
  } catch (error) {
    if (engine.ledger.successor === undefined) throw error;
    return { kind: 'open', error };
  }
}

/** First attempts that end a login; anything else is a matter of the connection, and the account opens without it. */
const barring: ReadonlySet<Code> = new Set<Code>([
  'DEVICE_REVOKED',
  'ACCOUNT_DISABLED',
  'NOT_AUTHENTICATED',
  'SERVER_KEY_CHANGED',
  'SERVER_KEY_UNCONFIRMED',
  'UNSUPPORTED_VERSION',
  'CERTIFICATE_REJECTED',
]);

const silent = {
  onDeliver: () => undefined,
  onAccepted: () => undefined,
  onRefused: () => undefined,
  onEvent: () => undefined,
  onClosed: () => undefined,
};

function isVerified(contact: ContactRecord): boolean {
  return contact.verified && !contact.changed;
}

/** `@bob` and `Bob` are `bob`. NO_SUCH_USER for what cannot be a name, NOT_SUPPORTED for a group. */
function nameOf(text: string): string {
  if (text.trim().startsWith('#')) throw new SecureChatError('NOT_SUPPORTED');
  try {
    return normaliseUsername(text.trim().replace(/^@/, ''));
  } catch (cause) {
    throw new SecureChatError('NO_SUCH_USER', {}, { cause });
  }
}
