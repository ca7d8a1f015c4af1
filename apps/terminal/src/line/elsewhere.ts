/** What other programs call it, by the word: fingers remember. Never carried out, only named. */
export const elsewhere: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '!exit': 'quit q bye close',
    '@user message': 'msg m w tell query dm say',
    '!who': 'whois ping',
    '!users': 'names list contacts friends roster',
    '!file': 'dcc upload attach sendfile',
    '!block': 'ignore ban',
    '!unblock': 'unignore unban',
    '!status': 'whoami me info',
    '!verify': 'fingerprint safety trust otr',
    '!history': 'log scrollback lastlog search',
    '!register': 'signup',
    '!login': 'connect signin nick',
    '!logout': 'disconnect signout',
    'Ctrl+L': 'clear cls',
  }).flatMap(([here, there]) => there.split(' ').map((word) => [word, here] as const)),
);
