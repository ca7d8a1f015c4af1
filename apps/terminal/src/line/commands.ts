import { deleteAccount, logout, resetKeys } from './account-commands.ts';
import { answerOffer, offerFile } from './file-commands.ts';
import { help } from './help.ts';
import { login } from './login-command.ts';
import { edit, history, resend } from './message-commands.ts';
import { block, invite, status, unblock, users, verify, version, who } from './people-commands.ts';
import { register } from './register-command.ts';
import type { Session } from './session.ts';

/** `leave` ends line mode. */
export type CommandResult = void | 'leave';

export type Topic = 'messages' | 'files' | 'people' | 'account' | 'keys';

export interface Command {
  readonly usage: string;
  readonly summary: string;
  /** `!help TOPIC` lists it. */
  readonly topic: Topic;
  /** Listed by `!help`; the others by `!help all`. */
  readonly essential: boolean;
  readonly run: (session: Session, rest: string) => CommandResult | Promise<CommandResult>;
}

/** Every command of line mode. `!name` and `/name` are the same. */
export const commands: { readonly [name: string]: Command } = {
  help: {
    usage: '!help [command or topic]',
    summary: 'this list; !help all lists every command',
    topic: 'keys',
    essential: true,
    run: (session, rest) => help(session, commands, rest),
  },
  register: {
    usage: '!register',
    summary: 'make an account on the server',
    topic: 'account',
    essential: true,
    run: register,
  },
  login: { usage: '!login', summary: 'log in', topic: 'account', essential: true, run: login },
  logout: {
    usage: '!logout',
    summary: 'log out; unsent messages are kept',
    topic: 'account',
    essential: true,
    run: logout,
  },
  exit: { usage: '!exit', summary: 'leave', topic: 'account', essential: true, run: () => 'leave' },
  resetkeys: {
    usage: '!resetkeys',
    summary: 'give yourself a new identity; contacts are told',
    topic: 'account',
    essential: true,
    run: resetKeys,
  },
  file: {
    usage: '!file user path',
    summary: 'offer a file; it is sent when they say y',
    topic: 'files',
    essential: true,
    run: offerFile,
  },
  block: {
    usage: '!block user [--quiet]',
    summary: 'take nothing from somebody any more; --quiet: they are not told',
    topic: 'people',
    essential: true,
    run: block,
  },
  unblock: { usage: '!unblock user', summary: 'take it back', topic: 'people', essential: true, run: unblock },
  status: {
    usage: '!status',
    summary: 'connection, account, fingerprints, unsent messages',
    topic: 'account',
    essential: false,
    run: status,
  },
  users: { usage: '!users', summary: 'the people you have written with', topic: 'people', essential: true, run: users },
  who: { usage: '!who user', summary: 'is somebody online?', topic: 'people', essential: true, run: who },
  verify: {
    usage: '!verify user [number]',
    summary: 'show the safety number; with the number the other one reads out: mark as verified',
    topic: 'people',
    essential: true,
    run: verify,
  },
  invite: {
    usage: '!invite [uses] [hours]',
    summary: 'an invite for somebody new',
    topic: 'people',
    essential: false,
    run: invite,
  },
  edit: {
    usage: '!edit [user]',
    summary: 'write a message of several lines in your editor',
    topic: 'messages',
    essential: false,
    run: edit,
  },
  accept: {
    usage: '!accept [user]',
    summary: 'take an offered file (the same as y)',
    topic: 'files',
    essential: false,
    run: (session, rest) => answerOffer(session, rest, true),
  },
  decline: {
    usage: '!decline [user]',
    summary: 'refuse an offered file (the same as n)',
    topic: 'files',
    essential: false,
    run: (session, rest) => answerOffer(session, rest, false),
  },
  resend: {
    usage: '!resend',
    summary: 'send the last message again that was not delivered',
    topic: 'messages',
    essential: false,
    run: resend,
  },
  history: {
    usage: '!history user [n]',
    summary: 'the last n messages (20)',
    topic: 'messages',
    essential: false,
    run: history,
  },
  'delete-account': {
    usage: '!delete-account',
    summary: 'delete your account at the server and here',
    topic: 'account',
    essential: false,
    run: deleteAccount,
  },
  version: {
    usage: '!version',
    summary: 'the version of this program',
    topic: 'account',
    essential: false,
    run: version,
  },
};
