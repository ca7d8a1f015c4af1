import { connect } from '@securechat/client';
import type { Client, ClientOptions, ProgressStep } from '@securechat/client';
import type { Settings } from './settings.ts';

/** The client of these settings. Nothing is sent before `register` or `login`. */
export function openClient(
  settings: Settings,
  ask: Pick<ClientOptions, 'confirmServer' | 'onProgress'> = {},
): Promise<Client> {
  const { server, profileDirectory, downloadDirectory, rsaBits, tlsCa } = settings;
  return connect({
    server,
    profileDirectory,
    downloadDirectory,
    rsaBits,
    ...(tlsCa !== undefined && { tlsCa }),
    ...ask,
  });
}

export const progressText: { readonly [step in ProgressStep]: string } = {
  keys: 'Making keys',
  password: 'Stretching the password',
  'proof-of-work': 'Solving the proof of work',
  connecting: 'Connecting',
};
