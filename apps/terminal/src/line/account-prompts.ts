import { normaliseUsername, suitablePassword } from '@securechat/client';
import { exitCodes } from '../exit-codes.ts';
import { asSecureChatError } from '../sentence.ts';
import { parseAnswer, parseIntent } from './intent.ts';
import type { Session } from './session.ts';

/** What is mistyped at a terminal is asked for again, so often in all. */
export const TRIES_MAX = 3;

export const NEVER_IN_LINE = 'A password is never part of the line; it is asked for.';

/** y/n on a terminal; a pipe is not asked. */
export async function confirmed(session: Session, question: string): Promise<boolean> {
  if (!session.screen.interactive) return true;
  return parseAnswer((await session.screen.ask(question)) ?? '') === true;
}

/** A person hears of a name that is none before they think of a password; a script has its lines ready. */
export async function askUsername(session: Session, given: string): Promise<string | undefined> {
  const { screen } = session;
  for (let offered = given; ; offered = '') {
    const typed = offered === '' ? (await screen.ask('Username: '))?.trim() : offered;
    if (typed === undefined || typed === '') return nothingDone(session, 'No user name, nothing done.');
    const username = typed.replace(/^@/, '');
    if (!screen.interactive) return username;
    if (parseIntent(typed).kind === 'command') {
      session.typedInstead = typed;
      return undefined;
    }
    try {
      return normaliseUsername(username);
    } catch (error) {
      session.failure(error);
    }
  }
}

export async function askPassword(session: Session): Promise<string | undefined> {
  const once = session.passwordOnce;
  session.passwordOnce = undefined;
  const password = once ?? (await session.screen.ask('Password: ', { hidden: true }));
  return password === undefined || password === '' ? nothingDone(session, 'No password, nothing done.') : password;
}

/** A terminal hears at once what is wrong with it, asks twice, and asks again for two that differ. */
export async function askNewPassword(session: Session, username: string): Promise<string | undefined> {
  const given = session.passwordOnce !== undefined;
  for (let tries = 1; ; tries++) {
    const password = await askPassword(session);
    if (password === undefined || given || !session.screen.interactive) return password;
    const refusal = await unsuitable(password, username);
    if (refusal !== undefined) session.failure(refusal);
    else {
      const again = await session.screen.ask('Password again: ', { hidden: true });
      if (again === password) return password;
      if (again === undefined) return nothingDone(session, 'No password, nothing done.');
      session.warning('The two passwords differ.');
    }
    if (tries >= TRIES_MAX) return nothingDone(session, 'Nothing done. !register begins again.');
  }
}

async function unsuitable(password: string, username: string): Promise<unknown> {
  try {
    await suitablePassword(password, username);
    return undefined;
  } catch (error) {
    if (asSecureChatError(error).code === 'PASSWORD_UNSUITABLE') return error;
    throw error;
  }
}

export async function askRecoveryWords(session: Session): Promise<string | undefined> {
  const words = await session.screen.ask('Recovery words: ', { hidden: true });
  return words === undefined || words.trim() === '' ? nothingDone(session, 'Not logged in.') : words;
}

/** No answer to a question that is asked a second time. */
const INSTEAD = /^[!/](login|register|help|exit)(\s+\S+)?$/;

/** True where somebody who is asked again has begun something else; the command is carried out next. */
export function beginsAnew(session: Session, typed: string | undefined): boolean {
  if (typed === undefined || !INSTEAD.test(typed.trim())) return false;
  session.typedInstead = typed.trim();
  return true;
}

/** Somebody changed their mind; a script has not got what it asked for. */
export function nothingDone(session: Session, sentence: string): undefined {
  session.accountOutcome = exitCodes.authentication;
  session.notice(sentence);
  return undefined;
}
