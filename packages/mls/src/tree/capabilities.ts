/** What a client supports (RFC 9420 §7.2). Unknown numbers are carried along and mean nothing. */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { PROTOCOL_VERSION } from '../crypto/suite.ts';
import { demand } from '../errors.ts';
import type { Extension } from './extension.ts';
import { isDefaultExtension, requiredCapabilitiesIn } from './extension.ts';

export interface Capabilities {
  readonly versions: readonly number[];
  readonly suites: readonly number[];
  readonly extensions: readonly number[];
  readonly proposals: readonly number[];
  readonly credentials: readonly number[];
}

/** Proposal types 1 to 7 need not be listed (§7.2). */
function isDefaultProposal(type: number): boolean {
  return type >= 1 && type <= 7;
}

export function writeCapabilities(writer: Writer, capabilities: Capabilities): void {
  const { versions, suites, extensions, proposals, credentials } = capabilities;
  for (const types of [versions, suites, extensions, proposals, credentials])
    writer.list(types, (w, type) => w.u16(type));
}

export function readCapabilities(reader: Reader): Capabilities {
  const types = (): number[] => reader.list((r) => r.u16());
  return { versions: types(), suites: types(), extensions: types(), proposals: types(), credentials: types() };
}

/**
 * What a client of ours may say of itself: no type that every client knows (§7.2), and of the extensions that it carries
 * all others (§10). `bad-argument`.
 */
export function demandHonest({ extensions, proposals }: Capabilities, carried: readonly Extension[] = []): void {
  const needless = extensions.some(isDefaultExtension) || proposals.some(isDefaultProposal);
  demand(!needless, 'bad-argument', 'a default type among the capabilities, §7.2');
  const listed = carried.every(({ type }) => isDefaultExtension(type) || extensions.includes(type));
  demand(listed, 'bad-argument', 'an extension that the capabilities do not list, §10');
}

/** The first thing a client of these capabilities lacks to be member of a group with these extensions (§7.3, §13.4). */
export function lacking(
  capabilities: Capabilities,
  group: { readonly suite: number; readonly extensions: readonly Extension[] },
): string | undefined {
  const { versions, suites, extensions, proposals, credentials } = capabilities;
  if (!versions.includes(PROTOCOL_VERSION)) return 'version mls10';
  if (!suites.includes(group.suite)) return `cipher suite ${group.suite}`;
  const used = group.extensions.map(({ type }) => type);
  const required = requiredCapabilitiesIn(group.extensions);
  const extension = [...used, ...(required?.extensions ?? [])].find(
    (type) => !isDefaultExtension(type) && !extensions.includes(type),
  );
  if (extension !== undefined) return `extension ${extension}`;
  const proposal = required?.proposals.find((type) => !isDefaultProposal(type) && !proposals.includes(type));
  if (proposal !== undefined) return `proposal ${proposal}`;
  const credential = required?.credentials.find((type) => !credentials.includes(type));
  return credential === undefined ? undefined : `credential ${credential}`;
}
