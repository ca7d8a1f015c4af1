import { SecureChatError } from '@securechat/client';
import { confirmed } from './account-prompts.ts';
import type { Session } from './session.ts';

export async function logout(session: Session): Promise<void> {
  const { unsent } = await session.client.status();
  await session.client.logout();
  session.loggedOut();
  session.notice(unsent > 0 ? `Logged out. ${unsent} unsent stay queued until the next login.` : 'Logged out.');
}

export async function resetKeys(session: Session): Promise<void> {
  const sure = await confirmed(session, 'All contacts will see a new identity. Reset the keys? y/n ');
  if (!sure) return session.notice('Nothing was changed.');
  session.reconnecting = true;
  try {
    const { fingerprint } = await session.client.resetKeys();
    session.screen.setStatus(undefined);
    session.notice(`New keys. Your fingerprint: ${fingerprint}. Contacts are told.`);
  } catch (error) {
    session.screen.setStatus(undefined);
    session.reconnecting = false;
    throw error;
  }
  if ((await session.client.status()).connection !== 'online') session.connectionLost();
}

export async function deleteAccount(session: Session): Promise<void> {
  const { username } = session;
  if (username === undefined) return session.failure(new SecureChatError('NOT_LOGGED_IN'));
  if (session.screen.interactive) {
    const typed = await session.screen.ask(
      `Everything of this account goes, here and on the server. Type ${username}: `,
    );
    if (typed?.trim() !== username) return session.notice('Nothing was deleted.');
  }
  await session.client.deleteAccount(username);
  session.loggedOut();
  session.notice(`The account ${username} is deleted.`);
}
