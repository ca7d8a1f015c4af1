/** From a fresh connection to an established session (docs/protocol/session.md): hello, flight, reply; or resumption. */
import { systemEntropy } from '@securechat/crypto';
import type { Hello, Resumption, Session } from '@securechat/session';
import {
  acceptReply,
  acceptResumeReply,
  createFlight,
  createResumeFlight,
  readHello,
  sessionTransport,
} from '@securechat/session';
import type { ServerAddress } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { ServerPin } from './link-port.ts';
import type { Transport } from '../transport/transport.ts';

export interface Established {
  readonly hello: Hello;
  readonly session: Session;
  readonly resumed: boolean;
}

export interface HandshakeInput {
  readonly address: ServerAddress;
  readonly pin: ServerPin;
  readonly resumption: Resumption | undefined;
  readonly transport: Transport;
  /** The next frame from the server; rejects when the connection ends or takes too long. */
  readonly nextFrame: () => Promise<Uint8Array>;
}

/**
 * SERVER_KEY_CHANGED, UNSUPPORTED_VERSION, CERTIFICATE_REJECTED (their texts are for the person: nothing was sent yet),
 * HANDSHAKE_FAILED for everything after, without saying what.
 */
export async function shakeHands(input: HandshakeInput): Promise<Established> {
  const { address, pin } = input;
  const fingerprint = pin.fingerprint ?? address.fingerprint;
  const bytes = await input.nextFrame();
  const known = { fingerprint, sealingSequenceMin: pin.sealingSequenceMin, versionMin: pin.versionMin };
  const hello = await readHello({ bytes, known, nowMs: Date.now() });
  if (hello.kind === 'refused') throw refusedHello(hello.code);
  // A resumption belongs to the very server that issued it; any other never sees the handle.
  const resumed =
    input.resumption !== undefined && hello.fingerprint === pin.fingerprint
      ? await resume(input, hello, input.resumption)
      : undefined;
  return resumed ?? full(input, hello);
}

async function full({ address, transport, nextFrame }: HandshakeInput, hello: Hello): Promise<Established> {
  const kind = sessionTransport(address.transport);
  const { flight, pending } = createFlight({ hello, transport: kind, entropy: systemEntropy });
  transport.send([flight]);
  const accepted = acceptReply({ pending, reply: await nextFrame(), nowMs: performance.now() });
  if (accepted.kind === 'refused') throw new SecureChatError('HANDSHAKE_FAILED');
  return { hello, session: accepted.session, resumed: false };
}

/** undefined: the server does not know it any more, and waits for an ordinary flight. */
async function resume(
  { address, transport, nextFrame }: HandshakeInput,
  hello: Hello,
  resumption: Resumption,
): Promise<Established | undefined> {
  const kind = sessionTransport(address.transport);
  const { flight, pending } = createResumeFlight({ hello, transport: kind, resumption, entropy: systemEntropy });
  transport.send([flight]);
  const accepted = acceptResumeReply({ pending, reply: await nextFrame(), nowMs: performance.now() });
  if (accepted.kind === 'refused') throw new SecureChatError('HANDSHAKE_FAILED');
  return accepted.kind === 'fallback' ? undefined : { hello, session: accepted.session, resumed: true };
}

function refusedHello(code: SecureChatError['code']): SecureChatError {
  if (code !== 'CERTIFICATE_REJECTED') return new SecureChatError(code);
  return new SecureChatError(code, {
    text: 'The sealing key of the server has expired or is an old one, or the clock here is wrong.',
  });
}
