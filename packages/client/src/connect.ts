/** The client: one object from `connect` to `close`, at most one account open in it. */
import type { Code, Fingerprint } from '@securechat/wire';
import { formatServerAddress, parseServerAddress, SecureChatError } from '@securechat/wire';
import type {
  Client,
  ClientEvent,
  ClientOptions,
  ClientStatus,
  Contact,
  HistoryQuery,
  LoggedIn,
  Message,
  Registered,
  SafetyNumber,
  SendOptions,
  SendResult,
} from './api.ts';
import { findAccount } from './profile.ts';
import { pinOf } from './servers-file.ts';
import { AccountSession } from './shell/account/account-session.ts';
import type { HandOver } from './shell/connection.ts';
import type { Invite } from './shell/account/create-invite.ts';
import { createInvite } from './shell/account/create-invite.ts';
import { EventHub } from './shell/event-hub.ts';
import { createNewKeys, resetIdentity } from './shell/account/new-identity.ts';
import { reachedLink } from './shell/open-account.ts';
import { registrationMode } from './shell/account/look-in.ts';
import type { OpenProfile } from './shell/account/open-profile.ts';
import { closeProfile, discardProfile, isRegistering } from './shell/account/open-profile.ts';
import type { ServerAt } from './shell/link/server-pin.ts';
import { isNews, openPinned, remember } from './shell/link/server-pin.ts';
import type { SignInInput } from './shell/account/sign-in.ts';
import { recoverInto, signIn } from './shell/account/sign-in.ts';
import { signUp } from './shell/account/sign-up.ts';
import { userName } from './shell/people/user-name.ts';

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

class SecureChatClient implements Client {
  readonly #options: ClientOptions;
  readonly #at: ServerAt;
  readonly #hub = new EventHub();
  #session: AccountSession | undefined;
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

  registration(): Promise<'invite' | 'open' | 'closed'> {
    return registrationMode(this.#entrance());
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
    const link = reachedLink(engine);
    if (userName(username) !== profile.ledger.account.username)
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

  // ---- messages, files and people

  async send(to: string, text: string, options: SendOptions = {}): Promise<SendResult> {
    return this.#account().messages.send(to, text, options);
  }

  async resend(id: string): Promise<SendResult> {
    return this.#account().messages.resend(id);
  }

  async history(query: HistoryQuery): Promise<readonly Message[]> {
    return this.#account().messages.history(query);
  }

  async markRead(user: string): Promise<void> {
    await this.#account().messages.markRead(user);
  }

  async sendFile(to: string, path: string): Promise<{ readonly id: string }> {
    return this.#account().messages.sendFile(to, path);
  }

  async acceptFile(id: string, directory?: string): Promise<void> {
    await this.#account().engine.transfers.answer(id, true, directory ?? this.#options.downloadDirectory);
  }

  async declineFile(id: string): Promise<void> {
    await this.#account().engine.transfers.answer(id, false, '');
  }

  async presence(user: string): Promise<'online' | 'offline' | 'unknown'> {
    return this.#account().contacts.presence(user);
  }

  async contacts(): Promise<readonly Contact[]> {
    return this.#account().contacts.list();
  }

  async block(user: string, options: { readonly quiet?: boolean } = {}): Promise<void> {
    await this.#account().contacts.setBlocked(user, true, options.quiet === true);
  }

  async unblock(user: string): Promise<void> {
    await this.#account().contacts.setBlocked(user, false, false);
  }

  async safetyNumber(user: string): Promise<SafetyNumber> {
    return this.#account().contacts.safetyNumber(user);
  }

  async verify(user: string, given: string): Promise<SafetyNumber> {
    return this.#account().contacts.verify(user, given);
  }

  // ---- the account itself

  async resetKeys(): Promise<{ readonly fingerprint: Fingerprint }> {
    const { engine } = this.#account();
    reachedLink(engine);
    this.#options.onProgress?.('keys', undefined);
    const lost = await resetIdentity(engine, (entropy) => createNewKeys(this.#options.rsaBits ?? 3072, entropy));
    if (lost === undefined) await engine.changeOver();
    else if (!(await engine.resetHappened())) throw lost;
    return { fingerprint: (await engine.people.me()).person.account.identity.fingerprint };
  }

  async invite(options: { readonly uses?: number; readonly hours?: number } = {}): Promise<Invite> {
    const { engine, profile } = this.#account();
    const fingerprint = this.#pin() ?? profile.ledger.account.server;
    return createInvite(engine, options, { address: this.#at.address, fingerprint });
  }

  async status(): Promise<ClientStatus> {
    const { engine, profile } = this.#session ?? {};
    const account = profile?.ledger.account;
    const me = await engine?.people.me();
    return {
      connection: engine?.connection ?? 'offline',
      server: formatServerAddress({ ...this.#at.address, fingerprint: undefined }),
      serverFingerprint: this.#pin() ?? null,
      account: account?.account ?? null,
      username: account?.username ?? null,
      device: account?.device ?? null,
      deviceEnds: me === undefined ? null : new Date(me.certificate.notAfterMs).toISOString(),
      fingerprint: me?.person.account.identity.fingerprint ?? null,
      unsent: engine?.unsent ?? 0,
    };
  }

  // ---- behind it

  async #enter<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new SecureChatError('NOT_LOGGED_IN', { text: 'This client is closed.' });
    if (this.#session !== undefined || this.#entering) throw new SecureChatError('ALREADY_LOGGED_IN');
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
  async #start(profile: OpenProfile, opened: HandOver | undefined): Promise<Code | undefined> {
    const session = new AccountSession(profile, {
      emit: (event) => this.#hub.emit(event),
      room: (backlog) => this.#hub.room(backlog),
      open: async (events, resumption) => {
        this.#options.onProgress?.('connecting', undefined);
        const link = await openPinned(this.#at, events, resumption);
        remember(this.#at, link.opened);
        if (isNews(link.opened)) this.#hub.emit({ kind: 'serverPinned', fingerprint: link.opened.pin.fingerprint });
        return link;
      },
      onEnded: (ended) => {
        if (this.#session === ended) void this.#leave(closeProfile);
      },
    });
    this.#session = session;
    try {
      await this.#serve(profile);
      return await session.engine.start(opened);
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
    await this.#session?.stop();
    this.#session = undefined;
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
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    await session.stop();
    await end(session.profile);
  }

  #account(): AccountSession {
    if (this.#session === undefined) throw new SecureChatError('NOT_LOGGED_IN');
    return this.#session;
  }

  #pin(): Fingerprint | undefined {
    return pinOf(this.#at.profileDirectory, this.#at.address).fingerprint;
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
