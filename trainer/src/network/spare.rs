//! Vectors that are used again: a fresh one of a few 100 KB is pages of zeros from the system, each
//! time, and that was a tenth of an update.

use std::cell::RefCell;

/// Most vectors that a thread keeps.
const MOST: usize = 32;

thread_local! {
    static SPARE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A vector of this length with any numbers in it: whoever takes it writes all of them. Only one of the
/// very length is used again, for another one would grow, which is a fresh one and a copy.
pub(super) fn take(len: usize) -> Vec<f32> {
    let same = SPARE.with_borrow_mut(|spare| {
        let at = spare.iter().rposition(|vector| vector.len() == len)?;
        Some(spare.swap_remove(at))
    });
    same.unwrap_or_else(|| vec![0.0; len])
}

/// Gives a vector back. Where there are enough, one makes room: networks come and go.
pub(super) fn give(vector: Vec<f32>) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() == MOST {
            spare.swap_remove(0);
        }
        spare.push(vector);
    });
}
