/**
 * What is installed is what was reviewed: exact versions, an integrity hash on every package, no address of a registry,
 * and a closed list of what runs in the product. docs/decisions/0002-dependencies.md gives the reason of each.
 */
import type { Violation } from './source.ts';

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

export type Dependencies = Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;

/** Packages that run in the product. */
const RUNTIME_PACKAGES_MAX = 27;

/** A new one is added here together with its line in the decision record. */
const runtimePackages = [
  '@bufbuild/protobuf',
  '@noble/hashes',
  '@pinojs/redact',
  '@scure/bip39',
  '@serenity-kit/opaque',
  '@zxcvbn-ts/dictionary-compression',
  '@zxcvbn-ts/language-common',
  'ansi-regex',
  'atomic-sleep',
  'commander',
  'get-east-asian-width',
  'jose',
  'on-exit-leak-free',
  'pino',
  'pino-abstract-transport',
  'pino-std-serializers',
  'process-warning',
  'qr',
  'quick-format-unescaped',
  'real-require',
  'safe-stable-stringify',
  'sonic-boom',
  'split2',
  'string-width',
  'strip-ansi',
  'thread-stream',
  'ws',
];

export function checkLockfile(lockfile: Lockfile): Violation[] {
  const violations: Violation[] = [];
  const say = (text: string): void => void violations.push({ path: 'package-lock.json', line: 1, text });
  const runtime: string[] = [];
  for (const [place, found] of Object.entries(lockfile.packages)) {
    if (!place.includes('node_modules/') || found.link === true) continue;
    if (found.integrity === undefined) say(`${place} has no integrity hash`);
    if (found.resolved !== undefined) say(`${place} names the address it came from`);
    const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const isRuntime = found.dev !== true && found.optional !== true && found.devOptional !== true;
    if (isRuntime) runtime.push(name);
    if (isRuntime && !runtimePackages.includes(name)) {
      say(`${name} is not on the list of packages that run in the product (tools/lockfile.ts)`);
    }
  }
  if (runtime.length > RUNTIME_PACKAGES_MAX)
    say(`${runtime.length} packages run in the product, ${RUNTIME_PACKAGES_MAX} are allowed`);
  return violations;
}

/** Every dependency of a package.json, of every kind, is one exact version. */
export function checkVersions(path: string, manifest: Dependencies): Violation[] {
  return ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']
    .flatMap((kind) => Object.entries(manifest[kind] ?? {}))
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => ({ path, line: 1, text: `${name} ${version} is not one exact version` }));
}
