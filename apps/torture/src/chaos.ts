/** A network that delays, stalls, slices, resets, half-closes and flips bits; in user space, between clients and server. */
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Fault } from './fault.ts';
import { between, oneOf } from './fault.ts';

const kinds = ['latency', 'stall', 'slice', 'reset', 'half-close', 'flip', 'silence'] as const;
type Kind = (typeof kinds)[number];

export const chaos: Fault = {
  name: 'bad network',
  unable: () => undefined,
  prepare(random) {
    const proxy = new Proxy(random);
    return {
      settings: { through: (target) => proxy.open(target) },
      async round(world) {
        const before = proxy.faults;
        proxy.bad = true;
        await world.progress(40, 8000);
        // What hangs in silence is noticed after a minute; here it is cut, so that more happens.
        proxy.cutSilent();
        proxy.bad = false;
        await world.progress(5, 40_000);
        return proxy.faults - before;
      },
      remove: () => proxy.close(),
    };
  },
};

class Proxy {
  bad = false;
  faults = 0;
  readonly #random: () => number;
  readonly #sockets = new Set<Socket>();
  readonly #silent = new Set<Socket>();
  #server: Server | undefined;

  constructor(random: () => number) {
    this.#random = random;
  }

  async open(target: string): Promise<string> {
    const [host, port] = target.split(':');
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ host: host ?? '', port: Number(port), allowHalfOpen: true });
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.setNoDelay(true);
        socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
      }
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
      this.#pipe(near, far);
      this.#pipe(far, near);
    });
    this.#server = server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** A fault each time so many bytes have passed as nobody chose; in good times none. */
  #pipe(from: Socket, to: Socket): void {
    let left = between(this.#random, 200, 60_000);
    void (async () => {
      for await (const piece of from as AsyncIterable<Buffer>) {
        left -= piece.length;
        const now: Kind | undefined = this.bad && left < 0 ? oneOf(this.#random, kinds) : undefined;
        if (now === undefined) {
          to.write(piece);
          continue;
        }
        this.faults += 1;
        left = between(this.#random, 200, 60_000);
        if (now === 'reset') return void (from.resetAndDestroy(), to.resetAndDestroy());
        if (now === 'half-close') return void to.end(piece.subarray(0, piece.length >> 1));
        if (now === 'silence') return void this.#silent.add(from);
        if (now === 'flip') to.write(flipped(piece, this.#random));
        else if (now === 'slice')
          for (const byte of piece) {
            to.write(Buffer.of(byte));
            await tick();
          }
        else {
          await new Promise((resolve) => setTimeout(resolve, between(this.#random, 50, now === 'stall' ? 4000 : 400)));
          to.write(piece);
        }
      }
      to.end();
    })().catch(() => to.destroy());
  }

  cutSilent(): void {
    for (const socket of this.#silent) socket.destroy();
    this.#silent.clear();
  }

  close(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function flipped(piece: Buffer, random: () => number): Buffer {
  const copy = Buffer.from(piece);
  const at = between(random, 0, copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 << between(random, 0, 8));
  return copy;
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
