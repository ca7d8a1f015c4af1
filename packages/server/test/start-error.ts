/** For `assert.throws`: a server that says in one sentence why it does not start. */
import assert from 'node:assert/strict';
import { StartError } from '@securechat/server';

export function startError(exitCode: number, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StartError, String(error));
    assert.match(error.message, text);
    assert.match(error.message, /[.']$/);
    assert.equal(error.exitCode, exitCode);
    return true;
  };
}
