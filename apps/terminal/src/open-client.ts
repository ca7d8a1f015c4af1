import { connect } from '@securechat/client';
import type { Client, ClientOptions, ProgressStep } from '@securechat/client';
import { serveForwarded } from './rpc/forwarded.ts';
import type { Settings } from './settings.ts';

/**
 * The client of these settings. Nothing is sent before `register` or `login`. Once it has an account open, `send` and
 * `listen` of other processes go through it; with `brief` they wait until it is closed.
 */
export async function openClient(
  settings: Settings,
  { brief = false, ...ask }: Pick<ClientOptions, 'confirmServer' | 'onProgress'> & { readonly brief?: boolean } = {},
): Promise<Client> {
  const { server, profileDirectory, downloadDirectory, rsaBits, tlsCa } = settings;
  const opened = Promise.withResolvers<Client>();
  const client = await connect({
    server,
    profileDirectory,
    downloadDirectory,
    rsaBits,
    ...(tlsCa !== undefined && { tlsCa }),
    ...(!brief && { onForward: (lines) => void opened.promise.then((holder) => serveForwarded(holder, lines)) }),
    ...ask,
  });
  opened.resolve(client);
  return client;
}

export const progressText: { readonly [step in ProgressStep]: string } = {
  keys: 'Making keys',
  password: 'Stretching the password',
  'proof-of-work': 'Solving the proof of work',
  connecting: 'Connecting',
};
