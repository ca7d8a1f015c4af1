/** For the tests of the link: keys made once, a recorder of what a link says, and one opened with patience. */
import type { TestContext } from 'node:test';
import { ed25519, generateRsa, openerOf, openSealed, systemEntropy } from '@securechat/crypto';
import type { Accepted, AccountId, Code, Deliver, DeviceId, SecureChatError, control } from '@securechat/wire';
import { idOf, parseServerAddress } from '@securechat/wire';
import type { LinkEvents, OpenOptions, ServerPin } from '../src/shell/link/link-port.ts';
import { openLink } from '../src/shell/link/link.ts';
import type { KnownDevice, RunningServer } from './link-server.ts';
import { newServerKeys } from './link-server.ts';

export const account = idOf<AccountId>(new Uint8Array(16).fill(1));
export const device = idOf<DeviceId>(new Uint8Array(16).fill(2));
export const noPin: ServerPin = { fingerprint: undefined, sealingSequenceMin: 0, versionMin: 0, opaqueKey: undefined };
export const nothing = new Uint8Array(0);
/** Longer than any machine is busy: whatever is not to wait for it is told apart by its code, UNREACHABLE. */
export const PATIENCE_MS = 60_000;
const pair = ed25519.generate(systemEntropy);
const signingSeed = pair.privateKey;
export const [keys, otherKeys, sealing] = await Promise.all([
  newServerKeys(),
  newServerKeys(),
  generateRsa('sealing', 2048),
]);
export const known: KnownDevice = { signing: pair.publicKey, sealing };

export class Recorder implements LinkEvents {
  readonly delivered: Deliver[] = [];
  readonly accepted: Accepted[] = [];
  readonly refused: [string, Code][] = [];
  readonly events: control.Event[] = [];
  readonly closed = Promise.withResolvers<Code>();
  closings = 0;
  onDeliver(row: Deliver): void {
    this.delivered.push(row);
  }
  onAccepted(accepted: Accepted): void {
    this.accepted.push(accepted);
  }
  onRefused(id: string, error: SecureChatError): void {
    this.refused.push([id, error.code]);
  }
  onEvent(event: control.Event): void {
    this.events.push(event);
  }
  onClosed(code: Code): void {
    this.closings += 1;
    this.closed.resolve(code);
  }
}

export async function open(t: TestContext, url: string, options: Partial<OpenOptions> = {}) {
  const events = new Recorder();
  const address = parseServerAddress(url);
  const result = await openLink({ address, pin: noPin, timeoutMs: PATIENCE_MS, ...options }, events);
  t.after(() => result.link.close());
  return { ...result, events };
}

const openSealedHere = (sealed: Uint8Array, context: Uint8Array) =>
  openSealed({ openers: [openerOf(known.sealing)], purpose: 'attach', context, sealed, entropy: systemEntropy });
export const attaching = () => ({
  account,
  device,
  signingSeed,
  openSealed: openSealedHere,
  storedUpTo: 41,
  submitNumberHighest: 9,
});
export const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
export const eachTransport = (server: RunningServer): readonly string[] => [server.ws, server.tcp];
