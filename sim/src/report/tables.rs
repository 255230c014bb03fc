//! `pods.parquet` and `zones.parquet`: every row behind the summary, for notebooks and SQL.
//!
//! Rows are written in groups of [`ROW_GROUP`]; no more than one group of any column is in
//! memory, so ten million pods cost as much as sixty thousand. A [`PodTable`] takes outcomes one
//! by one, and a caller may drop each after it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, StringBuilder, StringDictionaryBuilder,
    TimestampMillisecondBuilder, UInt32Builder, UInt64Builder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use carbon_kube_core::Time;
use carbon_kube_core::intensity::Provenance;
use carbon_kube_datasets::seal;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::{ReportError, deadline_missed, delay, summary};
use crate::outcome::{IntervalRow, Outcome, PodOutcome, PodState};
use crate::world::{Owner, Pod, World};

/// Rows that are written, and held in memory, at a time.
pub const ROW_GROUP: usize = 65_536;

/// Writes `pods.parquet`: a row per policy and pod.
pub struct PodTable<'a, W: Write + Send> {
    world: &'a World,
    file: Table<W>,
    columns: PodColumns,
}

impl<'a, W: Write + Send> PodTable<'a, W> {
    /// An empty table that goes to `output`; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`ReportError::Io`] or [`ReportError::Table`] where `output` can't be written.
    pub fn new(world: &'a World, output: W, path: &Path) -> Result<Self, ReportError> {
        Ok(Self {
            world,
            file: Table::new(&known(world), output, path, pod_schema())?,
            columns: PodColumns::default(),
        })
    }

    /// Adds the rows of one policy.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn write(&mut self, outcome: &Outcome) -> Result<(), ReportError> {
        let mut next = vec![0u64; self.world.classes.len()];
        for (pod, result) in self.world.pods.iter().zip(&outcome.pods) {
            let number = &mut next[pod.class as usize];
            self.columns.push(self.world, &outcome.policy, *number, pod, result);
            *number += 1;
            if self.columns.rows == ROW_GROUP {
                self.file.write(self.columns.take())?;
            }
        }
        Ok(())
    }

    /// Writes what is left and the footer; without it the file can't be read.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn finish(mut self) -> Result<W, ReportError> {
        self.file.write(self.columns.take())?;
        self.file.finish()
    }
}

/// Writes `zones.parquet`: a row per policy, interval and zone.
///
/// # Errors
///
/// [`ReportError::Io`] or [`ReportError::Table`] where `output` can't be written; `path` is what
/// they call it.
pub fn write_zones<W: Write + Send>(
    world: &World,
    outcomes: &[&Outcome],
    output: W,
    path: &Path,
) -> Result<W, ReportError> {
    let mut file = Table::new(&known(world), output, path, zone_schema())?;
    let mut columns = ZoneColumns::default();
    for outcome in outcomes {
        for row in &outcome.intervals {
            columns.push(world, &outcome.policy, row);
            if columns.rows == ROW_GROUP {
                file.write(columns.take())?;
            }
        }
    }
    file.write(columns.take())?;
    file.finish()
}

/// What the file of a run says about itself.
fn known(world: &World) -> [(&'static str, String); 2] {
    [("scenario", world.name.clone()), ("seed", world.seed.to_string())]
}

/// A Parquet file with our settings, whose errors name it.
pub(crate) struct Table<W: Write + Send> {
    writer: seal::Writer<W>,
    schema: SchemaRef,
    path: PathBuf,
}

impl<W: Write + Send> Table<W> {
    /// `known` is what the file says about itself, beside the version of the format.
    pub(crate) fn new(
        known: &[(&str, String)],
        output: W,
        path: &Path,
        schema: SchemaRef,
    ) -> Result<Self, ReportError> {
        let version = ("version", summary::VERSION.to_string());
        let pairs = known.iter().cloned().chain([version]);
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value)).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            // No two pods share a name: a dictionary would only be built to be thrown away.
            .set_column_dictionary_enabled("pod".into(), false);
        let writer = seal::Writer::new(output, Arc::clone(&schema), properties, pairs)
            .map_err(|error| table_error(path, error))?;
        Ok(Self { writer, schema, path: path.to_owned() })
    }

    pub(crate) fn write(&mut self, columns: Vec<ArrayRef>) -> Result<(), ReportError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| table_error(&self.path, error.into()))?;
        self.writer.write(&batch).map_err(|error| table_error(&self.path, error))
    }

    pub(crate) fn finish(self) -> Result<W, ReportError> {
        self.writer.finish().map_err(|error| table_error(&self.path, error))
    }
}

/// A full disk is told as the operating system told it, not as "Parquet error: External: ...".
fn table_error(path: &Path, error: ParquetError) -> ReportError {
    let path = path.to_owned();
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => ReportError::Io { path, action: "can't write", source: *source },
            Err(inner) => ReportError::Table { path, reason: inner.to_string() },
        },
        other => ReportError::Table { path, reason: other.to_string() },
    }
}

fn word() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn schema(columns: &[(&str, DataType, bool)]) -> SchemaRef {
    let fields =
        columns.iter().map(|(name, kind, nullable)| Field::new(*name, kind.clone(), *nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Column names, types, and whether they can be null.
fn pod_schema() -> SchemaRef {
    schema(&[
        ("policy", word(), false),
        ("pod", DataType::Utf8, false),
        ("workload", word(), false),
        ("kind", word(), false),
        ("arrival", instant(), false),
        ("start", instant(), true),
        ("finish", instant(), true),
        ("length_hours", DataType::Float64, false),
        ("held_hours", DataType::Float64, false),
        // Null for services and for pods that did not complete.
        ("delay_hours", DataType::Float64, true),
        ("zone", word(), true),
        ("pool", word(), true),
        ("state", word(), false),
        ("cpu_cores", DataType::Float64, false),
        ("memory_bytes", DataType::UInt64, false),
        ("gpu", DataType::Float64, false),
        ("max_delay_hours", DataType::Float64, true),
        ("deadline_missed", DataType::Boolean, false),
        ("pauses", DataType::UInt32, false),
        ("migrations", DataType::UInt32, false),
        ("evictions", DataType::UInt32, false),
        ("energy_kwh", DataType::Float64, false),
        ("operational_grams", DataType::Float64, false),
        ("idle_share_grams", DataType::Float64, false),
        ("embodied_share_grams", DataType::Float64, false),
        ("transfer_grams", DataType::Float64, false),
        ("cost_usd", DataType::Float64, false),
    ])
}

fn zone_schema() -> SchemaRef {
    schema(&[
        ("policy", word(), false),
        ("zone", word(), false),
        ("start", instant(), false),
        // Null beyond the trace.
        ("intensity_g_per_kwh", DataType::Float64, true),
        // Null where the policy has none.
        ("threshold_g_per_kwh", DataType::Float64, true),
        ("pod_watts", DataType::Float64, false),
        ("idle_watts", DataType::Float64, false),
        ("grams", DataType::Float64, false),
        ("running_pods", DataType::Float64, false),
        ("modelled", DataType::Boolean, false),
    ])
}

type Words = StringDictionaryBuilder<Int32Type>;

fn instants() -> TimestampMillisecondBuilder {
    TimestampMillisecondBuilder::new().with_timezone("UTC")
}

/// One row group of pods in the making, in the order of [`pod_schema`].
struct PodColumns {
    rows: usize,
    policy: Words,
    pod: StringBuilder,
    workload: Words,
    kind: Words,
    arrival: TimestampMillisecondBuilder,
    start: TimestampMillisecondBuilder,
    finish: TimestampMillisecondBuilder,
    length_hours: Float64Builder,
    held_hours: Float64Builder,
    delay_hours: Float64Builder,
    zone: Words,
    pool: Words,
    state: Words,
    cpu_cores: Float64Builder,
    memory_bytes: UInt64Builder,
    gpu: Float64Builder,
    max_delay_hours: Float64Builder,
    deadline_missed: BooleanBuilder,
    pauses: UInt32Builder,
    migrations: UInt32Builder,
    evictions: UInt32Builder,
    energy_kwh: Float64Builder,
    operational_grams: Float64Builder,
    idle_share_grams: Float64Builder,
    embodied_share_grams: Float64Builder,
    transfer_grams: Float64Builder,
    cost_usd: Float64Builder,
}

impl Default for PodColumns {
    fn default() -> Self {
        Self {
            rows: 0,
            policy: Words::new(),
            pod: StringBuilder::new(),
            workload: Words::new(),
            kind: Words::new(),
            arrival: instants(),
            start: instants(),
            finish: instants(),
            length_hours: Float64Builder::new(),
            held_hours: Float64Builder::new(),
            delay_hours: Float64Builder::new(),
            zone: Words::new(),
            pool: Words::new(),
            state: Words::new(),
            cpu_cores: Float64Builder::new(),
            memory_bytes: UInt64Builder::new(),
            gpu: Float64Builder::new(),
            max_delay_hours: Float64Builder::new(),
            deadline_missed: BooleanBuilder::new(),
            pauses: UInt32Builder::new(),
            migrations: UInt32Builder::new(),
            evictions: UInt32Builder::new(),
            energy_kwh: Float64Builder::new(),
            operational_grams: Float64Builder::new(),
            idle_share_grams: Float64Builder::new(),
            embodied_share_grams: Float64Builder::new(),
            transfer_grams: Float64Builder::new(),
            cost_usd: Float64Builder::new(),
        }
    }
}

impl PodColumns {
    fn push(&mut self, world: &World, policy: &str, number: u64, pod: &Pod, result: &PodOutcome) {
        let class = &world.classes[pod.class as usize];
        let pool = result.pool.map(|pool| &world.pools[pool as usize]);
        self.rows += 1;
        self.policy.append_value(policy);
        self.pod.append_value(format!("{}-{number}", class.name));
        self.workload.append_value(&class.name);
        self.kind.append_value(match class.owner {
            Owner::Job => "Job",
            Owner::Deployment => "Deployment",
        });
        self.arrival.append_value(pod.arrival.millis());
        self.start.append_option(result.start.map(Time::millis));
        self.finish.append_option(result.finish.map(Time::millis));
        self.length_hours.append_value(pod.duration.hours());
        self.held_hours.append_value(result.held.hours());
        let delay = delay(class, pod, result);
        self.delay_hours.append_option(delay.map(|span| span.hours()));
        self.zone.append_option(pool.map(|pool| world.zones[pool.zone].zone.as_str()));
        self.pool.append_option(pool.map(|pool| &pool.name));
        self.state.append_value(match result.state {
            PodState::Completed => "Completed",
            PodState::Unfinished => "Unfinished",
            PodState::Failed => "Failed",
            PodState::NotNeeded => "NotNeeded",
        });
        self.cpu_cores.append_value(pod.requests.cpu.0 as f64 / 1_000.0);
        self.memory_bytes.append_value(pod.requests.memory.0);
        self.gpu.append_value(pod.requests.gpu.gpus());
        self.max_delay_hours.append_option(pod.max_delay.map(|span| span.hours()));
        self.deadline_missed.append_value(deadline_missed(pod, result));
        self.pauses.append_value(result.pauses);
        self.migrations.append_value(result.migrations);
        self.evictions.append_value(result.evictions);
        self.energy_kwh.append_value(result.energy.get());
        self.operational_grams.append_value(result.operational.get());
        self.idle_share_grams.append_value(result.idle_share.get());
        self.embodied_share_grams.append_value(result.embodied_share.get());
        self.transfer_grams.append_value(result.transfer.get());
        self.cost_usd.append_value(result.cost.get());
    }

    /// The columns so far; starts the next group.
    fn take(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        vec![
            Arc::new(self.policy.finish()),
            Arc::new(self.pod.finish()),
            Arc::new(self.workload.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.arrival.finish()),
            Arc::new(self.start.finish()),
            Arc::new(self.finish.finish()),
            Arc::new(self.length_hours.finish()),
            Arc::new(self.held_hours.finish()),
            Arc::new(self.delay_hours.finish()),
            Arc::new(self.zone.finish()),
            Arc::new(self.pool.finish()),
            Arc::new(self.state.finish()),
            Arc::new(self.cpu_cores.finish()),
            Arc::new(self.memory_bytes.finish()),
            Arc::new(self.gpu.finish()),
            Arc::new(self.max_delay_hours.finish()),
            Arc::new(self.deadline_missed.finish()),
            Arc::new(self.pauses.finish()),
            Arc::new(self.migrations.finish()),
            Arc::new(self.evictions.finish()),
            Arc::new(self.energy_kwh.finish()),
            Arc::new(self.operational_grams.finish()),
            Arc::new(self.idle_share_grams.finish()),
            Arc::new(self.embodied_share_grams.finish()),
            Arc::new(self.transfer_grams.finish()),
            Arc::new(self.cost_usd.finish()),
        ]
    }
}

/// One row group of zones in the making, in the order of [`zone_schema`].
struct ZoneColumns {
    rows: usize,
    policy: Words,
    zone: Words,
    start: TimestampMillisecondBuilder,
    intensity: Float64Builder,
    threshold: Float64Builder,
    pod_watts: Float64Builder,
    idle_watts: Float64Builder,
    grams: Float64Builder,
    running: Float64Builder,
    modelled: BooleanBuilder,
}

impl Default for ZoneColumns {
    fn default() -> Self {
        Self {
            rows: 0,
            policy: Words::new(),
            zone: Words::new(),
            start: instants(),
            intensity: Float64Builder::new(),
            threshold: Float64Builder::new(),
            pod_watts: Float64Builder::new(),
            idle_watts: Float64Builder::new(),
            grams: Float64Builder::new(),
            running: Float64Builder::new(),
            modelled: BooleanBuilder::new(),
        }
    }
}

impl ZoneColumns {
    fn push(&mut self, world: &World, policy: &str, row: &IntervalRow) {
        let zone = &world.zones[row.zone as usize];
        let known = |value: f64| (!value.is_nan()).then_some(value);
        self.rows += 1;
        self.policy.append_value(policy);
        self.zone.append_value(zone.zone.as_str());
        self.start.append_value(row.start.millis());
        self.intensity.append_option(known(row.intensity));
        self.threshold.append_option(known(row.threshold));
        self.pod_watts.append_value(row.pod_watts);
        self.idle_watts.append_value(row.idle_watts);
        self.grams.append_value(row.grams);
        self.running.append_value(row.running);
        self.modelled.append_value(zone.series.label().provenance == Provenance::Modelled);
    }

    /// The columns so far; starts the next group.
    fn take(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        vec![
            Arc::new(self.policy.finish()),
            Arc::new(self.zone.finish()),
            Arc::new(self.start.finish()),
            Arc::new(self.intensity.finish()),
            Arc::new(self.threshold.finish()),
            Arc::new(self.pod_watts.finish()),
            Arc::new(self.idle_watts.finish()),
            Arc::new(self.grams.finish()),
            Arc::new(self.running.finish()),
            Arc::new(self.modelled.finish()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::{self, Seek};

    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, UInt32Type};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::super::fixture;
    use super::*;
    use crate::report::summary;

    fn pods(world: &World, outcomes: &[Outcome]) -> File {
        let file = tempfile::tempfile().unwrap();
        let mut table = PodTable::new(world, file, Path::new("pods.parquet")).unwrap();
        for outcome in outcomes {
            table.write(outcome).unwrap();
        }
        rewound(table.finish().unwrap())
    }

    fn rewound(mut file: File) -> File {
        file.rewind().unwrap();
        file
    }

    fn batches(file: File) -> Vec<RecordBatch> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        reader.build().unwrap().map(Result::unwrap).collect()
    }

    /// The sum of a column of numbers over the rows of one policy, nulls left out.
    fn sum(batches: &[RecordBatch], policy: &str, column: &str) -> f64 {
        let mut sum = 0.0;
        for batch in batches {
            let policies = batch.column_by_name("policy").unwrap();
            let policies = policies.as_dictionary::<Int32Type>();
            let policies = policies.downcast_dict::<arrow_array::StringArray>().unwrap();
            let values = batch.column_by_name(column).unwrap();
            for (row, name) in policies.into_iter().enumerate() {
                if name != Some(policy) || values.is_null(row) {
                    continue;
                }
                sum += match values.data_type() {
                    DataType::Float64 => values.as_primitive::<Float64Type>().value(row),
                    DataType::UInt32 => f64::from(values.as_primitive::<UInt32Type>().value(row)),
                    DataType::Boolean => f64::from(u8::from(values.as_boolean().value(row))),
                    other => panic!("{column} is {other}"),
                };
            }
        }
        sum
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1.0)
    }

    #[test]
    fn the_columns_sum_to_the_summary() {
        let (world, outcomes) = fixture::tiny();
        let rows = batches(pods(&world, &outcomes));
        let summary = summary(&world, &outcomes.iter().collect::<Vec<_>>(), true);
        for run in &summary.runs {
            let sum = |column: &str| sum(&rows, &run.policy, column);
            // The pods of the fixture hold all operational and transfer grams.
            let operational = run.emissions_grams.operational;
            assert!(close(sum("operational_grams"), operational));
            assert!(close(sum("transfer_grams"), run.emissions_grams.transfer));
            assert!(close(sum("migrations"), run.pods.migrations as f64));
            assert!(close(sum("evictions"), run.pods.evictions as f64));
            assert!(close(sum("deadline_missed"), run.pods.deadline_misses as f64));
        }
        // Delays of 2 h and 0.5 h; the service and the unfinished pod have none.
        assert!(close(sum(&rows, "threshold", "delay_hours"), 2.5));
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 8);
    }

    #[test]
    fn the_rows_of_zones_sum_to_the_accounts_without_embodied() {
        let (world, outcomes) = fixture::many(2, 3, 2);
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        let file = tempfile::tempfile().unwrap();
        let file = write_zones(&world, &outcomes, file, Path::new("zones.parquet")).unwrap();
        let rows = batches(rewound(file));
        for run in summary(&world, &outcomes, true).runs {
            let grams = run.emissions_grams.total - run.emissions_grams.embodied;
            assert!(close(sum(&rows, &run.policy, "grams"), grams));
        }
        // US-TX and US-NY are modelled: two of three zones over 48 hours.
        assert!(close(sum(&rows, "default-scheduler", "modelled"), 96.0));
    }

    #[test]
    fn unknown_intensity_and_threshold_are_null_not_nan() {
        let (world, outcomes) = fixture::tiny();
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        let file = tempfile::tempfile().unwrap();
        let file = write_zones(&world, &outcomes, file, Path::new("zones.parquet")).unwrap();
        let rows = batches(rewound(file));
        let nulls = |column: &str| rows[0].column_by_name(column).unwrap().null_count();
        // One row of each policy lies beyond the trace; only `threshold` has a threshold.
        assert_eq!(nulls("intensity_g_per_kwh"), 2);
        assert_eq!(nulls("threshold_g_per_kwh"), 8);
    }

    #[test]
    fn pods_are_numbered_within_their_workload() {
        let (world, outcomes) = fixture::tiny();
        let rows = batches(pods(&world, &outcomes[..1]));
        let names: Vec<_> =
            rows[0].column_by_name("pod").unwrap().as_string::<i32>().iter().flatten().collect();
        assert_eq!(names, ["train-0", "web-0", "train-1", "train-2"]);
    }

    #[test]
    fn the_file_says_what_it_is_and_is_cut_into_row_groups() {
        let (mut world, mut outcomes) = fixture::many(1, 1, 1);
        let (pod, result) = (world.pods[0], outcomes[0].pods[0]);
        world.pods = vec![pod; ROW_GROUP + 1];
        outcomes[0].pods = vec![result; ROW_GROUP + 1];
        let reader = ParquetRecordBatchReaderBuilder::try_new(pods(&world, &outcomes)).unwrap();
        let metadata = reader.metadata();
        let rows: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(rows, [ROW_GROUP as i64, 1]);
        let pairs: HashMap<_, _> = metadata
            .file_metadata()
            .key_value_metadata()
            .unwrap()
            .iter()
            .map(|pair| (pair.key.as_str(), pair.value.as_deref().unwrap()))
            .collect();
        assert_eq!(pairs["scenario"], "week-of-training");
        assert_eq!(pairs["seed"], "7");
        assert_eq!(pairs["version"], "1");
    }

    #[test]
    fn no_rows_are_a_table_too() {
        let (world, _) = fixture::tiny();
        let reader = ParquetRecordBatchReaderBuilder::try_new(pods(&world, &[])).unwrap();
        assert_eq!(reader.schema().fields().len(), 27);
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }

    /// A disk with room for so many bytes.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let (world, outcomes) = fixture::tiny();
        for room in [0, 100, 2_000] {
            let attempt = || -> Result<Full, ReportError> {
                let path = Path::new("out/pods.parquet");
                let mut table = PodTable::new(&world, Full(room), path)?;
                table.write(&outcomes[0])?;
                table.finish()
            };
            let error = attempt().err().expect("no room");
            assert!(error.to_string().starts_with("out/pods.parquet: can't write: "), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("space")), "{error}");
        }
    }
}
