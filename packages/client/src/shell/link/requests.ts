/** Requests under way on one connection: number, answer, time. */
import type { control } from '@securechat/wire';
import { decodeFailure, SecureChatError } from '@securechat/wire';

export type ResponseBody = NonNullable<control.Response['body']>;
/** What a caller waits for, and what is done with it in the very turn it arrives. */
type Arrived = (body: ResponseBody) => void;

interface Open {
  readonly resolve: (body: ResponseBody) => void;
  readonly reject: (error: SecureChatError) => void;
  readonly arrived: Arrived | undefined;
  readonly timer: NodeJS.Timeout;
}

const REQUEST_MAX = 2 ** 32 - 1;

export class Requests {
  readonly #open = new Map<number, Open>();
  readonly #timeoutMs: number;
  #last = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#open.size;
  }

  /** A number that no open request has, and the promise of its answer. TIMEOUT, and what `endAll` says. */
  begin(arrived?: Arrived): { readonly number: number; readonly answer: Promise<ResponseBody> } {
    do this.#last = (this.#last % REQUEST_MAX) + 1;
    while (this.#open.has(this.#last));
    const number = this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<ResponseBody>();
    const timer = setTimeout(() => {
      this.#open.delete(number);
      reject(new SecureChatError('TIMEOUT'));
    }, this.#timeoutMs);
    timer.unref();
    this.#open.set(number, { resolve, reject, arrived, timer });
    // Whoever gave up waiting must not end the process.
    promise.catch(() => {});
    return { number, answer: promise };
  }

  /** An answer to a request that nobody waits for any more is dropped. MALFORMED when it has no body. */
  settle(number: number, response: control.Response): void {
    if (response.body === undefined) throw new SecureChatError('MALFORMED');
    const open = this.#open.get(number);
    if (open === undefined) return;
    this.#open.delete(number);
    clearTimeout(open.timer);
    const { body } = response;
    if (body.$case === 'failure') return open.reject(decodeFailure(body.value));
    open.arrived?.(body);
    open.resolve(body);
  }

  endAll(error: SecureChatError): void {
    for (const open of this.#open.values()) {
      clearTimeout(open.timer);
      open.reject(error);
    }
    this.#open.clear();
  }
}

/** The body as the kind expected; MALFORMED for another: a server that answers something else is not understood. */
export function answerOf<K extends ResponseBody['$case']>(
  body: ResponseBody,
  kind: K,
): Extract<ResponseBody, { $case: K }> {
  if (!isKind(body, kind)) throw new SecureChatError('MALFORMED');
  return body;
}

function isKind<K extends ResponseBody['$case']>(
  body: ResponseBody,
  kind: K,
): body is Extract<ResponseBody, { $case: K }> {
  return body.$case === kind;
}
