/** The client's half of OPAQUE as two steps with the server's answer in between; the work is in opaque-worker.ts. */
import { Worker } from 'node:worker_threads';
import { fromBase64url, SecureChatError } from '@securechat/wire';

export type OpaqueCall =
  | { readonly kind: 'startRegistration' | 'startLogin'; readonly password: string }
  | { readonly kind: 'finishRegistration' | 'finishLogin'; readonly response: string };

export type OpaqueResult =
  | { readonly kind: 'request'; readonly request: string }
  | { readonly kind: 'registered'; readonly record: string; readonly exportKey: string; readonly serverKey: string }
  | {
      readonly kind: 'loggedIn';
      readonly request: string;
      readonly sessionKey: string;
      readonly exportKey: string;
      readonly serverKey: string;
    }
  | { readonly kind: 'wrongPassword' }
  | { readonly kind: 'malformed' };

export interface OpaqueRegistration {
  /** `RegisterStart.opaque`. */
  readonly request: string;
  /** `RegisterFinish.opaque`, the export key (64 bytes, the caller wipes it), the server's static key. MALFORMED. */
  finish(response: string): Promise<{
    readonly record: string;
    readonly exportKey: Uint8Array;
    readonly serverKey: string;
  }>;
  /** Ends the thread and with it everything it knew. Idempotent. */
  close(): void;
}

export interface OpaqueLogin {
  /** KE1. */
  readonly request: string;
  /** KE3 and the keys (64 bytes each, the caller wipes them). AUTH_FAILED: wrong password or no such user; MALFORMED. */
  finish(response: string): Promise<{
    readonly request: string;
    readonly sessionKey: Uint8Array;
    readonly exportKey: Uint8Array;
    readonly serverKey: string;
  }>;
  close(): void;
}

/** `password`: normalised (password.ts). */
export async function startOpaqueRegistration(password: string): Promise<OpaqueRegistration> {
  const thread = startThread();
  const { request } = await expect(thread, { kind: 'startRegistration', password }, 'request');
  return {
    request,
    close: thread.close,
    async finish(response) {
      const { record, exportKey, serverKey } = await expect(
        thread,
        { kind: 'finishRegistration', response },
        'registered',
      );
      return { record, exportKey: fromBase64url(exportKey), serverKey };
    },
  };
}

/** `password`: normalised (password.ts). */
export async function startOpaqueLogin(password: string): Promise<OpaqueLogin> {
  const thread = startThread();
  const { request } = await expect(thread, { kind: 'startLogin', password }, 'request');
  return {
    request,
    close: thread.close,
    async finish(response) {
      const done = await expect(thread, { kind: 'finishLogin', response }, 'loggedIn');
      return {
        request: done.request,
        sessionKey: fromBase64url(done.sessionKey),
        exportKey: fromBase64url(done.exportKey),
        serverKey: done.serverKey,
      };
    },
  };
}

interface Thread {
  call(call: OpaqueCall): Promise<OpaqueResult>;
  readonly close: () => void;
}

function startThread(): Thread {
  const worker = new Worker(new URL('./opaque-worker.ts', import.meta.url));
  return {
    close: () => void worker.terminate(),
    call(call) {
      const { promise, resolve, reject } = Promise.withResolvers<OpaqueResult>();
      const ended = (cause: unknown): void => reject(new SecureChatError('INTERNAL', {}, { cause }));
      worker.once('message', resolve).once('error', ended).once('exit', ended);
      worker.postMessage(call);
      return promise.finally(() => worker.off('message', resolve).off('error', ended).off('exit', ended));
    },
  };
}

async function expect<K extends OpaqueResult['kind']>(
  thread: Thread,
  call: OpaqueCall,
  kind: K,
): Promise<Extract<OpaqueResult, { kind: K }>> {
  let result: OpaqueResult | undefined;
  try {
    result = await thread.call(call);
    if (result.kind === 'wrongPassword') throw new SecureChatError('AUTH_FAILED');
    if (result.kind !== kind) throw new SecureChatError('MALFORMED');
    return result as Extract<OpaqueResult, { kind: K }>;
  } finally {
    if (result?.kind !== kind) thread.close();
  }
}
