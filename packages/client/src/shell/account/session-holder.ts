/** Coming and going: registration and login open an account, at most one at a time; several things end it. */
import type { Code, Fingerprint } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { ClientOptions, LoggedIn, Registered } from '../../api.ts';
import type { HandOver } from '../connection.ts';
import type { EventHub } from '../event-hub.ts';
import type { ServerAt } from '../link/server-pin.ts';
import { isNews, openPinned, remember } from '../link/server-pin.ts';
import { AccountSession } from './account-session.ts';
import type { OpenProfile } from './open-profile.ts';
import { closeProfile, discardProfile, isRegistering } from './open-profile.ts';
import type { SignInInput } from './sign-in.ts';
import { recoverInto, signIn } from './sign-in.ts';
import type { SignUpInput } from './sign-up.ts';
import { signUp } from './sign-up.ts';

/** What every way in needs. */
type Entrance = Pick<SignUpInput, 'at' | 'options' | 'nowMs' | 'onPinned'>;

export class SessionHolder {
  readonly #options: ClientOptions;
  readonly #at: ServerAt;
  readonly #hub: EventHub;
  #session: AccountSession | undefined;
  /** A login or registration under way: two at once would fight for one profile. */
  #entering = false;
  #closed = false;

  constructor(options: ClientOptions, at: ServerAt, hub: EventHub) {
    this.#options = options;
    this.#at = at;
    this.#hub = hub;
  }

  get session(): AccountSession | undefined {
    return this.#session;
  }

  /** NOT_LOGGED_IN. */
  open(): AccountSession {
    if (this.#session === undefined) throw new SecureChatError('NOT_LOGGED_IN');
    return this.#session;
  }

  entrance(): Entrance {
    return {
      at: this.#at,
      options: this.#options,
      nowMs: () => Date.now(),
      onPinned: (fingerprint: Fingerprint) => this.#hub.emit({ kind: 'serverPinned', fingerprint }),
    };
  }

  register(account: Pick<SignUpInput, 'username' | 'password' | 'invite'>): Promise<Registered> {
    return this.#enter(async () => {
      const { profile, opened, fingerprint, recoveryWords } = await signUp({ ...this.entrance(), ...account });
      await this.#start(profile, opened);
      const { account: id, device } = profile.ledger.account;
      return { account: id, device, fingerprint, recoveryWords };
    });
  }

  logIn(account: Pick<SignInInput, 'username' | 'password' | 'recoveryWords' | 'takeOver'>): Promise<LoggedIn> {
    return this.#enter(async () => {
      const input: SignInInput = { ...this.entrance(), ...account };
      const { profile, opened } = await signIn(input);
      let code = await this.#start(profile, opened);
      if (code === 'DEVICE_REVOKED' && input.recoveryWords !== undefined) code = await this.#recover(profile, input);
      if (code !== undefined && barring.has(code)) {
        const unmade = code === 'NOT_AUTHENTICATED' && isRegistering(profile.folder);
        await this.leave(unmade ? discardProfile : closeProfile);
        throw new SecureChatError(unmade ? 'AUTH_FAILED' : code);
      }
      return loggedIn(profile);
    });
  }

  /** The work of the account ends, then its profile by `end`. Nothing where none is open. */
  async leave(end: (profile: OpenProfile) => Promise<void>): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    await session.stop();
    await end(session.profile);
  }

  /** For good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.leave(closeProfile);
  }

  async #enter<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new SecureChatError('NOT_LOGGED_IN', { text: 'This client is closed.' });
    if (this.#session !== undefined || this.#entering) throw new SecureChatError('ALREADY_LOGGED_IN');
    this.#entering = true;
    try {
      const entered = await work();
      // Closed while this was under way.
      if (this.#closed) await this.leave(closeProfile);
      return entered;
    } finally {
      this.#entering = false;
    }
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
        if (this.#session === ended) void this.leave(closeProfile);
      },
    });
    this.#session = session;
    try {
      await this.#serve(profile);
      return await session.engine.start(opened);
    } catch (error) {
      await this.leave(closeProfile);
      throw error;
    }
  }

  /** To other processes of this machine, which may want the account. */
  #serve(profile: OpenProfile): Promise<void> {
    return profile.lock.serve({
      proofKey: profile.store.proofKey,
      onTakeOver: () => this.#takenOver(),
      onForward: this.#options.onForward,
    });
  }

  #takenOver(): void {
    const code = 'SESSION_REPLACED';
    const reason = new SecureChatError(code).message;
    void this.leave(closeProfile).then(() => this.#hub.emit({ kind: 'loggedOut', code, reason }));
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
}

function loggedIn({ ledger }: OpenProfile): LoggedIn {
  const { account, device, username } = ledger.account;
  const unread = [...ledger.conversations.values()].filter((one) => one.unread > 0);
  unread.sort((a, b) => b.lastMs - a.lastMs);
  return { account, device, username, unread: unread.map((one) => ({ user: one.user, count: one.unread })) };
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
