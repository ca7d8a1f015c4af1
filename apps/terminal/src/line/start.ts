import { existsSync } from 'node:fs';
import { exitCodes } from '../exit-codes.ts';
import { rememberServer } from '../last-server.ts';
import { openClient, progressText } from '../open-client.ts';
import { givenPassword } from '../password.ts';
import { qrCode } from '../qr-code.ts';
import { sanitizeLine } from '../sanitize.ts';
import type { Settings } from '../settings.ts';
import { programVersion } from '../version.ts';
import { commands } from './commands.ts';
import { complete } from './completion.ts';
import { systemEditor } from './editor.ts';
import { parseAnswer } from './intent.ts';
import { runLineMode } from './line-mode.ts';
import { pipeScreen } from './pipe-screen.ts';
import type { Screen } from './screen.ts';
import { terminalScreen } from './terminal-screen.ts';

const DRAIN_MS = 10_000;

/** Signals that end line mode, and the exit codes that every shell gives them. */
const endings = { SIGINT: exitCodes.interrupted, SIGTERM: 143, SIGHUP: 129 } as const;

/** `securechat` without a sub-command. Resolves with the exit code; the terminal is as it was. */
export async function startLineMode(settings: Settings, env: NodeJS.ProcessEnv, home: string): Promise<number> {
  const { stdin, stdout } = process;
  const interactive = stdin.isTTY && stdout.isTTY && env['TERM'] !== 'dumb' && !settings.passwordStdin;
  const users: { list: () => Promise<readonly string[]> } = { list: () => Promise.resolve([]) };
  const { password, input } = await givenPassword(settings, stdin);
  const screen: Screen = interactive
    ? terminalScreen({
        input: stdin,
        output: stdout,
        colour: wantsColour(settings.color, env),
        bell: settings.bell,
        title: !/^(linux|vt|ansi|cons|eterm)/.test(env['TERM'] ?? ''),
        complete: (before) => complete(before, { commands: Object.keys(commands), users: () => users.list(), home }),
        stop: stopProcessGroup,
        onContinue: (listener) => process.on('SIGCONT', listener),
      })
    : pipeScreen({ input, write: (text) => stdout.write(text), ...(stdin.isTTY && { terminal: stdin }) });
  const restore = (): void => screen.close();
  process.on('exit', restore);
  for (const [signal, code] of Object.entries(endings)) process.on(signal, () => screen.leave(code));
  // Whoever read from us has gone: nobody is left to tell.
  stdout.on('error', () => screen.leave(exitCodes.ok));
  try {
    const client = await openClient(settings, {
      onProgress: (step, fraction) => {
        const percent = fraction === undefined ? '' : ` ${Math.round(fraction * 100)} %`;
        screen.setStatus(fraction === 1 ? undefined : `${progressText[step]}…${percent}`);
      },
      ...(interactive && {
        confirmServer: async (fingerprint) => {
          const shown = sanitizeLine(fingerprint);
          screen.print(`This server shows the key\n  ${shown}`);
          screen.print('Nothing here tells whether it is the right one.');
          return parseAnswer((await screen.ask('Do you trust it? y/n ')) ?? '') === true;
        },
      }),
    });
    users.list = async () => (await client.contacts()).map(({ user }) => user);
    return await runLineMode(client, screen, {
      ...(settings.invite !== undefined && { invite: settings.invite }),
      ...(settings.user !== undefined && { user: settings.user }),
      ...(password !== undefined && { password }),
      onlineOnly: settings.onlineOnly,
      requireVerified: settings.requireVerified,
      drainMs: DRAIN_MS,
      version: programVersion(),
      home,
      now: () => new Date(),
      fileExists: existsSync,
      editor: systemEditor(env),
      server: settings.server,
      onLoggedIn: () => rememberServer(settings.profileDirectory, settings.server),
      qr: qrCode,
    });
  } finally {
    screen.close();
    process.off('exit', restore);
    // A terminal that is still read would keep the process alive.
    stdin.pause();
  }
}

function wantsColour(setting: Settings['color'], env: NodeJS.ProcessEnv): boolean {
  if (setting !== 'auto') return setting === 'always';
  // no-color.org: any value but the empty one.
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  if (env['FORCE_COLOR'] !== undefined) return env['FORCE_COLOR'] !== '0';
  return env['TERM'] !== 'dumb';
}

/** In raw mode Ctrl+Z is a key: what a shell would have stopped is this program with its launcher and npm. */
async function stopProcessGroup(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once('SIGCONT', resolve);
  process.kill(0, 'SIGTSTP');
  // Without a shell that could continue it, the kernel ignores the signal.
  const timer = setTimeout(resolve, 300);
  await promise;
  clearTimeout(timer);
  process.off('SIGCONT', resolve);
}
