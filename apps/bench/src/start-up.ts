/** From the start of the process to the `ready` line, as a person waits for it. */
import { startChatServer, withFolder } from './chat-server.ts';
import { medianRow } from './report.ts';
import type { Row } from './report.ts';

/** The first start makes the RSA keys of the server; later ones find keys, database and compiled code. */
export async function startUpRows(rounds: number, rsaBits: number): Promise<Row[]> {
  const first: { readyMs: number; residentMiB: number }[] = [];
  const later: { readyMs: number; residentMiB: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    await withFolder(async (folder) => {
      for (const kept of [first, later, later]) {
        const server = await startChatServer(folder, rsaBits);
        kept.push({ readyMs: server.readyMs, residentMiB: server.residentBytes() / 2 ** 20 });
        await server.stop();
      }
    });
  }
  return [medianRow(`first start, RSA ${rsaBits}`, first), medianRow('later start', later)];
}
