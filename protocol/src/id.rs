//! Names on the wire, parsed once into types that cannot be wrong.

use std::fmt;

/// Longest session id, in bytes.
pub const SESSION_ID_MAX_BYTES: usize = 128;
/// Longest id of anything else (message, run, producer, principal, log), in bytes.
pub const ID_MAX_BYTES: usize = 128;

/// Why a string is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The string has no characters.
    #[error("is empty: an id has 1 to 128 bytes")]
    Empty,
    /// The string has more bytes than an id may have.
    #[error("is longer than 128 bytes")]
    TooLong,
    /// A character outside the id's alphabet.
    #[error("has the character {0:?}, which is not allowed here")]
    Character(char),
}

/// Ids are cloned much and shared by threads. In a page they are few, and there is one thread.
#[cfg(not(target_arch = "wasm32"))]
type Text = std::sync::Arc<str>;
#[cfg(target_arch = "wasm32")]
type Text = Box<str>;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// Parses the id, or says what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $max, $allowed)?;
                Ok(Self(text.into()))
            }

            /// The id as it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "codec")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        #[cfg(feature = "codec")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an id of 1 to 128 bytes")
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(|error| E::custom(format_args!("the id {error}")))
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

id_type!(
    /// Names a session: `[A-Za-z0-9._~-]{1,128}`, safe in a URL path as it is.
    SessionId,
    SESSION_ID_MAX_BYTES,
    |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-')
);
id_type!(
    /// Names one life of a session's log; random, made with the log. It goes with every position.
    LogId,
    ID_MAX_BYTES,
    |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-')
);
id_type!(
    /// Names a message, run, stop, ask, producer, agent or principal: 1 to 128 bytes without
    /// control characters.
    Id,
    ID_MAX_BYTES,
    |c| !c.is_control()
);

fn check(text: &str, max: usize, allowed: fn(char) -> bool) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > max {
        return Err(IdError::TooLong);
    }
    match text.chars().find(|&c| !allowed(c)) {
        Some(c) => Err(IdError::Character(c)),
        None => Ok(()),
    }
}
