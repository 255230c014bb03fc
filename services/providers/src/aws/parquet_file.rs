//! The same export as a Parquet file, by the names of its columns.

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as ParquetRow};

use super::{Emissions, Row, emissions};
use crate::answer::malformed;
use crate::error::ProviderError;

/// Reads an export in Parquet.
///
/// # Errors
///
/// [`ProviderError::Malformed`] for a file that is damaged, and for the first row that makes no sense.
pub fn read_parquet(bytes: Vec<u8>) -> Result<Vec<Emissions>, ProviderError> {
    let damaged = |_| malformed("the Parquet data is damaged");
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(damaged)?;
    let mut rows = Vec::new();
    for (number, row) in (1..).zip(reader.get_row_iter(None).map_err(damaged)?) {
        let row = to_row(&row.map_err(damaged)?);
        let row =
            row.ok_or_else(|| malformed(format!("row {number} is none of CARBON_EMISSIONS")))?;
        rows.push(emissions(&row).map_err(|what| malformed(format!("row {number}: {what}")))?);
    }
    Ok(rows)
}

fn to_row(row: &ParquetRow) -> Option<Row> {
    let field = |name: &str| {
        row.get_column_iter().find(|(column, _)| *column == name).map(|(_, field)| field)
    };
    let number = |name: &str| match field(name) {
        Some(Field::Double(number)) => Some(*number),
        Some(Field::Float(number)) => Some(f64::from(*number)),
        // A decimal, as text.
        Some(decimal @ Field::Decimal(_)) => decimal.to_string().parse().ok(),
        _ => None,
    };
    // Instants show as `2026-01-01 00:00:00 +00:00`, dates as `2026-01-01`: the day leads.
    let text = |name: &str| match field(name)? {
        Field::Null => Some(String::new()),
        Field::Str(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Some(Row {
        region_code: text("region_code").unwrap_or_default(),
        model_version: text("model_version").unwrap_or_default(),
        total_lbm_emissions_unit: text("total_lbm_emissions_unit")?,
        total_lbm_emissions_value: number("total_lbm_emissions_value"),
        total_mbm_emissions_unit: text("total_mbm_emissions_unit").unwrap_or_default(),
        total_mbm_emissions_value: number("total_mbm_emissions_value"),
        usage_period_start: text("usage_period_start")?,
        usage_period_end: text("usage_period_end")?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    };
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn export() -> Vec<u8> {
        let january = 1_767_225_600_000;
        let columns: [(&str, ArrayRef); 8] = [
            ("region_code", Arc::new(StringArray::from(vec![Some("us-east-1"), None]))),
            ("model_version", Arc::new(StringArray::from(vec!["v3.0.0", "v3.0.0"]))),
            ("total_lbm_emissions_unit", Arc::new(StringArray::from(vec!["MTCO2e", "MTCO2e"]))),
            ("total_lbm_emissions_value", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
            ("total_mbm_emissions_unit", Arc::new(StringArray::from(vec!["MTCO2e", "MTCO2e"]))),
            ("total_mbm_emissions_value", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
            ("usage_period_start", Arc::new(TimestampMillisecondArray::from(vec![january; 2]))),
            (
                "usage_period_end",
                Arc::new(TimestampMillisecondArray::from(vec![january + 31 * 86_400_000; 2])),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn columns_are_found_by_name_and_nulls_are_nothing() {
        let rows = read_parquet(export()).unwrap();
        assert_eq!(
            (rows.len(), rows[0].region.as_str(), rows[1].region.as_str()),
            (2, "us-east-1", "")
        );
        assert!((rows[0].location_based.kilograms() - 500.0).abs() < 1e-9);
        assert_eq!(rows[0].end.to_string(), "2026-02-01T00:00:00Z");
        assert_eq!(rows[1].market_based, None);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let bytes = export();
        assert!(read_parquet(bytes[..bytes.len() / 2].to_vec()).is_err());
        assert!(read_parquet(b"PAR1".to_vec()).is_err());
        assert!(read_parquet(Vec::new()).is_err());
    }
}
