import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { SecureChatError } from '@securechat/client/vocabulary';

/** Where things of a person lie. */
export interface Places {
  readonly profileDirectory: string;
  readonly downloadDirectory: string;
  readonly settingsFile: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Folders beside the profiles under SECURECHAT_HOME. */
const taken = new Set(['server', 'cache']);

/**
 * Everything under SECURECHAT_HOME where it is set, XDG folders otherwise. USAGE for a profile name that is not a plain
 * name of a folder.
 */
export function placesOf(env: Env, home: string, profile: string): Places {
  if (!/^[\p{L}\p{N}_-][\p{L}\p{N}._-]{0,63}$/u.test(profile) || taken.has(profile)) {
    throw new SecureChatError('USAGE', {
      text: 'A profile name is 1 to 64 letters, digits, dots, hyphens and underscores, and not "server" or "cache".',
    });
  }
  const own = env['SECURECHAT_HOME'];
  if (own !== undefined && own !== '') {
    return {
      profileDirectory: join(own, profile),
      downloadDirectory: join(own, profile, 'downloads'),
      settingsFile: join(own, 'client.json'),
    };
  }
  const data = absolute(env['XDG_DATA_HOME']) ?? join(home, '.local', 'share');
  const config = absolute(env['XDG_CONFIG_HOME']) ?? join(home, '.config');
  return {
    profileDirectory: join(data, 'securechat', profile),
    downloadDirectory: join(downloadFolder(env, home, config), 'securechat'),
    settingsFile: join(config, 'securechat', 'client.json'),
  };
}

/** `user-dirs.dirs` is shell syntax of one form: XDG_DOWNLOAD_DIR="$HOME/…" or an absolute path. */
function downloadFolder(env: Env, home: string, config: string): string {
  const fromEnv = absolute(env['XDG_DOWNLOAD_DIR']);
  if (fromEnv !== undefined) return fromEnv;
  try {
    const line = /^XDG_DOWNLOAD_DIR="([^"]*)"/m.exec(readFileSync(join(config, 'user-dirs.dirs'), 'utf8'))?.[1];
    const folder = absolute(line?.replace(/^\$HOME/, home));
    if (folder !== undefined && folder !== home && folder !== `${home}/`) return folder;
  } catch {
    // Most machines without a desktop have none.
  }
  return join(home, 'Downloads');
}

/** The XDG specification: relative paths are to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
