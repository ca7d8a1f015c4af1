import assert from 'node:assert/strict';
import { openSqliteStore } from '../../src/stores/sqlite/index.ts';
import { holdsContract } from './contract.ts';

holdsContract('sqlite', (options) =>
  openSqliteStore({ ...options, ballastBytes: 64 * 1024, onFatal: (error) => assert.fail(error) }),
);
