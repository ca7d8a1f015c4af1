/** Completion scripts, written from the command tree, so that they cannot name what does not exist. */
export interface CommandNames {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly flag: string; readonly takesValue: boolean; readonly summary: string }[];
  readonly commands: readonly CommandNames[];
}

/** `shell`: bash, zsh or fish. */
export function completionScript(tree: CommandNames, shell: string): string {
  return shell === 'fish' ? fish(tree) : bash(tree, shell === 'zsh');
}

/** zsh runs it through its own bash emulation. */
function bash(tree: CommandNames, zsh: boolean): string {
  const cases = flatten(tree).map(({ path, command }) => {
    const words = [...command.commands.map(({ name }) => name), ...command.options.map(({ flag }) => flag), '--help'];
    return `    ${quote(path)}) words=${quote(words.join(' '))} ;;`;
  });
  const files = tree.options.concat(...flatten(tree).map(({ command }) => command.options));
  const taking = [...new Set(files.filter(({ takesValue }) => takesValue).map(({ flag }) => flag))];
  return `${zsh ? '#compdef securechat\nautoload -U +X bashcompinit && bashcompinit\n' : ''}_securechat() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' word words=''
  case " ${taking.join(' ')} " in
    *" $previous "*) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${flatten(tree)
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      ${quote(path.includes(' ') ? path : ` ${path}`)}) path=${quote(path)} ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _securechat securechat
`;
}

function fish(tree: CommandNames): string {
  const lines = flatten(tree).flatMap(({ path, command }) => {
    const names = command.commands.map(({ name }) => name).join(' ');
    const at =
      path === ''
        ? '__fish_use_subcommand'
        : path
            .split(' ')
            .map((name) => `__fish_seen_subcommand_from ${name}`)
            .join('; and ');
    const here = path !== '' && names !== '' ? `${at}; and not __fish_seen_subcommand_from ${names}` : at;
    return [
      ...command.commands.map(
        ({ name, summary }) => `complete -c securechat -f -n ${quote(here)} -a ${quote(name)} -d ${quote(summary)}`,
      ),
      ...command.options.map(({ flag, takesValue, summary }) => {
        const value = takesValue ? ' -r' : '';
        return `complete -c securechat -n ${quote(at)} -l ${flag.slice(2)}${value} -d ${quote(summary)}`;
      }),
    ];
  });
  return `${lines.join('\n')}\n`;
}

function flatten(tree: CommandNames): readonly { readonly path: string; readonly command: CommandNames }[] {
  const below = (command: CommandNames, path: string): { path: string; command: CommandNames }[] => [
    { path, command },
    ...command.commands.flatMap((child) => below(child, `${path} ${child.name}`.trim())),
  ];
  return below(tree, '');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
