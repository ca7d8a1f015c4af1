/** What a password must be before it is used anywhere (docs/protocol/accounts.md). */
import { limits, SecureChatError } from '@securechat/wire';

const COMMONEST = 10_000;

/** The one spelling under which a password is stretched, here and at the server: NFKC. Not trimmed: spaces count. */
export function normalisedPassword(password: string): string {
  if (password.length > 4 * limits.passwordCharsMax.value) throw unsuitable('it is too long');
  return password.normalize('NFKC');
}

/**
 * The normalised password of a new account. PASSWORD_UNSUITABLE with the reason: too short, too long, a control
 * character (a terminal's, pasted by mistake), the user name, or one of the commonest 10,000.
 */
export async function suitablePassword(password: string, username: string): Promise<string> {
  const normalised = normalisedPassword(password);
  const length = [...normalised].length;
  if (length < limits.passwordCharsMin.value)
    throw unsuitable(`it must have at least ${limits.passwordCharsMin.value} characters`);
  if (length > limits.passwordCharsMax.value)
    throw unsuitable(`it may have at most ${limits.passwordCharsMax.value} characters`);
  if (/\p{Cc}/u.test(normalised)) throw unsuitable('it contains a control character');
  const folded = normalised.toLowerCase();
  if (folded === username.normalize('NFKC').toLowerCase()) throw unsuitable('it is the user name');
  if ((await commonest()).has(folded)) throw unsuitable('it is one of the commonest, which are tried first');
  return normalised;
}

function unsuitable(why: string): SecureChatError {
  return new SecureChatError('PASSWORD_UNSUITABLE', { text: `This password cannot be used: ${why}.` });
}

/** Loaded only when somebody registers. The list is ordered, commonest first. */
async function commonest(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  return new Set(dictionary['passwords-common'].slice(0, COMMONEST));
}
