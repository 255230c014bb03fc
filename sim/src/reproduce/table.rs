//! Rows with named columns, as the reference files have them.

/// A table of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[&str], rows: Vec<Vec<String>>) -> Self {
        Self { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows }
    }

    /// Position of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The numbers of a column; what is no number is left out, and so is an absent column.
    pub(super) fn numbers(&self, name: &str) -> Vec<f64> {
        let Some(column) = self.column(name) else {
            return Vec::new();
        };
        self.rows.iter().filter_map(|row| row[column].parse().ok()).collect()
    }

    /// As CSV.
    ///
    /// # Errors
    ///
    /// When writing fails.
    pub fn write(&self, out: impl std::io::Write) -> std::io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        writer.flush()
    }
}

/// A number with twelve significant digits, as short as it can be: more than any reference has, and
/// short of the last ones of a double, which say nothing. What is no number is an empty cell.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let rounded: f64 = format!("{value:.11e}").parse().unwrap_or(value);
    rounded.to_string()
}

/// As Python writes it, which is how the reference files have it.
pub(super) fn boolean(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_twelve_digits_and_no_more_than_they_need() {
        assert_eq!(number(1.0 / 3.0), "0.333333333333");
        assert_eq!(number(199.175_86), "199.17586");
        assert_eq!(number(155_626.0), "155626");
        assert_eq!(number(-0.0), "0");
    }
}
