//! The policies that are shipped: `policies/library/`, compiled in.

use crate::file::{Loaded, PolicyError, promised_sha256};

/// A shipped policy, as its files.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Name of its folder, and of the policy.
    pub name: &'static str,
    /// `policy.yaml`.
    pub yaml: &'static str,
    /// `actor.safetensors`, of a tuner.
    pub actor: Option<&'static [u8]>,
    /// `SHA256SUMS`.
    pub checksums: &'static str,
}

macro_rules! shipped {
    ($name:literal) => {
        shipped!($name, None)
    };
    ($name:literal, tuner) => {
        shipped!($name, Some(include_bytes!(concat!("../library/", $name, "/actor.safetensors"))))
    };
    ($name:literal, $actor:expr) => {
        Shipped {
            name: $name,
            yaml: include_str!(concat!("../library/", $name, "/policy.yaml")),
            actor: $actor,
            checksums: include_str!(concat!("../library/", $name, "/SHA256SUMS")),
        }
    };
}

/// Every shipped policy.
pub const ALL: [Shipped; 3] =
    [shipped!("percentile-v1"), shipped!("plan-v1"), shipped!("sac-v1", tuner)];

/// The shipped policy of that name.
#[must_use]
pub fn find(name: &str) -> Option<Shipped> {
    ALL.into_iter().find(|policy| policy.name == name)
}

impl Shipped {
    /// The policy itself.
    ///
    /// # Errors
    ///
    /// Never, as a test shows.
    pub fn load(&self) -> Result<Loaded, PolicyError> {
        Loaded::parse_with(self.yaml, self.actor, promised_sha256(self.checksums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_policy_is_right_and_has_the_name_of_its_folder() {
        for shipped in ALL {
            assert!(promised_sha256(shipped.checksums).is_some());
            assert_eq!(shipped.load().unwrap().file.name, shipped.name);
        }
    }
}
