/** `npm run bench -- idle`: what an attached connection costs in memory that says nothing. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as passed } from 'node:timers/promises';
import { attach, open, registerAccounts } from './account.ts';
import type { Account, Link, Target } from './account.ts';
import { startChatServer, withFolder } from './chat-server.ts';
import type { Row } from './report.ts';

const CONNECTIONS = 1000;
/** Attached before the first look: what the server allocates once is no cost of a connection. */
const BEFORE = 100;
const AT_ONCE = 8;
/** V8 collects what the handshakes left when a process is idle for a while. */
const SETTLE_MS = 25_000;

/** A server of its own for each transport, over the accounts of one. TLS where there is `openssl`. */
export function idleRows(rsaBits: number, say: (text: string) => void): Promise<Row[]> {
  return withFolder(async (folder) => {
    const first = await startChatServer(folder, rsaBits);
    say(`registering ${BEFORE + CONNECTIONS} accounts`);
    const accounts = await registerAccounts(targetOf(first.ready, 'ws'), BEFORE + CONNECTIONS);
    await first.stop();
    const rows: Row[] = [];
    for (const tls of [false, true])
      for (const transport of ['ws', 'tcp'] as const) {
        const certificate = tls ? selfSigned(folder) : undefined;
        if (tls && certificate === undefined) continue;
        say(`idle, ${transport}${tls ? ' over TLS' : ''}`);
        const server = await startChatServer(folder, rsaBits, undefined, certificate?.flags);
        const target = { ...targetOf(server.ready, transport), ...(certificate && { tlsCa: certificate.ca }) };
        const links = await attachAll(target, accounts.slice(0, BEFORE));
        await passed(SETTLE_MS);
        const before = server.residentBytes();
        links.push(...(await attachAll(target, accounts.slice(BEFORE))));
        await passed(SETTLE_MS);
        const idleKB = (server.residentBytes() - before) / CONNECTIONS / 1000;
        rows.push({ name: `idle, ${transport}${tls ? ', TLS' : ''}`, figures: { connections: CONNECTIONS, idleKB } });
        for (const link of links) link.close();
        await server.stop();
      }
    return rows;
  });
}

async function attachAll(target: Target, accounts: readonly Account[]): Promise<Link[]> {
  const waiting = [...accounts];
  const links: Link[] = [];
  const lane = async (): Promise<void> => {
    for (let account = waiting.pop(); account !== undefined; account = waiting.pop()) {
      const { link } = await open(target);
      await attach(link, account, { storedUpTo: 0, submitNumberHighest: 0 });
      links.push(link);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return links;
}

function targetOf(ready: Readonly<Record<string, string>>, transport: 'ws' | 'tcp'): Target {
  const { http = '', tcp = '', fingerprint = '', invite = '' } = ready;
  return { address: `${transport === 'ws' ? http.replace(/^http/, 'ws') : tcp}#${fingerprint}`, invite };
}

function selfSigned(folder: string): { readonly ca: string; readonly flags: readonly string[] } | undefined {
  const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  const what = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  try {
    execFileSync('openssl', [...what, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return { ca: readFileSync(cert, 'utf8'), flags: ['--tls-cert', cert, '--tls-key', key] };
}
