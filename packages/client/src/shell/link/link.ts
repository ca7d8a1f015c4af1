/**
 * A connection to the server, opened and sealed. From the first byte to the first sealed frame; what goes over it then is
 * in secure-link.ts.
 */
import type { ServerRotation } from '@securechat/crypto';
import type { Fingerprint } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { FrameInbox } from '../transport/frame-inbox.ts';
import { shakeHands } from './handshake.ts';
import type { Link, LinkEvents, OpenOptions, ServerPin } from './link-port.ts';
import { openTransport } from '../transport/open-transport.ts';
import { SecureLink } from './secure-link.ts';

/** What opening showed of the server; to be remembered (servers-file.ts). */
export interface LinkOpened {
  readonly pin: ServerPin & { readonly fingerprint: Fingerprint };
  /** No pin and no fingerprint in the address: the key was taken as shown. */
  readonly firstContact: boolean;
  /** From the pinned key to the one in force; always shown to the person. */
  readonly rotations: readonly ServerRotation[];
}

/**
 * Connects, checks the server's key, and seals. UNREACHABLE (also when somebody answers but says nothing in time),
 * SERVER_KEY_CHANGED, UNSUPPORTED_VERSION, CERTIFICATE_REJECTED, HANDSHAKE_FAILED. A resumption that was passed in is used
 * up, whatever happens: it must have been forgotten in the store before. Events come only after this resolved.
 */
export async function openLink(
  options: OpenOptions,
  events: LinkEvents,
): Promise<{ readonly link: Link; readonly opened: LinkOpened }> {
  const { address, pin, resumption } = options;
  const inbox = new FrameInbox();
  let link: SecureLink | undefined;
  const transport = await openTransport(options, {
    onFrame: (frame) => inbox.push(frame),
    onClosed: (cause) => {
      inbox.end(new SecureChatError('HANDSHAKE_FAILED', {}, { cause }));
      link?.lost(cause);
    },
  });
  const silent = new SecureChatError('UNREACHABLE', { text: 'The server takes the connection but does not answer.' });
  const timer = setTimeout(() => (inbox.end(silent), transport.close()), options.timeoutMs);
  try {
    const nextFrame = (): Promise<Uint8Array> => inbox.next();
    const { hello, session, resumed } = await shakeHands({ address, pin, resumption, transport, nextFrame });
    const opened: LinkOpened = {
      pin: {
        fingerprint: hello.fingerprint,
        sealingSequenceMin: Math.max(pin.sealingSequenceMin, hello.sealingSequence),
        versionMin: Math.max(pin.versionMin, hello.version),
        opaqueKey: pin.opaqueKey,
      },
      firstContact: pin.fingerprint === undefined && address.fingerprint === undefined,
      rotations: hello.rotations,
    };
    const { fingerprint: serverFingerprint, sealingSequence } = hello;
    const { opaqueKey } = pin;
    const server = { serverFingerprint, opaqueKey, sealingSequence };
    link = new SecureLink({ session, transport, events, resumed, ...server });
    const open = link;
    // After the caller has seen `opened`: a frame may have come right behind the reply.
    setImmediate(() => inbox.handOver((frame) => open.receive(frame)));
    return { link, opened };
  } catch (error) {
    transport.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
