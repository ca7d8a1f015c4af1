export { adminDisable, adminEnable, adminInvite, adminUsers, inviteLink } from './admin.ts';
export type { AdminInvite, AdminUser } from './admin.ts';
export { configRows, limitRows, loadConfig, logLevels } from './config.ts';
export type {
  ConfigRow,
  ConfigSources,
  GivenFlags,
  ListenAddress,
  LogLevel,
  Registration,
  ServerConfig,
} from './config.ts';
export type { Log, LogSink } from './log.ts';
export { runServer } from './run-server.ts';
export type { Ready, RunningServer, ServerSurroundings } from './run-server.ts';
export type { Clock } from './shell/parts.ts';
export { StartError } from './start-error.ts';
