/** JSON-RPC 2.0 (jsonrpc.org/specification), one message or batch per line. Pure: text in, values out. */
import { codes } from '@securechat/client';
import type { Code, SecureChatError } from '@securechat/client';

export type RpcId = string | number | null;

export interface RpcRequest {
  readonly kind: 'request';
  /** undefined: a notification, which is carried out and never answered. */
  readonly id: RpcId | undefined;
  readonly method: string;
  readonly params: unknown;
}
export interface RpcInvalid {
  readonly kind: 'invalid';
  readonly response: RpcResponse;
}
export type RpcItem = RpcRequest | RpcInvalid;

export interface RpcResponse {
  readonly jsonrpc: '2.0';
  readonly id: RpcId;
  readonly result?: unknown;
  readonly error?: RpcError;
}
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly code: Code; readonly hint: string; readonly retryAfterMs?: number };
}

export const rpcNumbers = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
} as const;

/** Requests of one batch; more are refused as a whole, so that a line cannot ask for unbounded work. */
const BATCH_MAX = 1000;

/** One line of input. `batch` says whether the answers belong into one array. */
export function parseRpcLine(line: string): { readonly batch: boolean; readonly items: readonly RpcItem[] } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { batch: false, items: [invalid(null, rpcNumbers.parseError, 'This line is not JSON.', 'MALFORMED')] };
  }
  if (!Array.isArray(value)) return { batch: false, items: [parseItem(value)] };
  if (value.length === 0 || value.length > BATCH_MAX) {
    const text = `A batch has 1 to ${BATCH_MAX} requests.`;
    return { batch: false, items: [invalid(null, rpcNumbers.invalidRequest, text, 'MALFORMED')] };
  }
  return { batch: true, items: value.map(parseItem) };
}

function parseItem(value: unknown): RpcItem {
  const refuse = (id: RpcId, text: string): RpcInvalid => invalid(id, rpcNumbers.invalidRequest, text, 'MALFORMED');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(null, 'A request is a JSON object.');
  }
  const { jsonrpc, id, method, params } = value as Readonly<Record<string, unknown>>;
  const hasId = Object.hasOwn(value, 'id');
  if (hasId && typeof id !== 'string' && typeof id !== 'number' && id !== null) {
    return refuse(null, 'The id of a request is a string, a number or null.');
  }
  const known = hasId ? (id as RpcId) : undefined;
  if (jsonrpc !== '2.0') return refuse(known ?? null, 'A request has "jsonrpc": "2.0".');
  if (typeof method !== 'string') return refuse(known ?? null, 'A request names its method.');
  return { kind: 'request', id: known, method, params };
}

function invalid(id: RpcId, number: number, message: string, code: Code): RpcInvalid {
  return { kind: 'invalid', response: errorResponse(id, number, message, code) };
}

/** A line that was longer than the bound. */
export function tooLarge(bytesMax: number): RpcResponse {
  const message = `A line has at most ${bytesMax} bytes; this one was skipped.`;
  return errorResponse(null, rpcNumbers.invalidRequest, message, 'TOO_LARGE');
}

export function notText(): RpcResponse {
  return errorResponse(null, rpcNumbers.parseError, 'This line is not UTF-8.', 'MALFORMED');
}

export function resultResponse(id: RpcId, result: unknown): RpcResponse {
  return { jsonrpc: '2.0', id, result };
}

export function errorResponse(id: RpcId, number: number, message: string, code: Code): RpcResponse {
  return { jsonrpc: '2.0', id, error: { code: number, message, data: { code, hint: codes[code].hint } } };
}

/**
 * A failure of SecureChat. The number is that of the code in the one table (1 and up, outside of what JSON-RPC reserves);
 * `data.code` is what scripts match on.
 */
export function failureResponse(id: RpcId, error: SecureChatError): RpcResponse {
  const { code, detail, message } = error;
  const number = code === 'INTERNAL' ? rpcNumbers.internalError : codes[code].number;
  const retry = detail.retryAfterMs === undefined ? {} : { retryAfterMs: detail.retryAfterMs };
  return { jsonrpc: '2.0', id, error: { code: number, message, data: { code, hint: codes[code].hint, ...retry } } };
}
