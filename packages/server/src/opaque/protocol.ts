/**
 * The door to OPAQUE (RFC 9807, @serenity-kit/opaque): the server's three steps as plain functions. They take a few
 * milliseconds of a core and run in worker threads (pool.ts). All messages are unpadded base64url.
 */
import { ready, server } from '@serenity-kit/opaque';

/** To be awaited before any of the functions. */
export const opaqueReady: Promise<void> = ready;

/** `malformed`: the bytes of the other side cannot be read. `failed`: anything else. */
export type OpaqueResult<T> =
  { readonly kind: 'done'; readonly value: T } | { readonly kind: 'malformed' } | { readonly kind: 'failed' };

/** A new setup: OPRF seed, static key pair and the key of fake records. 171 characters; whoever has it can guess offline. */
export function createSetup(): string {
  return server.createSetup();
}

/** The static public key that clients pin; throws for what is no setup. 43 characters. */
export function staticPublicKey(setup: string): string {
  return server.getPublicKey(setup);
}

export function registrationAnswer(
  setup: string,
  { userIdentifier, request }: { readonly userIdentifier: string; readonly request: string },
): OpaqueResult<string> {
  return guarded(
    () =>
      server.createRegistrationResponse({ serverSetup: setup, userIdentifier, registrationRequest: request })
        .registrationResponse,
  );
}

/** Without a record the library answers from a fake one, derived from the setup and the name: same shape and length. */
export function loginAnswer(
  setup: string,
  {
    userIdentifier,
    record,
    request,
  }: { readonly userIdentifier: string; readonly record: string | undefined; readonly request: string },
): OpaqueResult<{ readonly answer: string; readonly state: string }> {
  return guarded(() => {
    const { loginResponse, serverLoginState } = server.startLogin({
      serverSetup: setup,
      userIdentifier,
      registrationRecord: record,
      startLoginRequest: request,
    });
    return { answer: loginResponse, state: serverLoginState };
  });
}

/** The session key, base64url (64 bytes); `malformed` for a proof that is wrong as well as for one that cannot be read. */
export function loginKey({
  state,
  request,
}: {
  readonly state: string;
  readonly request: string;
}): OpaqueResult<string> {
  return guarded(() => server.finishLogin({ serverLoginState: state, finishLoginRequest: request }).sessionKey);
}

function guarded<T>(step: () => T): OpaqueResult<T> {
  try {
    return { kind: 'done', value: step() };
  } catch (error) {
    // A trap of the WASM code leaves its memory in an unknown state: the thread is given up.
    if (!(error instanceof Error) || error.name === 'RuntimeError') throw error;
    const ours = /"(registrationRecord|serverSetup|serverLoginState)"/.test(error.message);
    return { kind: ours ? 'failed' : 'malformed' };
  }
}
