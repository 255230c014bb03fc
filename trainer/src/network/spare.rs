//! Vectors that are used again: a fresh one of a few 100 KB is pages of zeros from the system, each
//! time, and that was a tenth of an update.

use std::cell::RefCell;

/// Most vectors that a thread keeps.
const MOST: usize = 32;

thread_local! {
    static SPARE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A vector of this length with any numbers in it: whoever takes it writes all of them.
pub(super) fn take(len: usize) -> Vec<f32> {
    let mut vector = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    vector.resize(len, 0.0);
    vector
}

/// Gives a vector back.
pub(super) fn give(vector: Vec<f32>) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MOST {
            spare.push(vector);
        }
    });
}
