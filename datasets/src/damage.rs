//! Decoders of others, kept from panicking on damaged data.
//!
//! The `parquet` crate divides by a number of values that a flipped bit made zero, and takes slices
//! that are not there. A damaged file is no bug of ours to be told by a panic: it is an error like
//! any other, and the panic's own words would only cover it up.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is in a decoder, whose panics are caught.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder and returns what it returns.
///
/// # Errors
///
/// The text of its panic. What it worked on must not be used any more.
pub fn caught<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    // Every panic of every thread still goes to the hook that was there, but for the caught ones.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !DECODING.get() {
                before(info);
            }
        }));
    });
    let nested = DECODING.replace(true);
    // Unwind safety: the caller drops what the decoder had in its hands.
    let decoded = panic::catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(nested);
    decoded.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("the decoder gave up").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_its_text_and_what_comes_after_is_as_before() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| -> u8 { panic!("page {}", 7) }), Err("page 7".to_owned()));
        assert_eq!(caught(|| -> u8 { panic!("no page") }), Err("no page".to_owned()));
        assert!(!DECODING.get());
    }
}
