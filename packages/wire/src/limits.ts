/**
 * The one table of limits. Each has a unit (in its name), a reason, and a test at it and one past it.
 * `server` limits can be overridden per server with `--limit NAME=VALUE`; `protocol` limits are part of the format.
 */
export interface LimitRow {
  readonly value: number;
  readonly scope: 'protocol' | 'server';
  readonly reason: string;
  /** The least an operator may set, where with less nobody gets in or nothing is stored; 0 where it is not said. */
  readonly min?: number;
}

export const limits = {
  // Framing (protocol)
  frameBytesBeforeAuthMax: {
    value: 8 * 1024,
    scope: 'protocol',
    reason:
      'a stranger must not make the server hold more; the largest handshake message at 4096-bit RSA is under 6 KiB',
  },
  helloBytesMax: {
    value: 24 * 1024,
    scope: 'protocol',
    reason: 'what a client reads before it knows the server: two keys and three rotation links at 4096 bits are 20 KiB',
  },
  frameBytesMax: {
    value: 96 * 1024,
    scope: 'protocol',
    reason: 'one transport frame: a 64-KiB message with its first-contact bundle',
  },
  requestBytesMax: {
    value: 256 * 1024,
    scope: 'protocol',
    reason: 'one request or event, over several frames: bounds the reassembly buffer of a connection',
  },
  textBytesMax: { value: 64 * 1024, scope: 'protocol', reason: 'a message is text; larger things are files' },
  idsPerContentMax: {
    value: 32,
    scope: 'protocol',
    reason: 'delivered or read ids in one message: they fit beside the longest text in the largest padding',
  },
  messageBytesMax: { value: 72 * 1024, scope: 'protocol', reason: 'ciphertext of the largest padded text' },
  keyPackageBytesMax: {
    value: 8 * 1024,
    scope: 'protocol',
    reason: 'an X-Wing key package is 2.7 kB, with its credential and extensions under 4',
  },
  keyPackagesPerRequestMax: { value: 10, scope: 'protocol', reason: 'fits one frame' },
  credentialBytesMax: {
    value: 512,
    scope: 'protocol',
    reason: 'certificates are fetched by hash, never carried in leaves',
  },
  commitBytesMax: {
    value: 64 * 1024,
    scope: 'protocol',
    reason: 'two leaves need 7 kB; larger groups stage their commits',
  },
  invitationBytesMax: {
    value: 64 * 1024,
    scope: 'protocol',
    reason: 'welcome, tree and certificates of a conversation of two: 20 kB',
  },
  capsuleBytesMax: { value: 64 * 1024, scope: 'protocol', reason: 'GroupInfo of a conversation of two: 12 kB' },
  vaultBytesMax: { value: 32 * 1024, scope: 'protocol', reason: 'two wrapped RSA-4096 keys and their slots' },
  certificateBytesMax: {
    value: 6 * 1024,
    scope: 'protocol',
    reason: 'an account certificate at 4096 bits is under 5 KiB',
  },
  usernameCharsMin: { value: 3, scope: 'protocol', reason: 'shorter names are guessed and squatted' },
  usernameCharsMax: { value: 32, scope: 'protocol', reason: 'fits a line' },
  passwordCharsMin: { value: 6, scope: 'protocol', reason: 'the commonest 10,000 are refused as well' },
  passwordCharsMax: { value: 1024, scope: 'protocol', reason: 'bounds the work of normalising' },
  backupPassphraseCharsMin: {
    value: 12,
    scope: 'protocol',
    reason: 'whoever finds a sealed backup can guess at it for ever: 0.4 s and 64 MiB for each guess',
  },
  devicesPerAccountMax: { value: 10, scope: 'protocol', reason: 'bounds every list that names devices' },
  fileNameBytesMax: { value: 200, scope: 'protocol', reason: 'every file system takes it, with a suffix' },
  fileChunkBytesMin: { value: 4096, scope: 'protocol', reason: 'nobody is made to fetch a file in millions of pieces' },
  fileChunkBytesMax: { value: 1024 * 1024, scope: 'protocol', reason: 'memory of one chunk on either side' },
  blobPartBytesMax: {
    value: 64 * 1024,
    scope: 'protocol',
    reason: 'one part of a file inside a session fits one frame, and a message waits at most one part',
  },
  recordsPerKeyMax: {
    value: 2 ** 20,
    scope: 'protocol',
    reason: 'far below the limits of ChaCha20-Poly1305; renews keys',
  },
  recordKeyAgeMsMax: {
    value: 60 * 60 * 1000,
    scope: 'protocol',
    reason: 'a key read from memory opens an hour at most',
  },
  submitsInFlightMax: { value: 64, scope: 'protocol', reason: 'credit of a device: unacknowledged submits' },
  submitBytesInFlightMax: { value: 1024 * 1024, scope: 'protocol', reason: 'credit of a device in bytes' },
  deliverRowsInFlightMax: { value: 256, scope: 'protocol', reason: 'window of the receiver' },
  deliverBytesInFlightMax: { value: 1024 * 1024, scope: 'protocol', reason: 'window of the receiver in bytes' },
  outOfOrderBackMax: { value: 256, scope: 'protocol', reason: 'message keys kept for late messages' },
  outOfOrderForwardMax: { value: 2000, scope: 'protocol', reason: 'bounds the hashing that one message can ask for' },
  pastEpochsMax: {
    value: 4,
    scope: 'protocol',
    reason: 'epochs whose message keys are kept for rows that were stored before a commit',
  },
  keyPackageMsMax: {
    value: 97 * 24 * 60 * 60 * 1000,
    scope: 'protocol',
    reason: 'lifetime of a key package: 90 days, backdated by 7 for wrong clocks',
  },
  parkedRowsMax: { value: 1000, scope: 'protocol', reason: 'rows a client keeps that it cannot process yet' },
  parkedBytesMax: { value: 16 * 1024 * 1024, scope: 'protocol', reason: 'the same in bytes' },
  parkedMsMax: { value: 7 * 24 * 60 * 60 * 1000, scope: 'protocol', reason: 'after it the row becomes a visible gap' },

  powBitsMax: {
    value: 24,
    scope: 'protocol',
    reason: 'half a minute of one core: a client does no more work than that, whatever a server asks',
  },

  // Connections (server)
  refusalDelayMs: {
    value: 30,
    scope: 'server',
    reason: 'a refused handshake closes at a multiple of this after the frame came: one timing class for all causes',
  },
  connectionsMax: { value: 4000, scope: 'server', min: 1, reason: 'memory of a small machine' },
  connectionsPerAddressMax: {
    value: 40,
    scope: 'server',
    min: 1,
    reason: 'one address must not take them all; IPv6 counts by /64',
  },
  unauthenticatedMax: { value: 200, scope: 'server', min: 1, reason: 'strangers must not take them all' },
  unauthenticatedPerAddressMax: { value: 10, scope: 'server', min: 1, reason: 'the same, for one address' },
  connectsPerAddressPerSecond: { value: 10, scope: 'server', reason: 'a handshake costs 4 ms of a core' },
  connectsPerAddressBurst: { value: 30, scope: 'server', min: 1, reason: 'a household reconnecting at once' },
  handshakesQueuedMax: { value: 64, scope: 'server', reason: 'RSA work that waits: beyond it the answer is a close' },
  authDeadlineMs: {
    value: 10_000,
    scope: 'server',
    min: 1,
    reason: 'an idle stranger is closed; time that the person needs is spent before connecting',
  },
  tlsHandshakeMs: { value: 5000, scope: 'server', reason: 'a stranger who opens a connection and says nothing' },
  httpHeaderBytesMax: {
    value: 8 * 1024,
    scope: 'server',
    reason: 'of one HTTP request: more than any browser or proxy sends, and nothing of it is kept',
  },
  eventLoopDelayMsMax: {
    value: 200,
    scope: 'server',
    reason:
      'p99 over some seconds; beyond it each device may have half as much under way, until it is below half of this',
  },
  memoryPercentMax: {
    value: 75,
    scope: 'server',
    reason:
      'of the machine or its cgroup; beyond it new connections are cut, before the system kills the server for all',
  },
  framesPerSecond: { value: 50, scope: 'server', reason: 'requests of one device' },
  framesBurst: { value: 200, scope: 'server', min: 1, reason: 'requests of one device after a pause' },
  idleFramesPerSecond: {
    value: 100,
    scope: 'server',
    reason: 'of one device: what nobody answers and nothing comes of (pongs, repeated acknowledgements, empty records)',
  },
  idleFramesBurst: { value: 1000, scope: 'server', reason: 'the same at once; one more ends the connection' },
  protocolErrorsMax: { value: 5, scope: 'server', reason: 'a broken client is closed' },
  protocolBanMs: {
    value: 60_000,
    scope: 'server',
    reason: 'a broken client that was closed and comes back at once would be a loop of attaches',
  },
  pingMs: { value: 25_000, scope: 'server', reason: 'below the idle limit of common proxies' },
  deadMs: { value: 60_000, scope: 'server', min: 1, reason: 'two pings missed' },

  // Accounts (server)
  registrationsPerAddressPerHour: { value: 5, scope: 'server', reason: 'open registration: mass accounts' },
  registrationsPerDay: { value: 100, scope: 'server', reason: 'open registration: mass accounts' },
  registrationPowRiseBits: {
    value: 4,
    scope: 'server',
    reason: 'open registration: work doubles whenever what is left of the day, or of the OPAQUE queue, has halved',
  },
  challengeMs: { value: 5 * 60_000, scope: 'server', reason: 'a proof of work is for now, and used once' },
  loginsPerAddressPerMinute: { value: 10, scope: 'server', reason: 'online guessing' },
  loginsPerAddressBurst: { value: 20, scope: 'server', reason: 'several people behind one address' },
  loginFailuresFree: { value: 5, scope: 'server', reason: 'people mistype' },
  loginsPerNamePerHour: {
    value: 100,
    scope: 'server',
    reason: 'guessing from many addresses; beyond it every try needs a proof of work, and nobody is locked out',
  },
  loginPowBits: {
    value: 18,
    scope: 'server',
    reason: 'half a second of a core for the owner, the same for each guess of whoever has many addresses',
  },
  loginDelayMsMax: { value: 60_000, scope: 'server', reason: 'slows guessing without locking the owner out' },
  opaqueQueuedMax: { value: 100, scope: 'server', reason: 'work that waits: beyond it BUSY' },
  resumptionMs: { value: 24 * 60 * 60 * 1000, scope: 'server', reason: 'a stolen resumption secret ages' },
  resetsPerDay: {
    value: 2,
    scope: 'server',
    reason: 'every reset makes contacts look: after so many in a row the next waits a day from the last',
  },
  inviteUsesMax: { value: 100, scope: 'server', reason: 'one invite must not open the server' },
  inviteHoursMax: { value: 24 * 30, scope: 'server', reason: 'the same, in time' },
  invitesPerDay: { value: 50, scope: 'server', reason: 'per account' },

  // Messages (server)
  messagesPerSecond: { value: 10, scope: 'server', reason: 'per device; a person types slower' },
  messagesBurst: { value: 50, scope: 'server', min: 1, reason: 'per device; an outbox that comes back' },
  messagesPerDay: { value: 5000, scope: 'server', reason: 'per account' },
  newRecipientsPerDay: { value: 20, scope: 'server', reason: 'unasked messages, on a server with open registration' },
  unansweredPerDay: {
    value: 50,
    scope: 'server',
    reason:
      'per account, to people who never wrote back, on a server with open registration: a stranger is soon heard out',
  },
  mailboxRowsMax: { value: 10_000, scope: 'server', reason: 'per device; beyond it senders are told' },
  mailboxBytesMax: { value: 64 * 1024 * 1024, scope: 'server', reason: 'the same in bytes' },
  mailboxReservedRows: {
    value: 200,
    scope: 'server',
    reason: 'space above the limit for commits, invitations and notices',
  },
  mailboxDays: { value: 30, scope: 'server', reason: 'after it a tombstone tells how many are gone' },
  lookupsPerHour: { value: 60, scope: 'server', reason: 'per account: enumeration' },
  lookupsPerDay: { value: 300, scope: 'server', reason: 'per account: enumeration' },
  keyPackageClaimsPerPairPerHour: { value: 10, scope: 'server', reason: 'nobody must drain the packages of another' },
  keyPackageClaimsPerTargetPerHour: {
    value: 200,
    scope: 'server',
    reason: 'the same, by many; beyond it the last-resort package',
  },
  keyPackagesStoredMax: { value: 100, scope: 'server', reason: 'per device' },
  blocksMax: { value: 1000, scope: 'server', reason: 'per account' },

  // Files (server)
  fileBytesMax: { value: 100 * 1024 * 1024, scope: 'server', reason: 'disk' },
  fileBytesStoredPerAccountMax: { value: 1024 * 1024 * 1024, scope: 'server', reason: 'disk' },
  fileBytesPerAccountPerDay: { value: 2 * 1024 * 1024 * 1024, scope: 'server', reason: 'traffic' },
  fileBytesFetchedPerAccountPerDay: {
    value: 4 * 1024 * 1024 * 1024,
    scope: 'server',
    reason: 'traffic: the same file again and again',
  },
  fileUploadsAtOnceMax: { value: 4, scope: 'server', reason: 'open files of one account' },
  fileDays: { value: 30, scope: 'server', reason: 'then it is removed' },
  fileIncompleteHours: { value: 24, scope: 'server', reason: 'an upload that nobody finished' },
  diskFreeBytesMin: {
    value: 256 * 1024 * 1024,
    scope: 'server',
    reason: 'uploads are refused first, messages last, acknowledgements never',
  },

  // Groups of rows in one commit (server)
  commitRowsMax: {
    value: 256,
    scope: 'server',
    min: 1,
    reason: 'group commit: latency of the last against the cost of an fsync',
  },
} as const satisfies Record<string, LimitRow>;

export type LimitName = keyof typeof limits;

/** The values in force: the table, with what an operator overrode. */
export type Limits = { readonly [Name in LimitName]: number };

export const defaultLimits: Limits = Object.fromEntries(
  Object.entries(limits).map(([name, row]) => [name, row.value]),
) as Limits;
