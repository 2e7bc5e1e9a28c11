//! JSON text: checking, compacting and comparing it without changing what it says.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::limits::EVENT_MAX_NESTING_LEVELS;

/// JSON the protocol carries but does not look into, kept as its text.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Keeps the text if it is JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The parsed value; `null` never comes from a failure, the text is always JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        // Writing a `Value` to text cannot fail: its keys are strings.
        Self(serde_json::value::to_raw_value(value).unwrap_or_default())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() || self.to_value() == other.to_value()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Checks that the text is one JSON value in which no object has a key twice, at any depth, and
/// that it is nested at most [`EVENT_MAX_NESTING_LEVELS`] deep. Readers differ in which of two
/// equal keys they believe and in how deep they can read, so neither may pass.
pub fn check(text: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Checked { levels: EVENT_MAX_NESTING_LEVELS }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// The same JSON without white space between its tokens. The text must be JSON.
#[must_use]
pub fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_string = false;
    let mut escaped = false;
    let mut kept_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else if byte == b'"' {
            in_string = true;
        } else if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            out.push_str(text.get(kept_from..at).unwrap_or_default());
            kept_from = at + 1;
        }
    }
    out.push_str(text.get(kept_from..).unwrap_or_default());
    out
}

/// A fingerprint of what the JSON says: equal for equal JSON whatever the order of keys, white
/// space or escapes. Top-level keys in `except` do not count. Not stable between versions.
#[must_use]
pub fn digest(value: &Value, except: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Value::Object(map) = value {
        for (key, value) in map.iter().filter(|(key, _)| !except.contains(&key.as_str())) {
            key.hash(&mut hasher);
            value.hash(&mut hasher);
        }
    } else {
        value.hash(&mut hasher);
    }
    hasher.finish()
}

/// One value on the way through [`check`].
#[derive(Clone, Copy)]
struct Checked {
    /// How many arrays and objects may still open inside each other.
    levels: usize,
}

impl Checked {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels }),
            None => Err(E::custom(format_args!(
                "nested more than {EVENT_MAX_NESTING_LEVELS} levels deep"
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(inner)?;
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("the key {twice:?} stands twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn arbitrary_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn a_key_that_stands_twice_is_found_at_any_depth() {
        assert!(check(r#"{"a":1,"b":{"a":1}}"#).is_ok());
        assert!(check(r#"{"a":1,"a":1}"#).is_err());
        assert!(check(r#"{"x":[{"y":{"a":1,"b":2,"\u0061":3}}]}"#).is_err());
        assert!(check(r#"{"a":1} {"#).is_err());
    }

    #[test]
    fn a_digest_leaves_out_what_the_server_adds() {
        let sent = json!({"kind": "stop.requested", "id": "s", "all": true});
        let stored = json!({"id": "s", "offset": 4, "all": true, "kind": "stop.requested"});
        assert_eq!(digest(&sent, &["offset"]), digest(&stored, &["offset"]));
        assert_ne!(digest(&sent, &[]), digest(&stored, &[]));
    }

    proptest! {
        // A failure prints its input and leaves no file behind.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn compacting_changes_nothing_but_white_space(value in arbitrary_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(compact(&pretty), serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ = check(&text);
            let _ = compact(&text);
        }
    }
}
