//! Which jobs a trace has had: a row that comes twice is an error, not a second pod.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A set of names of which only 64-bit hashes are kept: about 16 bytes a name. Two of ten million
/// names have the same hash once in 400,000 traces; such a trace would be refused.
#[derive(Default)]
pub(super) struct Seen(HashSet<u64, Hashed>);

impl Seen {
    /// Whether the name is new.
    pub(super) fn is_new(&mut self, name: impl Hash) -> bool {
        self.0.insert(hash(name))
    }
}

/// The hash of a name, of fixed keys: the same on every machine.
pub(super) fn hash(name: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// What is kept is a hash already.
pub(super) type Hashed = std::hash::BuildHasherDefault<Identity>;

#[derive(Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
