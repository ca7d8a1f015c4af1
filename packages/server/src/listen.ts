/** Binding a listener; what goes wrong is one sentence. */
import type { AddressInfo, Server } from 'node:net';
import type { ListenAddress } from './config-rows.ts';
import { StartError } from './start-error.ts';

/** The address bound, `host:port` with IPv6 in brackets. StartError with exit code 4. */
export async function listen(server: Server, { host, port }: ListenAddress): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException): void =>
      reject(new StartError(4, sentence(cause, `${bracketed(host)}:${port}`), { cause }));
    server.once('error', refuse);
    server.listen({ host, port }, () => {
      server.off('error', refuse);
      resolve();
    });
  });
  return `${bracketed(host)}:${(server.address() as AddressInfo).port}`;
}

function sentence({ code }: NodeJS.ErrnoException, address: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `The address ${address} is in use by another program; choose another port, or stop that one.`;
    case 'EACCES':
      return `The address ${address} may not be used by this account; ports below 1024 need a permission.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `The address ${address} is none of this machine.`;
    default:
      return `The address ${address} cannot be listened on (${code ?? 'unknown reason'}).`;
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
