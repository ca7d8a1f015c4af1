/**
 * Why a server cannot start, in one sentence for the person who called it. Exit code 2: something about the call, the
 * configuration or the data folder has to change; 4: the network address cannot be had.
 */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode: 2 | 4;
  constructor(exitCode: 2 | 4, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
