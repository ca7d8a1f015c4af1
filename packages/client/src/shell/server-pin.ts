/** Opening a connection under the pins of the profile, and remembering what it showed. */
import type { Fingerprint, ServerAddress } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { pinOf, rememberPin } from '../servers-file.ts';
import type { LinkOpened } from './link.ts';
import { openLink } from './link.ts';
import type { Link, LinkEvents, OpenOptions } from './link-port.ts';

/** Connecting and the handshake together. */
const OPEN_MS = 10_000;

export interface ServerAt {
  readonly profileDirectory: string;
  readonly address: ServerAddress;
  readonly tlsCa: string | undefined;
}

export interface OpenedLink {
  readonly link: Link;
  readonly opened: LinkOpened;
}

/**
 * A link to the pinned server (of `insistOn`, where the account knows it). Whether a first key is remembered is the
 * caller's decision. UNREACHABLE, SERVER_KEY_CHANGED, HANDSHAKE_FAILED …
 */
export async function openPinned(
  at: ServerAt,
  events: LinkEvents,
  options: { readonly insistOn?: Fingerprint; readonly resumption?: OpenOptions['resumption'] } = {},
): Promise<OpenedLink> {
  const pin = pinOf(at.profileDirectory, at.address);
  const { insistOn, resumption } = options;
  if (insistOn !== undefined && pin.fingerprint !== undefined && pin.fingerprint !== insistOn)
    throw new SecureChatError('SERVER_KEY_CHANGED');
  return openLink(
    {
      address: at.address,
      pin: { ...pin, fingerprint: insistOn ?? pin.fingerprint },
      ...(at.tlsCa !== undefined && { tlsCa: at.tlsCa }),
      ...(resumption !== undefined && { resumption }),
      timeoutMs: OPEN_MS,
    },
    events,
  );
}

/** What the connection showed is the pin from now on. */
export function remember(at: ServerAt, opened: LinkOpened, opaqueKey?: string): void {
  rememberPin(at.profileDirectory, at.address, {
    ...opened.pin,
    opaqueKey: opaqueKey ?? opened.pin.opaqueKey,
  });
}
