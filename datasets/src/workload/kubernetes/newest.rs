//! The newest copy of each object. Dumps of one cluster on several days have most of their objects in
//! common, and what a day knows of a pod, the next may know better: how long it ran.

use std::collections::HashMap;

use super::NodeShape;
use super::objects::Metadata;
use super::pods::Part;
use crate::workload::account::Account;
use crate::workload::seen::{Hashed, hash};

/// What an object is kept as.
pub(super) enum Kept {
    Node(NodeShape),
    Workload(Part),
    /// What is passed over. A newer copy that is takes the place of an older one that was not.
    Nothing,
}

/// A copy of an object as it was read.
pub(super) struct Reading {
    version: Version,
    pub(super) kept: Kept,
    /// Why it was passed over, or what was assumed for it.
    pub(super) account: Account,
}

impl Reading {
    pub(super) fn new(metadata: &Metadata, kept: Kept, account: Account) -> Self {
        let is_ended = matches!(&kept, Kept::Workload(part) if part.is_ended());
        let version = Version { number: metadata.resource_version.parse().ok(), is_ended };
        Self { version, kept, account }
    }
}

/// What tells which copy is the newer one.
#[derive(Clone, Copy)]
struct Version {
    /// `resourceVersion`; series of Prometheus have none.
    number: Option<u64>,
    is_ended: bool,
}

impl Version {
    /// By `resourceVersion`, which grows with each change (comparing it is legal: KEP-5504). Without,
    /// what has ended is newer; of two that have, that of the API server says more; of equals, the
    /// one that comes later is taken.
    fn replaces(self, other: Self) -> bool {
        match (self.number, other.number) {
            (Some(own), Some(other)) => own >= other,
            (own, number) => (self.is_ended, own.is_some()) >= (other.is_ended, number.is_some()),
        }
    }
}

/// One copy of each object, in the order in which the objects first came.
#[derive(Default)]
pub(super) struct Newest {
    copies: Vec<Reading>,
    places: HashMap<u64, usize, Hashed>,
    older: u64,
}

impl Newest {
    pub(super) fn add(&mut self, kind: &str, metadata: &Metadata, copy: Reading) {
        let Metadata { namespace, name, uid, .. } = metadata;
        // A pod or a Job of the same name as one before it is another run; a node or a Deployment that
        // was made anew stands for the one that is gone.
        let uid = if ["Pod", "Job"].contains(&kind) { uid.as_str() } else { "" };
        let place =
            *self.places.entry(hash((kind, namespace, name, uid))).or_insert(self.copies.len());
        match self.copies.get_mut(place) {
            None => self.copies.push(copy),
            Some(known) => {
                self.older += 1;
                if copy.version.replaces(known.version) {
                    *known = copy;
                }
            }
        }
    }

    /// The copies; how many there were that a newer one stands for is told.
    pub(super) fn into_copies(self, account: &mut Account) -> Vec<Reading> {
        account.skip_all("older copies of an object", self.older);
        self.copies
    }
}
