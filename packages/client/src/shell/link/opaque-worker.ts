/**
 * The door to @serenity-kit/opaque (RFC 9807), in a thread of its own: stretching the password takes 0.3 s of WebAssembly
 * that cannot be interrupted. One worker is one exchange; with it goes all it knew.
 *
 * Stretching is part of the format: other numbers make other keys, so a change is a new version with its own record.
 */
import { parentPort } from 'node:worker_threads';
import { client, ready } from '@serenity-kit/opaque';
import type { OpaqueCall, OpaqueResult } from './opaque.ts';

/** Argon2id, 64 MiB: the "memory-constrained" choice of RFC 9106 §4. */
const keyStretching = { 'argon2id-custom': { iterations: 3, memory: 65_536, parallelism: 4 } } as const;

const port = parentPort;
let exchange: { readonly password: string; readonly state: string } | undefined;

port?.on('message', (call: OpaqueCall) => {
  void ready.then(() => port.postMessage(answer(call)));
});

function answer(call: OpaqueCall): OpaqueResult {
  try {
    switch (call.kind) {
      case 'startRegistration': {
        const { password } = call;
        const { clientRegistrationState: state, registrationRequest } = client.startRegistration({ password });
        exchange = { password, state };
        return { kind: 'request', request: registrationRequest };
      }
      case 'startLogin': {
        const { password } = call;
        const { clientLoginState: state, startLoginRequest } = client.startLogin({ password });
        exchange = { password, state };
        return { kind: 'request', request: startLoginRequest };
      }
      case 'finishRegistration': {
        if (exchange === undefined) return { kind: 'malformed' };
        const { password, state } = exchange;
        const { registrationRecord, exportKey, serverStaticPublicKey } = client.finishRegistration({
          password,
          clientRegistrationState: state,
          registrationResponse: call.response,
          keyStretching,
        });
        return { kind: 'registered', record: registrationRecord, exportKey, serverKey: serverStaticPublicKey };
      }
      case 'finishLogin': {
        if (exchange === undefined) return { kind: 'malformed' };
        const { password, state } = exchange;
        const result = client.finishLogin({
          password,
          clientLoginState: state,
          loginResponse: call.response,
          keyStretching,
        });
        if (result === undefined) return { kind: 'wrongPassword' };
        const { finishLoginRequest: request, sessionKey, exportKey, serverStaticPublicKey: serverKey } = result;
        return { kind: 'loggedIn', request, sessionKey, exportKey, serverKey };
      }
    }
  } catch {
    // The library throws for what it cannot read; its text might quote input.
    return { kind: 'malformed' };
  }
}
