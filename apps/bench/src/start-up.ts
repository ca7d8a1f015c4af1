/** From the start of the process to the `ready` line, as a person waits for it. */
import { startChatServer, withFolder } from './chat-server.ts';
import { medianRow } from './report.ts';
import type { Row } from './report.ts';

interface Figures {
  readonly readyMs: number;
  /** Of all threads, until the ready line. */
  readonly cpuMs: number;
  readonly residentMiB: number;
}

/** The first start makes the RSA keys of the server; later ones find keys, database and compiled code. */
export async function startUpRows(rounds: number, rsaBits: number): Promise<Row[]> {
  const first: Figures[] = [];
  const later: Figures[] = [];
  for (let round = 0; round < rounds; round++) {
    await withFolder(async (folder) => {
      for (const kept of [first, later, later]) {
        const server = await startChatServer(folder, rsaBits);
        kept.push({ readyMs: server.readyMs, cpuMs: server.cpuMs(), residentMiB: server.residentBytes() / 2 ** 20 });
        await server.stop();
      }
    });
  }
  return [
    medianRow(
      `first start, RSA ${rsaBits}`,
      first.map((run) => ({ ...run })),
    ),
    medianRow(
      'later start',
      later.map((run) => ({ ...run })),
    ),
  ];
}
