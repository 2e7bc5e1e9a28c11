//! Limits of the wire: what a peer may send, and how long it may take. Both ends enforce them.

/// Largest event, in bytes of its compact JSON as the client sent it. Beyond it: `too_large`.
pub const EVENT_MAX_BYTES: usize = 256 * 1024;
/// How deep the objects and arrays of an event may stand inside each other, the event itself
/// counted. It leaves room for the frames, pages and transcripts an event travels in: many JSON
/// readers give up at 128. Beyond it: `invalid`.
pub const EVENT_MAX_NESTING_LEVELS: usize = 64;
/// Largest WebSocket message and HTTP request body, in bytes. Beyond it: close code 4204, or
/// `too_large`.
pub const FRAME_MAX_BYTES: usize = 1024 * 1024;
/// Most events in one publish. Beyond it: `too_large`.
pub const PUBLISH_MAX_EVENTS: usize = 1024;
/// Most parts of one message. A part's index is below it. Beyond it: `invalid`.
pub const MESSAGE_MAX_PARTS: u32 = 1024;
/// Bytes of events a server sends on one attach before the client must have `seen` them.
pub const UNSEEN_MAX_BYTES: usize = 256 * 1024;
/// Bytes of events in one `events` frame; a single larger event travels alone.
pub const BATCH_TARGET_BYTES: usize = 64 * 1024;
/// Sessions attached on one socket at a time. Beyond it: `rate_limited`.
pub const ATTACH_MAX_SESSIONS: usize = 1024;
/// Most events in one `page`; the rest takes another `fetch`.
pub const PAGE_MAX_EVENTS: usize = 1024;
/// Fetches of one socket without an answer yet. Beyond it: `rate_limited`.
pub const FETCHES_MAX_WAITING: usize = 64;
/// Members listed in one `presence`; its `total` counts the rest too.
pub const PRESENCE_MAX_MEMBERS: usize = 100;
/// Runs named in one `ping` or `attach`.
pub const RUNS_MAX_NAMED: usize = 1024;

/// The first frame of a client must be a whole `hello` within this time. Else close code 4001.
pub const HELLO_TIMEOUT_MS: u64 = 5_000;
/// A server that neither sent nor received for this long sends a `ping`.
pub const HEARTBEAT_MS: u64 = 15_000;
/// How long either end waits after an expected sign of life before the connection counts as dead.
pub const HEARTBEAT_GRACE_MS: u64 = 10_000;

/// Changes of who is attached to a session are told after this long, together.
pub const PRESENCE_GATHER_MS: u64 = 50;
/// The same in a session with more than [`PRESENCE_CROWD_MEMBERS`].
pub const PRESENCE_CROWD_GATHER_MS: u64 = 1_000;
/// More members than this make a crowd.
pub const PRESENCE_CROWD_MEMBERS: usize = 50;
/// A member counts for this long after it is gone: another tab of its group may take over.
pub const PRESENCE_LINGER_MS: u64 = 2_000;

/// A run's owner may be away this long before the run ends `lost`.
pub const LEASE_MS: u64 = 30_000;
/// Shortest `lease_ms` of a `run.started`. Beyond it: `invalid`.
pub const LEASE_MIN_MS: u64 = 1_000;
/// Longest `lease_ms` of a `run.started`. Beyond it: `invalid`.
pub const LEASE_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// An ask without `expires_ms` may wait this long for its answer before its run ends `lost`.
pub const ASK_EXPIRY_MS: u64 = 24 * 60 * 60 * 1000;
/// Shortest `expires_ms` of a `run.suspended`. Beyond it: `invalid`.
pub const ASK_EXPIRY_MIN_MS: u64 = 1_000;
/// Longest `expires_ms` of a `run.suspended`. Beyond it: `invalid`.
pub const ASK_EXPIRY_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// A stopped run's agent may take this long to end it before the server does.
pub const STOP_GRACE_MS: u64 = 5_000;
/// An input offered to a worker and not claimed is offered again after this long.
pub const WAKE_OFFER_MS: u64 = 10_000;
/// How often an input is given out when its runs end `lost`, before it is `expired`.
pub const INPUT_MAX_ATTEMPTS: u32 = 3;
/// An input nobody claimed for this long is `expired`.
pub const INPUT_EXPIRY_MS: u64 = 24 * 60 * 60 * 1000;
