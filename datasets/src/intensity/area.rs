//! Which rows of a file about several places are ours.

use std::collections::BTreeSet;

use crate::error::{ReadError, shorten};

/// How many places a message can name.
const KEPT: usize = 100;

/// The place that was asked for, or the only one of the file.
#[derive(Clone, Debug)]
pub(crate) struct Area {
    /// Column or key that tells the place.
    column: String,
    /// Names of the place that was asked for; empty: the first place of the file is the one.
    wanted: Vec<String>,
    found: Option<String>,
    others: BTreeSet<String>,
}

impl Area {
    /// `asked` is what the user said; `known` are the names that the zone has with this provider.
    pub(crate) fn new<'a>(
        column: &str,
        asked: Option<&String>,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let wanted: Vec<String> = match asked {
            Some(name) => vec![name.clone()],
            None => known.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        };
        Self { column: column.to_owned(), wanted, found: None, others: BTreeSet::new() }
    }

    /// Whether a row about this place is ours.
    pub(crate) fn takes(&mut self, name: &str) -> bool {
        // As the search is: a name that is written in two ways is one place.
        if self.found.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return true;
        }
        let wanted = |name: &str| {
            self.wanted.is_empty() || self.wanted.iter().any(|own| own.eq_ignore_ascii_case(name))
        };
        if self.found.is_none() && wanted(name) {
            self.found = Some(name.to_owned());
            return true;
        }
        if self.others.len() < KEPT && !self.others.contains(name) {
            self.others.insert(shorten(name));
        }
        false
    }

    /// Whether rows can be taken without those before them.
    #[cfg_attr(not(feature = "frames"), allow(dead_code, reason = "asked in bulk only"))]
    pub(crate) fn is_named(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The name of the place as the file has it. It is an error if the file had none of our rows,
    /// or rows of several places and nobody said which.
    pub(crate) fn name(self, path: &str) -> Result<String, ReadError> {
        let chosen = self.is_named() || self.others.is_empty();
        match self.found {
            Some(name) if chosen => Ok(name),
            None if self.others.is_empty() => Err(ReadError::Empty { path: path.to_owned() }),
            found => {
                let wanted = if self.wanted.is_empty() {
                    "one place".to_owned()
                } else {
                    self.wanted
                        .iter()
                        .map(|name| format!("`{name}`"))
                        .collect::<Vec<_>>()
                        .join(" or ")
                };
                let present = found.into_iter().chain(self.others).collect();
                Err(ReadError::Elsewhere {
                    path: path.to_owned(),
                    column: self.column,
                    wanted,
                    present,
                })
            }
        }
    }
}
