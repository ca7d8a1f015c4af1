import type { Client, ClientEvent, Code, LoggedIn } from '@securechat/client';
import { formatServerAddress, parseServerAddress } from '@securechat/client';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { sanitizeText } from '../sanitize.ts';
import { asSecureChatError, sentenceOf } from '../sentence.ts';
import type { Editor } from './editor.ts';
import type { Screen } from './screen.ts';
import { widthOf } from './width.ts';
import type { Layout } from './wrap.ts';

/** What line mode is given: flags, and the outside world as far as it needs it. */
export interface LineOptions {
  /** From `--invite`: straight to choosing a name, and no `Invite: ` prompt. */
  readonly invite?: string;
  /** From `--user`: straight to logging in. */
  readonly user?: string;
  /** From `--password-file` and `--password-stdin`: used once instead of the first `Password: ` prompt. */
  readonly password?: string;
  readonly onlineOnly?: boolean;
  readonly requireVerified?: boolean;
  /** After the end of the input: how long sends and transfers are waited for while nothing moves. */
  readonly drainMs: number;
  /** Address of the server, for sentences about it. */
  readonly server: string;
  readonly version: string;
  readonly home: string;
  readonly now: () => Date;
  readonly fileExists: (path: string) => boolean;
  readonly editor: Editor;
  /** Somebody is logged in now. */
  readonly onLoggedIn: () => void;
  /** A QR code for the terminal. */
  readonly qr: (text: string) => string;
}

/** A file offer that waits for y or n. */
export interface Offer {
  readonly id: string;
  readonly from: string;
  readonly name: string;
  readonly bytes: number;
  /** The print that showed it. */
  readonly shownAt: number;
}

export type MessageFailure = Extract<ClientEvent, { readonly kind: 'state' }>;

/** Everything line mode remembers while it runs. Commands and events change it; `line-mode.ts` drives it. */
export class Session {
  readonly client: Client;
  readonly screen: Screen;
  readonly options: LineOptions;
  username: string | undefined;
  /** Who a bare line goes to: the last person written to. */
  peer: string | undefined;
  online = true;
  /** The connection is about to end and come back by our own doing: no news. */
  reconnecting = false;
  /** From `--invite`, until the server refuses it. */
  invite: string | undefined;
  readonly offers: Offer[] = [];
  /** Own messages: who they went to, for the sentence when they fail. Bounded; oldest forgotten first. */
  readonly sent = new Map<
    string,
    { readonly user: string; readonly text: string; remark?: (mark: string) => boolean }
  >();
  /** Own messages the server has not accepted yet. */
  readonly unaccepted = new Set<string>();
  /** Of those that waited: gone out since the last line about it. */
  readonly wentOut: string[] = [];
  /** The send under way, and failures of messages to the same person that came meanwhile: one of them may be its own. */
  sending: { readonly user: string; readonly id: string | undefined; readonly failures: MessageFailure[] } | undefined;
  /** A refusal that was shown, while the event of the same failure may still come. */
  refused: { readonly user: string; readonly text: string; readonly code: Code } | undefined;
  /** Transfers that run, and how far each is. */
  readonly transfers = new Map<string, { readonly name: string; shown: number }>();
  /** Newest last: what `!resend` sends again. */
  readonly failed: string[] = [];
  /** Ids of messages shown, so that what was unread at login is not shown a second time. Bounded. */
  readonly shown = new Set<string>();
  /** People whose messages are on the screen and not yet marked as read. */
  readonly seen = new Set<string>();
  /** People known to be known: no question before writing to them. */
  readonly acquainted = new Set<string>();
  /** While a login or registration is under way: what arrives is shown behind its answer. */
  entering: Promise<void> | undefined;
  /** A command that was typed where a user name was asked for. */
  typedInstead: string | undefined;
  passwordOnce: string | undefined;
  accountOutcome: number = exitCodes.ok;
  /** Of the first answer that has an exit code of its own: blocked, offline, not verified … */
  lineOutcome: number = exitCodes.ok;

  constructor(client: Client, screen: Screen, options: LineOptions) {
    this.client = client;
    this.screen = screen;
    this.options = options;
    this.passwordOnce = options.password;
    this.invite = options.invite;
  }

  /** A line of the program itself. */
  notice(text: string, layout?: Layout): void {
    this.screen.print(text, layout);
  }

  warning(text: string): void {
    this.screen.print(this.screen.style.warn(text));
  }

  failure(error: unknown): void {
    this.warning(sentenceOf(error));
  }

  lineFailed(error: unknown): void {
    this.remember(asSecureChatError(error).code);
    this.failure(error);
  }

  /** No such user, a mistyped command: answered, and no failure of a program that was told to end. */
  remember(code: Code): void {
    const outcome = exitCodeOf(code);
    if (outcome > exitCodes.usage) this.lineOutcome ||= outcome;
  }

  /** A login or registration ended; later success makes an earlier failure good. */
  accountFailed(error: unknown): void {
    const { code, detail } = asSecureChatError(error);
    this.accountOutcome = exitCodeOf(code);
    if (code === 'SERVER_KEY_CHANGED' && detail.text === undefined && this.options.server.includes('#')) {
      return this.warning(otherKey(this.options.server));
    }
    this.failure(error);
    if (code !== 'UNREACHABLE') return;
    this.notice(`The address is ${this.options.server}; --server names another one. To start a server of your own:`);
    this.notice('  npx securechat server', { verbatim: true });
  }

  connectionLost(): void {
    this.reconnecting = false;
    this.online = false;
    this.showPrompt();
    this.warning('Connection lost. Trying to reconnect; what you write is queued.');
  }

  async enter(work: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.entering = promise;
    try {
      await work();
    } finally {
      this.entering = undefined;
      resolve();
    }
  }

  loggedIn(username: string): void {
    this.username = username;
    this.accountOutcome = exitCodes.ok;
    this.options.onLoggedIn();
    this.showPrompt();
  }

  loggedOut(): void {
    this.username = undefined;
    this.peer = undefined;
    this.offers.length = 0;
    this.acquainted.clear();
    this.seen.clear();
    this.transfers.clear();
    this.unaccepted.clear();
    this.wentOut.length = 0;
    this.refused = undefined;
    this.showPrompt();
  }

  showPrompt(): void {
    const who = this.username === undefined ? 'securechat' : this.peer === undefined ? this.username : `@${this.peer}`;
    const state = this.username !== undefined && !this.online ? '[offline] ' : '';
    this.screen.setPrompt(`${state}${who}> `);
  }

  /** A message of somebody, as `@user: text`; further lines are indented, so that no line of it can pass for a notice. */
  showMessage(message: {
    readonly id: string;
    readonly from: string;
    readonly text: string;
    readonly at: string;
  }): boolean {
    if (!remember(this.shown, message.id)) return false;
    const author = this.screen.style.name(`@${message.from}`);
    const { text, layout } = this.spoken(message.at, `${author}: `, message.text);
    this.screen.print(text, layout);
    this.seen.add(message.from);
    this.acquainted.add(message.from);
    return true;
  }

  /** What somebody said, behind its time and author: further lines stand under the first, over a pipe by two spaces. */
  spoken(at: string, author: string, said: string): { readonly text: string; readonly layout: Layout } {
    const { isolate } = this.screen.style;
    const head = `${this.time(at)}${author}`;
    const indent = this.screen.interactive ? '' : '  ';
    const [first = '', ...others] = sanitizeText(said).split('\n');
    const lines = [`${head}${isolate(first)}`, ...others.map((line) => `${indent}${isolate(line)}`)];
    return { text: lines.join('\n'), layout: { hang: widthOf(head) } };
  }

  /** A QR code where it fits: half of one is of no use. */
  showQr(text: string): void {
    const { interactive, columns = 0, rows = 0 } = this.screen;
    if (!interactive) return;
    const code = this.options.qr(text);
    const lines = code.split('\n');
    if (lines.length + QR_MARGIN_ROWS > rows || lines.some((line) => line.length > columns)) return;
    this.screen.print(code, { verbatim: true });
  }

  /** `12:03 ` on a terminal, with the date when it is another day; nothing on a pipe. */
  time(at: string): string {
    if (!this.screen.interactive || Number.isNaN(Date.parse(at))) return '';
    const [today] = dayAndTime(this.options.now());
    const [day, time] = dayAndTime(new Date(at));
    return this.screen.style.dim(`${day === today ? '' : `${day} `}${time} `);
  }

  /** Local date and time on a terminal, ISO 8601 on a pipe. */
  moment(at: string): string {
    if (!this.screen.interactive || Number.isNaN(Date.parse(at))) return at;
    return dayAndTime(new Date(at)).join(' ');
  }

  /** Tells the client that what is on the screen was seen. */
  async markSeen(): Promise<void> {
    const users = [...this.seen];
    this.seen.clear();
    for (const user of users) await this.client.markRead(`@${user}`).catch(() => undefined);
  }

  /** What came while away: shown, then as read as anything on the screen. */
  async showUnread(unread: LoggedIn['unread']): Promise<void> {
    if (unread.length === 0) return;
    const total = unread.map(({ user, count }) => `${user} (${count})`).join(', ');
    this.notice(this.screen.style.bold(`While you were away: ${total}`));
    for (const { user, count } of [...unread].reverse()) {
      const limit = Math.min(count, UNREAD_SHOWN_MAX);
      const messages = await this.client.history({ with: `@${user}`, limit: limit + OWN_BETWEEN_MAX });
      const received = messages.filter((message) => !message.own).slice(-limit);
      if (count > limit) this.notice(`  … ${count - limit} earlier ones of ${user}: !history ${user} ${count}`);
      for (const message of received) this.showMessage(message);
    }
    if (this.screen.interactive) this.notice(this.screen.style.dim('── live from here'));
    await this.markSeen();
  }

  /** For a pipe and for scripts: what went wrong and was not made good. A terminal was read by a person: 0. */
  outcome(): number {
    if (this.screen.interactive) return exitCodes.ok;
    return this.accountOutcome === exitCodes.ok ? this.lineOutcome : this.accountOutcome;
  }
}

/** The address itself insists on a key: there is no pin to remove. */
function otherKey(server: string): string {
  const { fingerprint = '', ...at } = parseServerAddress(server);
  return (
    `The server at ${formatServerAddress({ ...at, fingerprint: undefined })} does not have the key that its address ` +
    `names (${fingerprint}). Nothing was sent. The address is out of date, or somebody is in between: ask for a new one.`
  );
}

const UNREAD_SHOWN_MAX = 50;
/** The prompt, and a line that says what the code is for. */
const QR_MARGIN_ROWS = 2;
/** Own messages that may lie between unread ones. */
const OWN_BETWEEN_MAX = 50;
const REMEMBERED_MAX = 10_000;

function remember(ids: Set<string>, id: string): boolean {
  if (ids.has(id)) return false;
  ids.add(id);
  if (ids.size > REMEMBERED_MAX) for (const oldest of ids) return ids.delete(oldest);
  return true;
}

function dayAndTime(when: Date): readonly [string, string] {
  return [
    `${when.getFullYear()}-${pad(when.getMonth() + 1)}-${pad(when.getDate())}`,
    `${pad(when.getHours())}:${pad(when.getMinutes())}`,
  ];
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
