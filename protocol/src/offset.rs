//! Places in a session's log.

use std::fmt;

use crate::id::LogId;

/// Digits of an offset in HTTP headers and query parameters, where text order is number order.
const HTTP_DIGITS: usize = 20;

/// The place of an event in its session: dense, the first event is 1, below 2^53 so that every
/// JSON reader holds it exactly. [`Offset::ZERO`] is the place before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

impl Offset {
    /// Before the first event: reading after it reads from the start.
    pub const ZERO: Self = Self(0);
    /// The largest offset: 2^53 - 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The offset, unless it is 2^53 or more.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The offset of the next event; it stays at [`Offset::MAX`] there.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The offset `count` events later, at most [`Offset::MAX`].
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        let sum = self.0.saturating_add(count);
        if sum < Self::MAX.0 { Self(sum) } else { Self::MAX }
    }

    /// The offset one before, or zero.
    #[must_use]
    pub const fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many events lie after `earlier` up to this one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The form of HTTP headers and query parameters: 20 digits.
    #[must_use]
    pub fn to_http(self) -> String {
        format!("{:0width$}", self.0, width = HTTP_DIGITS)
    }

    /// Reads an HTTP offset. Fewer digits than 20 are accepted, so that a person can type one.
    #[must_use]
    pub fn parse_http(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > HTTP_DIGITS || !text.bytes().all(|b| b.is_ascii_digit())
        {
            return None;
        }
        text.parse().ok().and_then(Self::new)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(feature = "codec")]
impl serde::Serialize for Offset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

#[cfg(feature = "codec")]
impl<'de> serde::Deserialize<'de> for Offset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = <u64 as serde::Deserialize>::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom("an offset is below 2^53"))
    }
}

/// A place in one life of a log. An offset without its log id means nothing after a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "codec", derive(serde::Serialize, serde::Deserialize))]
pub struct Position {
    /// The log the offset belongs to.
    pub log: LogId,
    /// The last offset already taken.
    pub offset: Offset,
}
