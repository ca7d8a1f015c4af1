/**
 * Ports for servers that come back on the same ones. Systems give whoever asks for any port one of 32768 and up: below
 * that nobody takes a port by chance while its server is away.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';

const [FIRST, COUNT] = [10_000, 22_000];
/** Processes that run side by side begin far from each other. */
let next = process.pid * 211;

export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + (next++ % COUNT);
    const server = createServer();
    server.listen(port, '127.0.0.1');
    const listens = await once(server, 'listening').catch(() => undefined);
    if (listens === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
