/** The command line as a tree; the one door to `commander`. What a sub-command needs is loaded when it is called. */
import { homedir } from 'node:os';
import { SecureChatError } from '@securechat/client/vocabulary';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { CommandNames } from './completion-script.ts';
import type * as ServerModule from './server-command.ts';
import { exitCodeHelp, exitCodeOf, exitCodes } from './exit-codes.ts';
import { asSecureChatError, sentenceOf } from './sentence.ts';
import { readSettings, settingRows } from './settings.ts';
import type { SettingRow, Settings } from './settings.ts';
import { nearest } from './suggestion.ts';
import { programVersion } from './version.ts';

type Flags = Readonly<Record<string, string | boolean | undefined>>;
type Finish = (code: number) => void;

/** Resolves with the exit code; never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.ok;
  try {
    // The server's flags come from its own table; a client starts without loading it.
    const needed = argv.some((argument) => ['server', 'admin', 'completion'].includes(argument));
    const server = needed ? await import('./server-command.ts') : undefined;
    const program = commandTree((code) => (exitCode = code), server);
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    // The server's StartError is one sentence with its exit code.
    if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') {
      process.stderr.write(`${error.message}\n`);
      return error.exitCode;
    }
    process.stderr.write(`${sentenceOf(error)}\n`);
    return exitCodeOf(asSecureChatError(error).code);
  }
}

/** The whole tree; `finish` is told the exit code of what ran. Without `server` its sub-commands have no options. */
export function commandTree(finish: Finish, server: typeof ServerModule | undefined): Command {
  const program = new Command('securechat')
    .exitOverride()
    .enablePositionalOptions()
    .usage('[options] [command]')
    .description('End-to-end encrypted messenger. Without a command: the terminal client.')
    .argument('[unknown...]')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('before', examples(rootExamples))
    .addHelpText('after', `\n${exitCodeHelp}`);
  addVersion(program);
  addClientOptions(program).option('--plain', 'line mode (the only one in this version)');
  program.action(async (unknown: string[], _flags: Flags, command: Command) => {
    refuseUnknown(program, unknown);
    const settings = settingsOf(command);
    const { startLineMode } = await import('./line/start.ts');
    finish(await startLineMode(settings, process.env, homedir()));
  });

  addClientOptions(
    subcommand(program, 'send <to> [text...]', 'send one message (text from the arguments or standard input)', [
      'securechat send @bob --user alice --password-file ~/.pw "see you at eight"',
      'securechat send @bob --user alice --password-file ~/.pw < note.txt',
    ]),
    ['invite', 'downloads', 'rsaBits', 'color', 'bell'],
  )
    .option('--json', 'print the result as one JSON line')
    .addOption(timeoutOption('give up after so many seconds (exit code 9)'))
    .action(async (to: string, words: string[], _flags: Flags, command: Command) => {
      const settings = settingsOf(command);
      const text = words.length === 0 ? undefined : words.join(' ');
      const target = /^[@#]/.test(to) ? to : `@${to}`;
      const { startSend } = await import('./one-shot/start.ts');
      finish(await startSend(settings, { to: target, text, ...oneShotFlags(command) }));
    });

  addClientOptions(
    subcommand(program, 'listen', 'print what arrives, until it is interrupted', [
      'securechat listen --user bob --password-file ~/.pw',
      'securechat listen --json --user bob --password-file ~/.pw | jq .text',
    ]),
    ['invite', 'downloads', 'rsaBits', 'onlineOnly', 'requireVerified', 'color', 'bell'],
  )
    .option('--json', 'one JSON object a line')
    .addOption(timeoutOption('end after so many seconds (exit code 9)'))
    .action(async (_flags: Flags, command: Command) => {
      const settings = settingsOf(command);
      const { startListen } = await import('./one-shot/start.ts');
      finish(await startListen(settings, oneShotFlags(command)));
    });

  addClientOptions(
    subcommand(program, 'rpc', 'JSON-RPC 2.0, one message per line, on standard input and output', [
      `echo '{"jsonrpc":"2.0","id":1,"method":"status"}' | securechat rpc`,
      `  {"jsonrpc":"2.0","id":2,"method":"login","params":{"username":"alice","password":"…"}}`,
    ]),
    ['user', 'passwordFile', 'passwordStdin', 'invite', 'color', 'bell'],
  ).action(async (_flags: Flags, command: Command) => {
    const settings = settingsOf(command);
    const { startRpc } = await import('./rpc/start.ts');
    finish(await startRpc(settings));
  });

  addServer(program, finish, server);
  addAdmin(program, finish, server);
  addCopies(program, finish);
  addMigrate(program, finish);
  addDoctor(program, finish);

  subcommand(program, 'completion', 'print the completion script of a shell', [
    'securechat completion bash > ~/.local/share/bash-completion/completions/securechat',
  ])
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: string) => {
      const { completionScript } = await import('./completion-script.ts');
      process.stdout.write(completionScript(treeOf(program), shell));
    });
  return program;
}

const rootExamples = [
  'securechat server',
  "securechat --server 'ws://127.0.0.1:4200#sha256:…' --invite CODE",
  'securechat --user alice',
  'securechat send @bob --user alice "see you at eight"',
];

function addServer(program: Command, finish: Finish, server: typeof ServerModule | undefined): void {
  const command = subcommand(program, 'server', 'run a server', [
    'securechat server',
    'securechat server --listen 0.0.0.0:4200 --tls-cert cert.pem --tls-key key.pem',
    'securechat server --limit messagesPerSecond=20',
  ]);
  for (const row of server?.serverFlags ?? []) command.addOption(optionOf(row));
  command.addHelpText(
    'after',
    '\nOn a terminal only warnings and errors are logged, unless --log-level says otherwise.',
  );
  command
    .option('--config <FILE>', 'JSON file with the same settings (SECURECHAT_CONFIG)')
    .option('--check-config', 'read the configuration, say whether it is valid, and end')
    .helpOption(false)
    .option('-h, --help [topic]', 'print this help; --help limits lists the limits')
    .action(async (flags: Flags) => {
      const { help, ...given } = flags;
      if (server === undefined || help === true) return command.outputHelp();
      if (help !== undefined) return server.printTopic(String(help));
      finish(await server.runServerCommand(given, process.env, homedir()));
    });
}

function addAdmin(program: Command, finish: Finish, server: typeof ServerModule | undefined): void {
  const admin = subcommand(program, 'admin', 'people and invites of the server on this machine', [
    'securechat admin invite --uses 5 --hours 24',
    'securechat admin users',
    'securechat admin disable mallory',
  ]);
  const data = (): Option => new Option('--data <DIR>', 'data folder of the server (SECURECHAT_DATA)');
  subcommand(admin, 'users', 'list accounts', []).addOption(data()).option('--json', 'as JSON');
  subcommand(admin, 'disable <name>', 'end the sessions of an account and refuse its logins', []).addOption(data());
  subcommand(admin, 'enable <name>', 'take it back', []).addOption(data());
  subcommand(admin, 'invite', 'make an invite', [])
    .addOption(data())
    .option('--uses <N>', 'for so many registrations', '1')
    .option('--hours <H>', 'valid for so long', '24')
    .option('--json', 'as JSON');
  for (const command of admin.commands) {
    command.action(async () => {
      if (server === undefined) return;
      finish(await server.runAdminCommand(command.name(), command.args, command.opts<Flags>(), process.env, homedir()));
    });
  }
}

function addCopies(program: Command, finish: Finish): void {
  const data = (): Option => new Option('--data <DIR>', 'data folder of the server (SECURECHAT_DATA)');
  const profile = (): Option => new Option('--profile <NAME>', 'a local profile instead of a server').conflicts('data');
  const passphrase = (): Option =>
    new Option('--passphrase-file <FILE>', 'of a server: one file, sealed under the first line of FILE').conflicts(
      'profile',
    );
  subcommand(
    program,
    'backup <folder>',
    'copy the server of this machine, running or not, or a profile, into a new folder',
    [
      'securechat backup /mnt/backups/monday',
      'securechat backup --verify /mnt/backups/monday',
      'securechat backup --passphrase-file ~/.backup-phrase /mnt/backups/monday.sealed',
      'securechat backup --profile default /mnt/backups/me',
    ],
  )
    .addOption(data())
    .addOption(profile())
    .addOption(passphrase())
    .option('--verify', 'read an existing backup and say whether it can be put back')
    .option('--json', 'as JSON')
    .action(async (folder: string, flags: Flags) => {
      const { runBackup } = await import('./copy-command.ts');
      finish(await runBackup(folder, flags, process.env, homedir()));
    });
  subcommand(program, 'restore <folder>', 'put a backup back, into a folder that is new or empty', [
    'securechat restore /mnt/backups/monday --data /srv/securechat',
    'securechat restore /mnt/backups/me --profile default',
  ])
    .addOption(data())
    .addOption(profile())
    .addOption(passphrase())
    .option('--json', 'as JSON')
    .action(async (folder: string, flags: Flags) => {
      const { runRestore } = await import('./copy-command.ts');
      finish(await runRestore(folder, flags, process.env, homedir()));
    });
}

function addMigrate(program: Command, finish: Finish): void {
  subcommand(program, 'migrate', 'bring the data of a server to this version, as its next start would', [
    'securechat migrate --data /srv/securechat',
  ])
    .addOption(new Option('--data <DIR>', 'data folder of the server (SECURECHAT_DATA)'))
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const { runMigrate } = await import('./server-command.ts');
      finish(await runMigrate(flags, process.env, homedir()));
    });
}

function addDoctor(program: Command, finish: Finish): void {
  const command = subcommand(program, 'doctor', 'say how a profile or a server of this machine is, and what to do', [
    'securechat doctor',
    'securechat doctor --user alice --password-file ~/.pw',
    'securechat doctor --data /srv/securechat --tls-cert cert.pem',
  ]);
  addClientOptions(command, [
    'invite',
    'downloads',
    'rsaBits',
    'tlsCa',
    'onlineOnly',
    'requireVerified',
    'color',
    'bell',
  ])
    .option('--data <DIR>', 'look at the server in this data folder')
    .option('--tls-cert <FILE>', 'and at its certificate (SECURECHAT_TLS_CERT)')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const { runProfileDoctor, runServerDoctor } = await import('./doctor-command.ts');
      if (flags['data'] === undefined) finish(await runProfileDoctor(settingsOf(command), flags));
      else finish(await runServerDoctor(flags, process.env, homedir()));
    });
}

/** A sub-command as all of ours are: examples first, its version, errors by exception. */
function subcommand(parent: Command, name: string, description: string, lines: readonly string[]): Command {
  const command = parent.command(name).description(description).exitOverride();
  if (lines.length > 0) command.addHelpText('before', examples(lines));
  addVersion(command);
  return command;
}

function addVersion(command: Command): void {
  command.version(`securechat ${programVersion()}`, '--version', 'print the version');
}

function examples(lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

/** A row of the client's table or of the server's. */
type FlagRow = Pick<SettingRow, 'flag' | 'value' | 'env' | 'help'> & {
  readonly default?: string | undefined;
  readonly repeatable?: boolean;
};

/** `unused`: taken, so that one set of flags serves every call, and not listed. */
function addClientOptions(command: Command, unused: readonly (typeof settingRows)[number]['name'][] = []): Command {
  for (const row of settingRows) command.addOption(optionOf(row).hideHelp(unused.includes(row.name)));
  return command.addOption(new Option('--password [word]').hideHelp());
}

function optionOf(row: FlagRow): Option {
  const env = row.env === undefined ? '' : `; ${row.env}`;
  const fallback = row.default === undefined || row.value === undefined ? '' : `; default ${row.default}`;
  const repeatable = row.repeatable === true ? '; repeatable' : '';
  const notes = `${fallback}${env}${repeatable}`.slice(2);
  const value = row.value === undefined ? '' : ` <${row.value}>`;
  const option = new Option(`--${row.flag}${value}`, notes === '' ? row.help : `${row.help} (${notes})`);
  if (row.repeatable === true)
    option.argParser((one: string, before: string[] | undefined) => [...(before ?? []), one]);
  return option;
}

function timeoutOption(help: string): Option {
  return new Option('--timeout <SECONDS>', help).argParser((text: string) => {
    const seconds = Number(text);
    if (Number.isFinite(seconds) && seconds > 0 && seconds <= 86_400) return seconds * 1000;
    throw new InvalidArgumentError('It must be a number of seconds.');
  });
}

function oneShotFlags(command: Command): { readonly json: boolean; readonly timeoutMs: number | undefined } {
  const { json, timeout } = command.opts<{ json?: boolean; timeout?: number }>();
  return { json: json === true, timeoutMs: timeout };
}

/** Flags before the sub-command count as well; those behind it win. */
function settingsOf(command: Command): Settings {
  const flags: Flags = { ...command.parent?.opts<Flags>(), ...command.opts<Flags>() };
  if (flags['password'] !== undefined) {
    throw new SecureChatError('USAGE', {
      text: 'A password on the command line is readable by everybody on this machine: use --password-file or --password-stdin.',
    });
  }
  return readSettings({ flags, env: process.env, home: homedir() });
}

function refuseUnknown(program: Command, unknown: readonly string[]): void {
  const [name] = unknown;
  if (name === undefined) return;
  const names = program.commands.map((command) => command.name());
  const meant = nearest(name, names);
  const hint = meant === undefined ? 'See securechat --help.' : `Did you mean ${meant}?`;
  program.error(`error: unknown command '${name}'. ${hint}`);
}

function treeOf(command: Command): CommandNames {
  return {
    name: command.name(),
    summary: command.description(),
    options: command.options
      .filter((option) => !option.hidden && option.long !== undefined)
      .map((option) => ({ flag: option.long ?? '', takesValue: option.required, summary: option.description })),
    commands: command.commands.map(treeOf),
  };
}
