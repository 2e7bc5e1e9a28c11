//! The server's own limits, next to those of the wire in [`durable_sessions_protocol::limits`].
//! Each says what happens when it is reached.

/// Connections the kernel holds until the server accepts them. A storm of reconnecting clients
/// overflows a shorter queue, and each refused one waits a second for its next try.
pub const LISTEN_BACKLOG_CONNECTIONS: u32 = 4096;
/// How long to pause accepting when the process has no file descriptor left.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// A request's head must be there within this time, on a kept-alive connection too. Else the
/// connection is closed.
pub const HTTP_HEADER_TIMEOUT_MS: u64 = 30_000;
/// A request's body must be there within this time. Else 400.
pub const HTTP_BODY_TIMEOUT_MS: u64 = 30_000;
/// Bytes of events in one page of a catch-up read. The rest: `Stream-Next-Offset`, read again.
pub const HTTP_PAGE_MAX_BYTES: usize = 1024 * 1024;
/// Buffer of one HTTP connection for a request's head. A larger head: 431.
pub const HTTP_HEAD_MAX_BYTES: usize = 16 * 1024;
/// Bytes of events in one `data` event of an SSE stream.
pub const SSE_BATCH_BYTES: usize = 64 * 1024;
/// A silent SSE stream carries a comment after this long, so that both ends notice a dead one.
pub const SSE_KEEP_ALIVE_MS: u64 = 15_000;
/// A `Stream-Cursor` counts intervals of this length.
pub const STREAM_CURSOR_INTERVAL_MS: u64 = 20_000;

/// Read buffer of a WebSocket. The library's default makes an idle connection cost 134 KiB.
pub const SOCKET_READ_BUFFER_BYTES: usize = 4 * 1024;
/// Requests of one socket the log has not answered yet. At the limit the server reads no more from
/// the socket until one is.
pub const SOCKET_REQUESTS_IN_FLIGHT_MAX: usize = 256;
/// Frames between the half of a connection that reads and the half that writes. At the limit the
/// server reads no more from the socket until there is room.
pub const SOCKET_COMMAND_QUEUE_MAX: usize = 32;
/// Answers and other control frames a socket has not taken yet. Beyond it: close code 4003.
pub const SOCKET_CONTROL_QUEUE_MAX: usize = 1024;
/// Bytes of frames handed to a socket at a time; a single larger frame goes alone.
pub const SOCKET_WRITE_TARGET_BYTES: usize = 64 * 1024;
/// Offers of work that are handed to a socket together. The rest follow when it has taken them.
pub const SOCKET_WAKES_AT_ONCE: usize = 64;
/// Sessions one socket writes to or follows. Beyond it: `rate_limited`; detach from one first.
pub const SOCKET_SESSIONS_MAX: usize = 4096;
/// Devices of a session that are gone and counted a moment longer. Beyond it a departure is told
/// without delay.
pub const PRESENCE_DEPARTURES_MAX: usize = 1024;
/// How long a closing socket may take to send its last frames and hear the other end close.
pub const SOCKET_CLOSE_TIMEOUT_MS: u64 = 2_000;
/// How long a request's surplus bytes are read and dropped before it is answered `too_large`, so
/// that the answer reaches a client that is still sending.
pub const SURPLUS_DISCARD_MS: u64 = 2_000;

/// Agents one connection serves at a time. Beyond it: `rate_limited`; withdraw from one first.
pub const SERVE_AGENTS_MAX: usize = 256;
/// Session names and prefixes of one worker. Beyond it: `invalid`.
pub const SERVE_PATTERNS_MAX: usize = 1024;
/// How long a request for work without `wait_ms` waits. Then: 204.
pub const NEXT_WAIT_MS: u64 = 30_000;
/// Longest `wait_ms` of a request for work. Beyond it: `invalid`.
pub const NEXT_WAIT_MAX_MS: u64 = 60_000;

/// Clients are told to come back after a random time below this when the server shuts down.
pub const DRAIN_RETRY_SPREAD_MS: u64 = 2_000;
/// How long a shutdown waits for what is under way before it closes everything.
pub const DRAIN_TIMEOUT_MS: u64 = 5_000;

/// Largest static file that is served. Beyond it: 404.
pub const STATIC_FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A session nobody reads, writes or holds leaves memory after this long. Who asks for it next waits
/// while it is loaded.
pub const SESSION_IDLE_UNLOAD_MS: u64 = 60_000;
/// Sessions that are loaded at a time because their clocks run, and not because somebody asked: half
/// as many as the store reads at a time, so that people need not wait for all of them. The rest wait
/// in line.
pub const SESSION_LOADS_AT_ONCE: usize = 8;
/// A start waits so long for the sessions whose clocks run or whose input waits, so that workers find all
/// there is. Then it serves, and those that take longer come when they are loaded.
pub const START_LOADS_WAIT_MS: u64 = 10_000;
/// A checkpoint is written once this many events and notes stand behind the one before: more of them
/// take longer to replay than a start should.
pub const CHECKPOINT_MIN_ENTRIES: u64 = 4096;
/// But no more often than once in so many entries for each of its bytes: what checkpoints write
/// stays below that of the events themselves.
pub const CHECKPOINT_BYTES_PER_ENTRY: u64 = 64;
/// When a session leaves memory, fewer entries behind its checkpoint are not worth a new one.
pub const CHECKPOINT_UNLOAD_MIN_ENTRIES: u64 = 64;
/// The same for each byte of it.
pub const CHECKPOINT_UNLOAD_BYTES_PER_ENTRY: u64 = 4096;

/// Sessions in an answer to a listing that names no limit.
pub const LISTING_DEFAULT_SESSIONS: usize = 100;
/// Most sessions in one answer to a listing. A higher limit: 400.
pub const LISTING_MAX_SESSIONS: usize = 1000;
/// Bytes of titles in one answer to a listing; a single larger title goes alone. The rest: `next`.
pub const LISTING_TITLES_MAX_BYTES: usize = 1024 * 1024;
/// Sessions that a listing takes from the store at a time, with their titles.
pub const LISTING_READ_SESSIONS: usize = 64;
