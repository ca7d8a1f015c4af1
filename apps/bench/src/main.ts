/**
 * `npm run bench`: first figures of the server, beside a bare `ws` relay in the same run; `npm run bench -- mls`: our MLS
 * beside ts-mls; `npm run bench -- idle`: memory of connections that say nothing; `--beside FOLDER`: the server of another
 * checkout in turn with this one, under the load of this one. A table for people, JSON with `--json FILE`. Never a gate:
 * compare CPU per message and ratios within one run, not absolute figures of two runs.
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { registerAccounts } from './account.ts';
import type { Account, Target } from './account.ts';
import { runAttaches } from './attach-load.ts';
import type { AttachResult } from './attach-load.ts';
import { openChatLanes } from './chat-lanes.ts';
import { startChatServer, withFolder } from './chat-server.ts';
import { idleRows } from './idle.ts';
import { runLoad, runPaced } from './load.ts';
import type { LoadResult } from './load.ts';
import { openRelayLanes } from './relay-lanes.ts';
import { machine, medianRow, tableOf } from './report.ts';
import type { Row } from './report.ts';
import { startUpRows } from './start-up.ts';
import { pinLoad, startSubject } from './subject.ts';
import type { Subject } from './subject.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    pairs: { type: 'string', default: '32' },
    'rsa-bits': { type: 'string', default: '2048' },
    beside: { type: 'string' },
    json: { type: 'string' },
  },
});
const measureMs = Number(options.seconds) * 1000;
const rounds = Number(options.rounds);
const pairs = Number(options.pairs);
const rsaBits = Number(options['rsa-bits']);

const BODY_BYTES = 300;
const WARM_MS = 1000;
/** One message at a time on each connection, and as many as a device may keep under way. */
const WINDOWS = [1, 64];
/** Messages a second at which latency is measured. */
const PACE = 1000;
/** Connections that attach at the same time. */
const ATTACH_LANES = 16;

pinLoad();
const tables = await tablesOf(positionals[0]);
process.stdout.write(`${Object.values(tables).map(tableOf).join('\n\n')}\n`);
if (options.json !== undefined) {
  const settings = { ...options, bodyBytes: BODY_BYTES };
  const report = { at: new Date().toISOString(), machine: machine(), settings, ...tables };
  writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}

async function tablesOf(what: string | undefined): Promise<Readonly<Record<string, readonly Row[]>>> {
  if (what === 'mls') return mlsTables();
  return what === 'idle' ? { idle: await idleRows(rsaBits, say) } : serverTables();
}

async function mlsTables() {
  // The oracle is a development dependency: only who asks for it needs it.
  const { mlsRows } = await import('./mls/side-by-side.ts');
  return { mls: await mlsRows(rounds, say) };
}

async function serverTables() {
  const [messages, attaches] = await serverRows();
  return { messages, attaches, startUps: await startUpRows(rounds, rsaBits) };
}

/** A server under load. */
interface Party {
  /** Behind the names of its rows. */
  readonly suffix: string;
  readonly server: Subject;
  readonly accounts: readonly Account[];
}

function serverRows(): Promise<readonly [readonly Row[], readonly Row[]]> {
  return withFolder(async (folder) => {
    const relay = await startSubject([join(import.meta.dirname, 'relay.ts')]);
    const started: Subject[] = [relay];
    const party = async (suffix: string, data: string, checkout?: string): Promise<Party> => {
      const server = await startChatServer(join(folder, data), rsaBits, checkout);
      started.push(server);
      say(`registering ${4 * pairs} accounts`);
      return { suffix, server, accounts: await registerAccounts(targetOf(server, 'ws'), 4 * pairs) };
    };
    try {
      const parties = [await party('', 'own')];
      if (options.beside !== undefined) parties.push(await party(' (beside)', 'other', resolve(options.beside)));
      return [await messageRows(relay, parties), await attachRows(parties)] as const;
    } finally {
      await Promise.all(started.map((subject) => subject.stop()));
    }
  });
}

/** Every round does each thing once with each kind of server, so that a disturbance of the machine meets all of them. */
async function messageRows(relay: Subject, parties: readonly Party[]): Promise<Row[]> {
  const kinds = [
    {
      name: 'bare ws relay',
      subject: relay,
      opened: await openRelayLanes(relay.ready['http'] ?? '', pairs, BODY_BYTES),
    },
  ];
  for (const transport of ['ws', 'tcp'] as const)
    for (const { suffix, server, accounts } of parties) {
      const members = transport === 'ws' ? accounts.slice(0, 2 * pairs) : accounts.slice(2 * pairs);
      const opened = await openChatLanes(targetOf(server, transport), pairsOf(members), BODY_BYTES);
      kinds.push({ name: `durable 1:1, ${transport}${suffix}`, subject: server, opened });
    }
  const runs = new Map<string, LoadResult[]>();
  for (let round = 0; round < rounds; round++)
    for (const window of [...WINDOWS, undefined])
      for (const { name, subject, opened } of kinds) {
        const row = window === undefined ? `${name}, at ${PACE}/s` : `${name}, window ${window}`;
        say(`round ${round + 1}: ${row}`);
        const run = { lanes: opened.lanes, warmMs: WARM_MS, measureMs, cpuMs: () => subject.cpuMs() };
        const result = await (window === undefined
          ? runPaced({ ...run, perSecond: PACE })
          : runLoad({ ...run, window }));
        runs.set(row, [...(runs.get(row) ?? []), result]);
      }
  for (const { opened } of kinds) opened.close();
  return [...runs].map(([name, results]) =>
    medianRow(
      name,
      results.map((result) => ({ ...result })),
    ),
  );
}

async function attachRows(parties: readonly Party[]): Promise<Row[]> {
  const runs = new Map<string, AttachResult[]>();
  for (let round = 0; round < rounds; round++)
    for (const kind of ['full', 'resumed'] as const)
      for (const { suffix, server, accounts } of parties) {
        const name = `attach, ${kind}, RSA ${rsaBits}${suffix}`;
        say(`round ${round + 1}: ${name}`);
        const lanes = { target: targetOf(server, 'ws'), accounts: accounts.slice(0, ATTACH_LANES), kind };
        const result = await runAttaches({ ...lanes, warmMs: WARM_MS, measureMs, cpuMs: () => server.cpuMs() });
        runs.set(name, [...(runs.get(name) ?? []), result]);
      }
  return [...runs].map(([name, results]) =>
    medianRow(
      name,
      results.map((result) => ({ ...result })),
    ),
  );
}

function targetOf(server: Subject, transport: 'ws' | 'tcp'): Target {
  const { http = '', tcp = '', fingerprint = '', invite = '' } = server.ready;
  const address = transport === 'ws' ? http.replace(/^http/, 'ws') : tcp;
  return { address: `${address}#${fingerprint}`, invite };
}

function pairsOf(accounts: readonly Account[]): (readonly [Account, Account])[] {
  return accounts.flatMap((account, at) => {
    const next = accounts[at + 1];
    return at % 2 === 0 && next !== undefined ? [[account, next] as const] : [];
  });
}

/** What goes on, beside the table: on standard error. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
