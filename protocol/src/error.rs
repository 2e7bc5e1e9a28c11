//! The one table of error codes, and the problem object that carries them on every transport.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $retryable:literal, $title:literal;)*) => {
        /// Why a request was refused. The text form is the same in frames, HTTP and JavaScript.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Reads a code; `None` for one this version does not know.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }

            /// The HTTP status it usually has. Rule refusals are 422.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the same request may succeed later, unchanged.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }

            /// A short sentence for people, the same for each use of the code.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

error_codes! {
    /// No token, or one that is refused.
    Unauthorized = "unauthorized", 401, false, "A valid token is needed";
    /// The principal may not do this.
    Forbidden = "forbidden", 403, false, "Not allowed for this principal";
    /// The request is malformed.
    Invalid = "invalid", 400, false, "The request is malformed";
    /// The request is over a size limit.
    TooLarge = "too_large", 413, false, "Over a size limit";
    /// Too many requests, or too many things open at once.
    RateLimited = "rate_limited", 429, true, "Too much at once";
    /// The client's outbox is full; raised by the SDK.
    OutboxFull = "outbox_full", 429, true, "The outbox is full";
    /// The agent has an open run and the message asked not to wait.
    Busy = "busy", 422, false, "The agent is busy";
    /// The run was stopped: only its end may still be written.
    RunStopped = "run_stopped", 422, false, "The run was stopped";
    /// The run has ended.
    RunEnded = "run_ended", 422, false, "The run has ended";
    /// The run belongs to another producer.
    NotOwner = "not_owner", 422, false, "The run belongs to another writer";
    /// A newer process writes with this producer id.
    Fenced = "fenced", 403, false, "A newer process took over this producer";
    /// A sequence number was left out.
    SequenceGap = "sequence_gap", 409, false, "A sequence number is missing";
    /// The id stands for something else already.
    IdConflict = "id_conflict", 422, false, "The id is taken";
    /// Another run claimed the input.
    AlreadyClaimed = "already_claimed", 422, false, "Another run has this input";
    /// The ask has its answer.
    AlreadyAnswered = "already_answered", 422, false, "The ask is answered";
    /// The log is another one, or does not reach the position.
    LogChanged = "log_changed", 410, false, "The log is not the one you know";
    /// No such session, run or message.
    NotFound = "not_found", 404, false, "Not found";
    /// This server does not do that.
    NotSupported = "not_supported", 501, false, "Not supported";
    /// The server is shutting down.
    Draining = "draining", 503, true, "The server is shutting down";
    /// The server's disk is nearly full.
    StorageFull = "storage_full", 507, true, "The server's disk is full";
    /// The server cannot answer now; whether the request took effect may be unknown.
    Unavailable = "unavailable", 503, true, "Not available right now";
    /// A newer connection of the group took over, or the client or session object was closed, which
    /// the SDK raises.
    Closed = "closed", 422, false, "Closed";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a failed request may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "codec", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "codec", serde(rename_all = "snake_case"))]
pub enum SideEffects {
    /// Nothing was written.
    #[default]
    None,
    /// It may have been written: ask again with the same id or producer position.
    Unknown,
}

/// The error object of every transport, in the form of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which rule was broken.
    pub code: ErrorCode,
    /// The HTTP status; usually [`ErrorCode::status`].
    pub status: u16,
    /// What happened and what to do, for a person.
    pub detail: String,
    /// Whether it may have taken effect.
    pub side_effects: SideEffects,
    /// With `fenced` and `sequence_gap`: the epoch the server expects.
    pub expected_epoch: Option<u64>,
    /// With `sequence_gap`: the next sequence number the server expects.
    pub expected_seq: Option<u64>,
    /// How long to wait before the next try, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem without side effects and with the code's usual status.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            status: code.status(),
            detail: detail.into(),
            side_effects: SideEffects::None,
            expected_epoch: None,
            expected_seq: None,
            retry_after_ms: None,
        }
    }

    /// The same problem under another HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(feature = "codec")]
mod codec {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{ErrorCode, Problem, SideEffects};

    /// The JSON shape. `type` and `title` follow from the code.
    #[derive(Serialize, Deserialize)]
    struct Wire<'a> {
        #[serde(rename = "type", default)]
        type_uri: Cow<'a, str>,
        #[serde(default)]
        title: Cow<'a, str>,
        status: u16,
        #[serde(default)]
        detail: Cow<'a, str>,
        code: Cow<'a, str>,
        #[serde(default)]
        retryable: bool,
        #[serde(default)]
        side_effects: SideEffects,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_epoch: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_seq: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    }

    impl Serialize for Problem {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            Wire {
                type_uri: format!("urn:durable-sessions:error:{}", self.code).into(),
                title: self.code.title().into(),
                status: self.status,
                detail: self.detail.as_str().into(),
                code: self.code.as_str().into(),
                retryable: self.code.retryable(),
                side_effects: self.side_effects,
                expected_epoch: self.expected_epoch,
                expected_seq: self.expected_seq,
                retry_after_ms: self.retry_after_ms,
            }
            .serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Problem {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let wire = Wire::deserialize(deserializer)?;
            let code = ErrorCode::parse(&wire.code)
                .ok_or_else(|| serde::de::Error::custom("an unknown error code"))?;
            Ok(Self {
                code,
                status: wire.status,
                detail: wire.detail.into_owned(),
                side_effects: wire.side_effects,
                expected_epoch: wire.expected_epoch,
                expected_seq: wire.expected_seq,
                retry_after_ms: wire.retry_after_ms,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back_from_its_text() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(code));
        }
        assert_eq!(ErrorCode::ALL.len(), 22);
    }
}
