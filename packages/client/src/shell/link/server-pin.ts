/** Opening a connection under the pins of the profile, and remembering what it showed. */
import type { ServerAddress } from '@securechat/wire';
import { pinOf, rememberServer } from '../../servers-file.ts';
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
 * A link to the server pinned for this address. Whether a first key is remembered is the caller's decision. UNREACHABLE,
 * SERVER_KEY_CHANGED, HANDSHAKE_FAILED …
 */
export async function openPinned(
  at: ServerAt,
  events: LinkEvents,
  resumption?: OpenOptions['resumption'],
): Promise<OpenedLink> {
  return openLink(
    {
      address: at.address,
      pin: pinOf(at.profileDirectory, at.address),
      ...(at.tlsCa !== undefined && { tlsCa: at.tlsCa }),
      ...(resumption !== undefined && { resumption }),
      timeoutMs: OPEN_MS,
    },
    events,
  );
}

/** Another key than before counts from here on, taken as shown or by rotation: always said to the person. */
export function isNews({ firstContact, rotations }: LinkOpened): boolean {
  return firstContact || rotations.length > 0;
}

/** What the connection showed is the pin from now on. */
export function remember(at: ServerAt, opened: LinkOpened, opaqueKey?: string): void {
  const pin = { ...opened.pin, opaqueKey: opaqueKey ?? opened.pin.opaqueKey };
  rememberServer(at.profileDirectory, at.address, { pin, rotations: opened.rotations });
}
