/** Extensions (RFC 9420 §7.2, §13.4, §17.3): at most one of a type in any list. */
import type { Reader } from '../codec/reader.ts';
import { decode } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { encode } from '../codec/writer.ts';
import { demand } from '../errors.ts';
import type { Credential } from './credential.ts';
import { readCredential, writeCredential } from './credential.ts';

export const extensionTypes = {
  applicationId: 1,
  ratchetTree: 2,
  requiredCapabilities: 3,
  externalPub: 4,
  externalSenders: 5,
  /** draft-ietf-mls-extensions: a key package that may be used more than once. */
  lastResort: 0x000a,
} as const;

/** Types 1 to 5 need not be listed in capabilities (§7.2). */
export function isDefaultExtension(type: number): boolean {
  return type >= 1 && type <= 5;
}

const EXTENSIONS_MAX = 64;

export interface Extension {
  readonly type: number;
  readonly data: Uint8Array;
}

export function writeExtensions(writer: Writer, extensions: readonly Extension[]): void {
  writer.list(extensions, (w, { type, data }) => w.u16(type).vector(data));
}

export function readExtensions(reader: Reader): readonly Extension[] {
  const extensions = reader.list((r): Extension => ({ type: r.u16(), data: r.vector() }), EXTENSIONS_MAX);
  demandDistinct(extensions);
  return extensions;
}

/** §13.4: `malformed` when two extensions share a type. */
export function demandDistinct(extensions: readonly Extension[]): void {
  const types = new Set(extensions.map(({ type }) => type));
  demand(types.size === extensions.length, 'malformed', 'an extension twice, §13.4');
}

export function extensionOf(extensions: readonly Extension[], type: number): Uint8Array | undefined {
  return extensions.find((extension) => extension.type === type)?.data;
}

/** §11.1: what every member must support. */
export interface RequiredCapabilities {
  readonly extensions: readonly number[];
  readonly proposals: readonly number[];
  readonly credentials: readonly number[];
}

export function requiredCapabilities(required: RequiredCapabilities): Extension {
  const data = encode((writer) => {
    for (const types of [required.extensions, required.proposals, required.credentials])
      writer.list(types, (w, type) => w.u16(type));
  });
  return { type: extensionTypes.requiredCapabilities, data };
}

export function requiredCapabilitiesIn(extensions: readonly Extension[]): RequiredCapabilities | undefined {
  const data = extensionOf(extensions, extensionTypes.requiredCapabilities);
  if (data === undefined) return undefined;
  return decode(data, (reader) => {
    const types = (): number[] => reader.list((r) => r.u16());
    return { extensions: types(), proposals: types(), credentials: types() };
  });
}

/** §12.1.8.1: somebody outside of the group who may propose. */
export interface ExternalSender {
  readonly signatureKey: Uint8Array;
  readonly credential: Credential;
}

export function externalSenders(senders: readonly ExternalSender[]): Extension {
  const data = encode((writer) =>
    writer.list(senders, (w, { signatureKey, credential }) => writeCredential(w.vector(signatureKey), credential)),
  );
  return { type: extensionTypes.externalSenders, data };
}

export function externalSendersIn(extensions: readonly Extension[]): readonly ExternalSender[] {
  const data = extensionOf(extensions, extensionTypes.externalSenders);
  if (data === undefined) return [];
  return decode(data, (reader) =>
    reader.list((r): ExternalSender => ({ signatureKey: r.vector(), credential: readCredential(r) })),
  );
}

/** Extensions of a known inner structure are read once on entry, so that nobody stumbles over them later. `malformed`. */
export function demandReadable(extensions: readonly Extension[]): void {
  demandDistinct(extensions);
  requiredCapabilitiesIn(extensions);
  externalSendersIn(extensions);
}
