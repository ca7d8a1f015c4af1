/**
 * `npm run bench`: first figures of the server, beside a bare `ws` relay in the same run; `npm run bench -- mls`: our MLS
 * beside ts-mls. A table for people, JSON with `--json FILE`. Never a gate: compare CPU per message and ratios within one
 * run, not absolute figures of two runs.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { registerAccounts } from './account.ts';
import type { Account, Target } from './account.ts';
import { runAttaches } from './attach-load.ts';
import { openChatLanes } from './chat-lanes.ts';
import { startChatServer, withFolder } from './chat-server.ts';
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
const tables = await (positionals[0] === 'mls' ? mlsTables() : serverTables());
process.stdout.write(`${Object.values(tables).map(tableOf).join('\n\n')}\n`);
if (options.json !== undefined) {
  const settings = { ...options, bodyBytes: BODY_BYTES };
  const report = { at: new Date().toISOString(), machine: machine(), settings, ...tables };
  writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
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

function serverRows(): Promise<readonly [readonly Row[], readonly Row[]]> {
  return withFolder(async (folder) => {
    const server = await startChatServer(folder, rsaBits);
    const relay = await startSubject([join(import.meta.dirname, 'relay.ts')]);
    try {
      say(`registering ${4 * pairs} accounts`);
      const accounts = await registerAccounts(targetOf(server, 'ws'), 4 * pairs);
      return [await messageRows(server, relay, accounts), await attachRows(server, accounts)] as const;
    } finally {
      await Promise.all([server.stop(), relay.stop()]);
    }
  });
}

/** Every round visits each kind of server once, so that a disturbance of the machine meets all of them. */
async function messageRows(server: Subject, relay: Subject, accounts: readonly Account[]): Promise<Row[]> {
  const chat = (transport: 'ws' | 'tcp', members: readonly Account[]) =>
    openChatLanes(targetOf(server, transport), pairsOf(members), BODY_BYTES);
  const kinds = [
    {
      name: 'bare ws relay',
      subject: relay,
      opened: await openRelayLanes(relay.ready['http'] ?? '', pairs, BODY_BYTES),
    },
    { name: 'durable 1:1, ws', subject: server, opened: await chat('ws', accounts.slice(0, 2 * pairs)) },
    { name: 'durable 1:1, tcp', subject: server, opened: await chat('tcp', accounts.slice(2 * pairs)) },
  ];
  const runs = new Map<string, LoadResult[]>();
  for (let round = 0; round < rounds; round++) {
    for (const { name, subject, opened } of kinds) {
      for (const window of WINDOWS) {
        say(`round ${round + 1}: ${name}, window ${window}`);
        const cpuMs = (): number => subject.cpuMs();
        const result = await runLoad({ lanes: opened.lanes, window, warmMs: WARM_MS, measureMs, cpuMs });
        const row = `${name}, window ${window}`;
        runs.set(row, [...(runs.get(row) ?? []), result]);
      }
      const row = `${name}, at ${PACE}/s`;
      say(`round ${round + 1}: ${row}`);
      const paced = { lanes: opened.lanes, perSecond: PACE, warmMs: WARM_MS, measureMs };
      const result = await runPaced({ ...paced, cpuMs: () => subject.cpuMs() });
      runs.set(row, [...(runs.get(row) ?? []), result]);
    }
  }
  for (const { opened } of kinds) opened.close();
  return [...runs].map(([name, results]) =>
    medianRow(
      name,
      results.map((result) => ({ ...result })),
    ),
  );
}

async function attachRows(server: Subject, accounts: readonly Account[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of ['full', 'resumed'] as const) {
    say(`attach, ${kind}`);
    const target = targetOf(server, 'ws');
    const lanes = accounts.slice(0, ATTACH_LANES);
    const result = await runAttaches({ target, accounts: lanes, kind, measureMs, cpuMs: () => server.cpuMs() });
    rows.push({ name: `attach, ${kind}, RSA ${rsaBits}`, figures: { ...result } });
  }
  return rows;
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
