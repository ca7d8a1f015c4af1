/** One thread of the pool: one step at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import type { OpaqueResult } from './protocol.ts';
import { loginAnswer, loginKey, opaqueReady, registrationAnswer } from './protocol.ts';

export type OpaqueStep =
  | { readonly kind: 'register'; readonly userIdentifier: string; readonly request: string }
  | {
      readonly kind: 'start';
      readonly userIdentifier: string;
      readonly record: string | undefined;
      readonly request: string;
    }
  | { readonly kind: 'finish'; readonly state: string; readonly request: string };

const { setup } = workerData as { readonly setup: string };
await opaqueReady;

parentPort?.on('message', (step: OpaqueStep) => parentPort?.postMessage(take(step)));

function take(step: OpaqueStep): OpaqueResult<unknown> {
  switch (step.kind) {
    case 'register':
      return registrationAnswer(setup, step);
    case 'start':
      return loginAnswer(setup, step);
    case 'finish':
      return loginKey(step);
  }
}
