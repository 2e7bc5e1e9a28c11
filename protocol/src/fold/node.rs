//! How the fold and the client core look into JSON, whoever parsed it.

/// A JSON value. Reading a field of something that is not an object finds nothing, and a `null`
/// field counts as absent.
pub trait Node: Sized {
    /// The string itself, if it is one.
    fn as_text(&self) -> Option<String>;
    /// A field.
    fn field(&self, name: &'static str) -> Option<Self>;
    /// A string field.
    fn text(&self, name: &'static str) -> Option<String>;
    /// A field that is a whole number from 0 to 2^53 - 1.
    fn number(&self, name: &'static str) -> Option<u64>;
    /// The items, if it is an array; else none.
    fn items(self) -> Vec<Self>;
    /// A string value.
    fn from_text(text: &'static str) -> Self;
}

#[cfg(feature = "codec")]
impl Node for serde_json::Value {
    fn as_text(&self) -> Option<String> {
        self.as_str().map(str::to_owned)
    }

    fn field(&self, name: &'static str) -> Option<Self> {
        self.get(name).filter(|value| !value.is_null()).cloned()
    }

    fn text(&self, name: &'static str) -> Option<String> {
        self.get(name)?.as_str().map(str::to_owned)
    }

    fn number(&self, name: &'static str) -> Option<u64> {
        self.get(name)?.as_u64().filter(|&number| number <= crate::offset::Offset::MAX.as_u64())
    }

    fn items(self) -> Vec<Self> {
        if let Self::Array(items) = self { items } else { Vec::new() }
    }

    fn from_text(text: &'static str) -> Self {
        Self::from(text)
    }
}
