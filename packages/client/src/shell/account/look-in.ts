/** A first look at a server, before anybody types a name: whose key it shows, and who may register there. */
import type { control, Fingerprint } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { ClientOptions } from '../../api.ts';
import { ForwardedEvents } from '../link/link-events.ts';
import type { ServerAt } from '../link/server-pin.ts';
import { isNews, openPinned, remember } from '../link/server-pin.ts';

export interface LookInInput {
  readonly at: ServerAt;
  readonly options: Pick<ClientOptions, 'confirmServer'>;
  /** The server's key was taken as shown, or confirmed. */
  readonly onPinned: (fingerprint: Fingerprint) => void;
}

/**
 * What registration needs here. A key that nobody vouched for is shown to the person, and pinned if they agree, else
 * SERVER_KEY_UNCONFIRMED. UNREACHABLE …
 */
export async function lookIn({ at, options, onPinned }: LookInInput): Promise<control.ChallengeAnswer> {
  const { link, opened } = await openPinned(at, new ForwardedEvents());
  try {
    const answer = await link.request('challenge', {});
    if (answer.$case !== 'challenge') throw new SecureChatError('MALFORMED');
    // A person takes longer to look than a server waits.
    link.close();
    const { fingerprint } = opened.pin;
    const asked = opened.firstContact && options.confirmServer !== undefined;
    if (asked && !(await options.confirmServer(fingerprint))) throw new SecureChatError('SERVER_KEY_UNCONFIRMED');
    if (isNews(opened)) onPinned(fingerprint);
    remember(at, opened);
    return answer.value;
  } finally {
    link.close();
  }
}

/** Who may register at this server, as it says. As `lookIn`. */
export async function registrationMode(input: LookInInput): Promise<'invite' | 'open' | 'closed'> {
  const { registration: mode } = await lookIn(input);
  if (mode !== 'invite' && mode !== 'open' && mode !== 'closed') throw new SecureChatError('MALFORMED');
  return mode;
}
