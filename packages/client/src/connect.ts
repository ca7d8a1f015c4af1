/** The client: one object from `connect` to `close`, at most one account open in it. */
import type { Fingerprint } from '@securechat/wire';
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
import type { AccountSession } from './shell/account/account-session.ts';
import type { Invite } from './shell/account/create-invite.ts';
import { createInvite } from './shell/account/create-invite.ts';
import { EventHub } from './shell/event-hub.ts';
import { createNewKeys, resetIdentity } from './shell/account/new-identity.ts';
import { reachedLink } from './shell/open-account.ts';
import { registrationMode } from './shell/account/look-in.ts';
import { closeProfile, discardProfile } from './shell/account/open-profile.ts';
import { SessionHolder } from './shell/account/session-holder.ts';
import type { ServerAt } from './shell/link/server-pin.ts';
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
  readonly #holder: SessionHolder;
  #closing: Promise<void> | undefined;

  constructor(options: ClientOptions, at: ServerAt) {
    this.#options = options;
    this.#at = at;
    this.#holder = new SessionHolder(options, at, this.#hub);
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
    const { username, password, invite } = account;
    return this.#holder.register({ username, password, invite });
  }

  registration(): Promise<'invite' | 'open' | 'closed'> {
    return registrationMode(this.#holder.entrance());
  }

  login(account: {
    readonly username: string;
    readonly password: string;
    readonly recoveryWords?: string;
    readonly takeOver?: boolean;
  }): Promise<LoggedIn> {
    const { username, password, recoveryWords, takeOver = true } = account;
    return this.#holder.logIn({ username, password, recoveryWords, takeOver });
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
    await this.#holder.leave(closeProfile);
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
    await this.#holder.leave(discardProfile);
  }

  close(): Promise<void> {
    this.#closing ??= this.#holder.close().then(() => this.#hub.close());
    return this.#closing;
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
    const { engine, profile } = this.#holder.session ?? {};
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

  #account(): AccountSession {
    return this.#holder.open();
  }

  #pin(): Fingerprint | undefined {
    return pinOf(this.#at.profileDirectory, this.#at.address).fingerprint;
  }
}
