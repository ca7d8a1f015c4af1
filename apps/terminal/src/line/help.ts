import { nearest } from '../suggestion.ts';
import type { Command, Topic } from './commands.ts';
import type { Session } from './session.ts';

type Row = readonly [string, string];
type Commands = { readonly [name: string]: Command };

const writing: readonly Row[] = [
  ['@user message', 'send a message; later lines without @ go to the same person'],
  ['y or n', 'answer to a file that is offered'],
];

/** What is no command, by topic. */
const more: { readonly [topic in Topic]: readonly Row[] } = {
  messages: [
    ['@user message', 'send; later lines without @ go to the same person'],
    ['@user', 'choose who later lines go to'],
    ['!!text, //text', 'send !text or /text as it stands; so does a space in front'],
    ['…  ✓  ✓✓  ✗', 'waits here, accepted by the server, arrived, not delivered'],
  ],
  files: [['y or n', 'answer to the offer that was shown first']],
  people: [],
  account: [],
  keys: [
    ['Alt+Enter', 'a new line in the message (also Ctrl+J)'],
    ['Tab', 'complete commands, names and paths; twice: list them'],
    ['Up, Down, Ctrl+R', 'lines written before, and search in them'],
    ['Ctrl+A, E, K, U, W, Y', 'begin, end, cut behind, cut before, cut word, paste'],
    ['Ctrl+L', 'clear the screen'],
    ['Ctrl+C', 'drop the line; twice on an empty one: leave'],
    ['Ctrl+D', 'leave, on an empty line'],
  ],
};

/** `!help`, `!help all`, `!help TOPIC`, `!help COMMAND`. */
export function help(session: Session, commands: Commands, rest: string): void {
  const asked = rest.replace(/^[!/]/, '').toLowerCase();
  if (asked === '' || asked === 'all') {
    const listed = Object.values(commands).filter((command) => command.essential || asked === 'all');
    showRows(session, [...writing, ...rowsOf(listed)]);
    session.notice('/command is the same as !command. !! or a space in front sends a line as it stands.');
    const topics = Object.keys(more).map((topic) => `!help ${topic}`);
    session.notice(`${asked === '' ? '!help all lists every command. ' : ''}More: ${topics.join(', ')}.`);
    return;
  }
  const command = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
  if (command !== undefined) return session.notice(`${command.usage}: ${command.summary}`);
  if (isTopic(asked)) {
    const listed = Object.values(commands).filter(({ topic }) => topic === asked);
    return showRows(session, [...more[asked], ...rowsOf(listed)]);
  }
  const meant = nearest(asked, [...Object.keys(commands), ...Object.keys(more)]);
  session.notice(`There is no help about ${asked}.${meant === undefined ? '' : ` Did you mean !help ${meant}?`}`);
}

function rowsOf(commands: readonly Command[]): readonly Row[] {
  return commands.map(({ usage, summary }) => [usage, summary]);
}

/** Two columns; on a terminal the second one is broken under itself. */
function showRows(session: Session, rows: readonly Row[]): void {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  for (const [left, right] of rows) session.notice(`${left.padEnd(width)}${right}`, { hang: width });
}

function isTopic(text: string): text is Topic {
  return Object.hasOwn(more, text);
}
