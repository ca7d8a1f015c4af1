import { nearest } from '../suggestion.ts';
import type { Command } from './commands.ts';
import type { Session } from './session.ts';

const writing: readonly (readonly [string, string])[] = [
  ['@user message', 'send a message; later lines without @ go to the same person'],
  ['y or n', 'answer to a file that is offered'],
];

export function help(session: Session, commands: { readonly [name: string]: Command }, rest: string): void {
  const topic = rest.replace(/^[!/]/, '').toLowerCase();
  if (topic === '' || topic === 'all') {
    const listed = Object.values(commands).filter((command) => command.essential || topic === 'all');
    const rows = [...writing, ...listed.map(({ usage, summary }) => [usage, summary] as const)];
    const width = Math.max(...rows.map(([usage]) => usage.length));
    session.notice(rows.map(([usage, summary]) => `${usage.padEnd(width)}  ${summary}`).join('\n'));
    session.notice('/command is the same as !command. !! or a space in front sends a line as it stands.');
    if (topic === '') session.notice('!help all lists the rest.');
    return;
  }
  const command = Object.hasOwn(commands, topic) ? commands[topic] : undefined;
  if (command !== undefined) return session.notice(`${command.usage}: ${command.summary}`);
  const meant = nearest(topic, Object.keys(commands));
  session.notice(`There is no command !${topic}.${meant === undefined ? '' : ` Did you mean !${meant}?`}`);
}
