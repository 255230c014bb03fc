//! Numbers as publishers write them.
//!
//! `1.216` is a little more than one in London and 1,216 in Berlin: which notation a file is in
//! is a part of its format, never guessed from a number.

/// How the numbers of a file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Notation {
    /// `1216.5`
    #[default]
    Plain,
    /// The same, with marks such as `n/e` where there is no value.
    Marked,
    /// `1,216.5` or `1216.5`, with marks.
    American,
    /// `1.216,5` or `1216,5`, with marks.
    German,
}

/// What publishers write where there is no value.
const MISSING: [&str; 5] = ["", "-", "n/e", "N/A", "n/a"];

impl Notation {
    /// A finite number, or `None` for a field without a value; else what is wrong.
    pub(crate) fn parse(self, text: &str) -> Result<Option<f64>, &'static str> {
        let missing = match self {
            Self::Plain => text.is_empty(),
            Self::Marked | Self::American | Self::German => MISSING.contains(&text),
        };
        if missing {
            return Ok(None);
        }
        let number = match self {
            Self::Plain | Self::Marked => text.parse().ok(),
            Self::American => grouped(text, ',', '.'),
            Self::German => grouped(text, '.', ','),
        };
        match number {
            Some(number) if f64::is_finite(number) => Ok(Some(number)),
            Some(_) => Err("is not a finite number"),
            None => Err("is not a number"),
        }
    }
}

/// Digits in groups of three, or in one; `None` where a mark is in another place.
fn grouped(text: &str, thousands: char, point: char) -> Option<f64> {
    if !text.contains([thousands, point]) {
        return text.parse().ok();
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, parts) = digits.split_once(point).unwrap_or((digits, "0"));
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(thousands);
    let first = groups.next()?;
    let single = !whole.contains(thousands);
    let good = all_digits(first)
        && (single || first.len() <= 3)
        && groups.all(|group| group.len() == 3 && all_digits(group))
        && all_digits(parts);
    good.then(|| format!("{sign}{}.{parts}", whole.replace(thousands, "")).parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_in_the_wrong_place_is_no_number() {
        for (notation, text, expected) in [
            (Notation::American, "12,345", 12_345.0),
            (Notation::American, "-1,234,567.5", -1_234_567.5),
            (Notation::German, "1.216", 1_216.0),
            (Notation::German, "1.216,25", 1_216.25),
            (Notation::German, "1216,25", 1_216.25),
            (Notation::German, "344", 344.0),
            (Notation::Plain, "1e3", 1_000.0),
        ] {
            assert_eq!(notation.parse(text), Ok(Some(expected)), "{text}");
        }
        for (notation, text) in [
            (Notation::American, "12,34"),
            (Notation::American, "1234,567"),
            (Notation::American, ",123"),
            (Notation::German, "1.21"),
            (Notation::German, "1,2,3"),
            (Notation::German, "1,"),
            (Notation::German, "1.216.25"),
            (Notation::Plain, "12,345"),
            (Notation::Plain, "-"),
            (Notation::German, "inf"),
            (Notation::Marked, "12,345"),
        ] {
            assert!(notation.parse(text).is_err(), "{text}");
        }
        for text in ["", "n/e", "N/A", "-"] {
            assert_eq!(Notation::German.parse(text), Ok(None));
        }
    }
}
