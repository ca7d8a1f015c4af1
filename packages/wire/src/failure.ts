/** The wire form of a refusal. */
import type { Failure } from './gen/securechat/wire/v1/control.ts';
import type { FailureDetail } from './codes.ts';
import { codeOf, codes, SecureChatError } from './codes.ts';

const none = new Uint8Array(0);

export function encodeFailure(error: SecureChatError): Failure {
  const { retryAfterMs, epoch, group, generation, devices } = error.detail;
  return {
    code: codes[error.code].number,
    retryAfterMs: retryAfterMs ?? 0,
    epoch: epoch ?? 0,
    group: group ?? none,
    generation: generation ?? 0,
    devices: [...(devices ?? [])],
  };
}

export function decodeFailure(failure: Failure): SecureChatError {
  const detail: FailureDetail = {
    ...(failure.retryAfterMs > 0 && { retryAfterMs: failure.retryAfterMs }),
    ...(failure.epoch > 0 && { epoch: failure.epoch }),
    ...(failure.group.length > 0 && { group: failure.group }),
    ...(failure.generation > 0 && { generation: failure.generation }),
    ...(failure.devices.length > 0 && { devices: failure.devices }),
  };
  return new SecureChatError(codeOf(failure.code), detail);
}

/** Runs a generated decoder on bytes of a stranger: whatever it throws becomes MALFORMED. */
export function decodeMessage<T>(codec: { decode(input: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new SecureChatError('MALFORMED', {}, { cause });
  }
}
