//! Names that a trace holds: known ones as a type, and those of older or newer versions as they are.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type whose values have a name in traces.
pub trait Word: Copy + Eq + 'static {
    /// The name.
    fn word(self) -> &'static str;

    /// The value of this name; `None` if this version of migtrace does not know it.
    fn of_word(word: &str) -> Option<Self>;
}

/// A name from a trace. Compares, sorts and serializes as its text.
#[derive(Clone, Debug)]
pub enum Name<W> {
    Known(W),
    /// A name of an older or newer version of migtrace.
    Other(Arc<str>),
}

impl<W: Word> Name<W> {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(known) => known.word(),
            Self::Other(name) => name,
        }
    }

    /// The value, if this version of migtrace knows the name.
    #[must_use]
    pub const fn known(&self) -> Option<W> {
        match self {
            Self::Known(known) => Some(*known),
            Self::Other(_) => None,
        }
    }
}

impl<W: Word> From<W> for Name<W> {
    fn from(known: W) -> Self {
        Self::Known(known)
    }
}

impl<W: Word> From<&str> for Name<W> {
    fn from(name: &str) -> Self {
        W::of_word(name).map_or_else(|| Self::Other(name.into()), Self::Known)
    }
}

impl<W: Word> PartialEq for Name<W> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<W: Word> Eq for Name<W> {}

impl<W: Word> PartialEq<W> for Name<W> {
    fn eq(&self, other: &W) -> bool {
        self.known() == Some(*other)
    }
}

impl<W: Word> PartialOrd for Name<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<W: Word> Ord for Name<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl<W: Word> Hash for Name<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<W: Word> fmt::Display for Name<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<W: Word> Serialize for Name<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, W: Word> Deserialize<'de> for Name<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}
