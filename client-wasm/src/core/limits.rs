//! Limits of the client: every queue, timeout and pause has its name here.

/// From the first step of an attempt to the server's `welcome`.
pub const CONNECT_TIMEOUT_MS: u64 = 8_000;
/// How long the app's token function may take before the attempt counts as failed.
pub const TOKEN_TIMEOUT_MS: u64 = 30_000;
/// How long the answer to a `ping` may take after the page came back.
pub const PROBE_TIMEOUT_MS: u64 = 2_000;
/// A timer that fires this much after its time says that the process slept: its verdict is put off
/// by one turn of the event loop, in which the frames that came meanwhile are read.
pub const LATE_TIMER_MS: u64 = 1_000;

/// Shortest pause between attempts, after the first retry, which is immediate.
pub const BACKOFF_MIN_MS: u64 = 500;
/// Longest pause between attempts.
pub const BACKOFF_MAX_MS: u64 = 20_000;
/// A connection that lived this long after its `welcome` ends a row of failures.
pub const STABLE_LIFE_MS: u64 = 5_000;
/// Longest pause a server may ask for.
pub const RETRY_AFTER_MAX_MS: u64 = 10 * 60 * 1000;

/// Unacknowledged acts of one session. Beyond it: `outbox_full`.
pub const OUTBOX_MAX_ENTRIES: usize = 256;
/// Unacknowledged acts of one session, in bytes of JSON. Beyond it: `outbox_full`.
pub const OUTBOX_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Publishes of one producer that wait for their answer.
pub const WINDOW_MAX_PUBLISHES: usize = 64;
/// Bytes of events joined into one publish.
pub const PUBLISH_TARGET_BYTES: usize = 64 * 1024;
/// Unacknowledged publishes of one producer, in bytes of JSON. Beyond it a writer has to wait.
pub const WRITER_MAX_BYTES: usize = 1024 * 1024;
/// Unacknowledged events of one producer. Beyond it a writer has to wait.
pub const WRITER_MAX_EVENTS: usize = 4_096;
/// Text of one part that follows an earlier delta within this time waits for more and becomes one
/// event with it. The first delta after a pause goes out at once.
pub const DELTA_GATHER_MS: u64 = 25;
/// A delta that has grown to this many bytes of JSON waits no longer.
pub const DELTA_TARGET_BYTES: usize = 16 * 1024;
/// Text that is longer is written as several deltas: each fits an event, however its JSON escapes it.
pub const TEXT_MAX_BYTES: usize = 32 * 1024;
/// How long a session waits for the offers of runs that an earlier process of its producer left
/// open: those it does not name when it attaches are lost.
pub const TAKE_OVER_GATHER_MS: u64 = 50;
/// How often a connection names the runs whose leases it keeps.
pub const LEASE_PING_MS: u64 = 10_000;

/// Bytes of events taken before the server is told so; a quarter of what it sends unasked.
pub const SEEN_EVERY_BYTES: usize = durable_sessions_protocol::limits::UNSEEN_MAX_BYTES / 4;

/// Events given to a reader with a cursor of its own that it has not consumed. Beyond it, it is
/// given no more until it has.
pub const READER_MAX_EVENTS: usize = 1_024;
/// How long a reader waits to ask again after a refused `fetch`.
pub const READER_RETRY_MS: u64 = 1_000;

/// How often a leader with followers says that it is alive.
pub const BEAT_MS: u64 = 1_000;
/// A visible follower that hears nothing for this long opens a socket of its own.
pub const QUIET_MS: u64 = 2_000;
/// The same for a hidden one, for which it is less urgent, and whose timers may be late.
pub const QUIET_HIDDEN_MS: u64 = 10_000;
/// How long a visible follower waits for another's beat when a leader left that had no lock.
pub const PARTED_MS: u64 = 100;
/// How often at most the silence to wait for doubles, when the server keeps preferring a socket
/// whose tab is never heard.
pub const QUIET_DOUBLINGS_MAX: u32 = 6;
/// A leader that was heard for this long ends the doubling.
pub const SETTLED_MS: u64 = 30_000;
/// How often a follower says that it is alive, in answer to beats.
pub const HERE_MS: u64 = 4_000;
/// A follower silent for this long counts as gone.
pub const MEMBER_TIMEOUT_MS: u64 = 12_000;
/// How often at least a leader looks for what tabs that are gone have left to be sent.
pub const RECOVER_EVERY_MS: u64 = 30_000;
/// A follower whose request is not answered for this long begins anew with its leader.
pub const RELAY_TIMEOUT_MS: u64 = 5_000;
