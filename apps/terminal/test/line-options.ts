/** Of a line mode in a test: nothing of the machine, and a clock that stands still. */
import type { LineOptions } from '../src/line/session.ts';

export const lineOptions: LineOptions = {
  drainMs: 200,
  server: 'ws://127.0.0.1:4200',
  version: '0.1.0',
  home: '/people/alice',
  now: () => new Date('2026-11-22T12:00:00Z'),
  fileExists: () => true,
  editor: () => Promise.resolve(''),
  onLoggedIn: () => undefined,
  qr: () => '',
};
