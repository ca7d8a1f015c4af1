import { once } from 'node:events';
import { SecureChatError } from '@securechat/client/vocabulary';
import { exitCodes } from '../exit-codes.ts';
import { inputLines } from '../input-lines.ts';
import { rememberWhereOnline } from '../last-server.ts';
import { openClient } from '../open-client.ts';
import type { Settings } from '../settings.ts';
import { RPC_LINE_BYTES_MAX, serveRpc } from './serve.ts';

/** `securechat rpc`: nothing but JSON on standard output. Resolves with the exit code. */
export async function startRpc(settings: Settings): Promise<number> {
  const { stdin, stdout } = process;
  if (settings.passwordStdin)
    throw new SecureChatError('USAGE', { text: 'Every line of rpc is JSON: the password goes into its method login.' });
  const client = await openClient(settings);
  const ended = Promise.withResolvers<number>();
  process.once('SIGINT', () => ended.resolve(exitCodes.interrupted));
  process.once('SIGTERM', () => ended.resolve(exitCodes.ok));
  stdout.on('error', () => ended.resolve(exitCodes.ok));
  const write = async (line: string): Promise<void> => {
    if (!stdout.write(`${line}\n`)) await Promise.race([once(stdout, 'drain'), ended.promise]);
  };
  const { onlineOnly, requireVerified } = settings;
  try {
    const served = serveRpc(
      {
        client,
        sendOptions: { onlineOnly, requireVerified },
        onEntered: () => rememberWhereOnline(client, settings),
      },
      { lines: inputLines(stdin, RPC_LINE_BYTES_MAX), write },
    );
    return await Promise.race([served.then(() => exitCodes.ok), ended.promise]);
  } finally {
    await client.close();
    stdin.destroy();
  }
}
