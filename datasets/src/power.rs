//! Looks a machine up in a user's table of machines.
//!
//! | layout | known by its column | numbers |
//! |---|---|---|
//! | our own, that of `core/data/instances.csv` | `instance_type` | decimal points |
//! | Teads' table of AWS instances, as Cloud Carbon Footprint publishes it | `Instance type` | decimal points or commas, `N/A` is none |
//! | SPECpower_ssj2008 results, as Cloud Carbon Footprint publishes them | `System` | decimal points |
//!
//! Only the rows of that name are read: a table may be wrong elsewhere.

use std::io::Read;
use std::path::Path;

use carbon_kube_core::Watts;
use carbon_kube_core::power::Instance;
use carbon_kube_core::zone::nearest_name;

use crate::error::ReadError;
use crate::table::{Column, Row, Table};

/// What a table says of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The machine.
    Machine(Box<Instance>),
    /// It is not there; the name most like it.
    Nothing {
        /// The nearest name in the table.
        nearest: Option<String>,
    },
}

/// Looks for a machine in a file.
///
/// # Errors
///
/// [`ReadError`] names file, line and column: of a table without a known layout, of numbers that
/// no machine has, and of a name that is there twice.
pub fn find(path: &Path, name: &str) -> Result<Found, ReadError> {
    look_up(Table::open(path)?, name)
}

/// The same in memory or a stream; `file` stands for it in messages.
///
/// # Errors
///
/// As [`find`].
pub fn find_in(file: &str, input: impl Read, name: &str) -> Result<Found, ReadError> {
    look_up(Table::new(file, input)?, name)
}

fn look_up(mut table: Table<'_>, name: &str) -> Result<Found, ReadError> {
    let layout = Layout::of(&table)?;
    let mut found = None;
    let mut others = Vec::new();
    while let Some(row) = table.next()? {
        let here = row.text(layout.name());
        if here != name {
            others.push(here.to_owned());
        } else if found.is_some() {
            return Err(row.wrong(layout.name(), "is there twice; leave one of the rows"));
        } else {
            found = Some(layout.machine(&row)?);
        }
    }
    Ok(match found {
        Some(machine) => Found::Machine(Box::new(machine)),
        None => {
            let nearest = nearest_name(name, others.iter().map(String::as_str));
            Found::Nothing { nearest: nearest.map(str::to_owned) }
        }
    })
}

/// Where the columns of a layout are.
enum Layout {
    Own {
        name: Column,
        vcpu: Column,
        memory: Column,
        gpu: Option<Column>,
        gpu_model: Option<Column>,
        idle: Column,
        busy: Column,
        server: Option<(Column, Column)>,
    },
    Teads {
        name: Column,
        vcpu: Column,
        memory: Column,
        gpu: Column,
        gpu_model: Column,
        idle: [Column; 2],
        busy: [Column; 2],
        platform: Column,
    },
    SpecPower {
        name: Column,
        threads: Column,
        memory: Column,
        idle: Column,
        busy: Column,
    },
}

impl Layout {
    fn of(table: &Table<'_>) -> Result<Self, ReadError> {
        let column = |name: &str| table.column(name);
        if let Ok(name) = column("Instance type") {
            return Ok(Self::Teads {
                name,
                vcpu: column("Instance vCPU")?,
                memory: column("Instance Memory (in GB)")?,
                gpu: column("Instance Number of GPU")?,
                gpu_model: column("Platform GPU Name")?,
                idle: [column("PkgWatt @ Idle")?, column("RAMWatt @ Idle")?],
                busy: [column("PkgWatt @ 100%")?, column("RAMWatt @ 100%")?],
                platform: column("Delta Full Machine")?,
            });
        }
        if let Ok(name) = column("System") {
            return Ok(Self::SpecPower {
                name,
                threads: column("Total Threads")?,
                memory: column("Total Memory (GB)")?,
                idle: column("avg. watts @ active idle")?,
                busy: column("avg. watts @ 100%")?,
            });
        }
        Ok(Self::Own {
            name: column("instance_type")?,
            vcpu: column("vcpu")?,
            memory: column("memory_gib")?,
            gpu: column("gpu").ok(),
            gpu_model: column("gpu_model").ok(),
            idle: column("idle_watts")?,
            busy: column("busy_watts")?,
            server: column("server_vcpu").ok().zip(column("server_embodied_kg").ok()),
        })
    }

    fn name(&self) -> &Column {
        match self {
            Self::Own { name, .. } | Self::Teads { name, .. } | Self::SpecPower { name, .. } => {
                name
            }
        }
    }

    fn machine(&self, row: &Row<'_>) -> Result<Instance, ReadError> {
        let machine = match self {
            Self::Own { name, vcpu, memory, gpu, gpu_model, idle, busy, server } => {
                let vcpus = count(row, vcpu)?;
                let (server_vcpu, server_embodied_kg) = match server {
                    Some((vcpu, kg)) => (count(row, vcpu)?, number(row, kg)?),
                    None => (vcpus, 0.0),
                };
                let gpu = gpu.as_ref().map_or(Ok(0), |column| count_or_none(row, column))?;
                let model = gpu_model.as_ref().map(|column| row.text(column));
                Instance {
                    instance_type: row.text(name).to_owned(),
                    vcpu: vcpus,
                    memory_gib: number(row, memory)?,
                    gpu,
                    gpu_model: model.filter(|model| !model.is_empty()).map(str::to_owned),
                    idle_watts: watts(row, idle, number(row, idle)?)?,
                    busy_watts: watts(row, busy, number(row, busy)?)?,
                    server_vcpu,
                    server_embodied_kg,
                }
            }
            Self::Teads { name, vcpu, memory, gpu, gpu_model, idle, busy, platform } => {
                // GPUs apart, and all sums as in the table that is compiled in.
                let sum = |[package, memory]: &[Column; 2]| {
                    let parts = [package, memory, platform];
                    let numbers: Result<Vec<f64>, _> =
                        parts.iter().map(|column| teads_number(row, column)).collect();
                    watts(row, package, numbers?.iter().sum())
                };
                let vcpu = count(row, vcpu)?;
                let gpu = count_or_none(row, gpu)?;
                let model = row.text(gpu_model).to_owned();
                Instance {
                    instance_type: row.text(name).to_owned(),
                    vcpu,
                    memory_gib: teads_number(row, memory)?,
                    gpu,
                    gpu_model: (gpu > 0).then_some(model),
                    idle_watts: sum(idle)?,
                    busy_watts: sum(busy)?,
                    server_vcpu: vcpu,
                    server_embodied_kg: 0.0,
                }
            }
            Self::SpecPower { name, threads, memory, idle, busy } => {
                let threads = count(row, threads)?;
                Instance {
                    instance_type: row.text(name).to_owned(),
                    vcpu: threads,
                    memory_gib: number(row, memory)?,
                    gpu: 0,
                    gpu_model: None,
                    idle_watts: watts(row, idle, number(row, idle)?)?,
                    busy_watts: watts(row, busy, number(row, busy)?)?,
                    server_vcpu: threads,
                    server_embodied_kg: 0.0,
                }
            }
        };
        if machine.busy_watts < machine.idle_watts {
            return Err(row.wrong(self.name(), "draws less when busy than when idle"));
        }
        Ok(machine)
    }
}

/// The largest number that is read; a machine has no more of anything.
const MOST: f64 = 1e7;

/// A number of zero or more.
fn number(row: &Row<'_>, column: &Column) -> Result<f64, ReadError> {
    in_range(row, column, row.text(column))
}

/// The same with a decimal comma, as Teads writes it. Elsewhere `1,234` could be either number.
fn teads_number(row: &Row<'_>, column: &Column) -> Result<f64, ReadError> {
    in_range(row, column, &row.text(column).replacen(',', ".", 1))
}

fn in_range(row: &Row<'_>, column: &Column, text: &str) -> Result<f64, ReadError> {
    let number: f64 = text.parse().map_err(|_| row.wrong(column, "is not a number"))?;
    if (0.0..=MOST).contains(&number) {
        Ok(number)
    } else {
        Err(row.wrong(column, "is out of range: 0 to ten million"))
    }
}

fn watts(row: &Row<'_>, column: &Column, value: f64) -> Result<Watts, ReadError> {
    Watts::new(value).ok_or_else(|| row.wrong(column, "is no power"))
}

/// A whole number of one or more.
fn count(row: &Row<'_>, column: &Column) -> Result<u32, ReadError> {
    match count_or_none(row, column)? {
        0 => Err(row.wrong(column, "is not a number of one or more")),
        count => Ok(count),
    }
}

/// A whole number; empty and `N/A` are none.
fn count_or_none(row: &Row<'_>, column: &Column) -> Result<u32, ReadError> {
    if ["", "N/A"].contains(&row.text(column)) {
        return Ok(0);
    }
    let number = number(row, column)?;
    if number.fract() > 0.0 {
        return Err(row.wrong(column, "is not a whole number"));
    }
    Ok(number as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str, name: &str) -> Instance {
        match find_in("m.csv", text.as_bytes(), name).unwrap() {
            Found::Machine(machine) => *machine,
            Found::Nothing { nearest } => panic!("nothing; {nearest:?} is near"),
        }
    }

    const TEADS: &str = "\
Instance type,Instance vCPU,Instance Memory (in GB),Platform GPU Name,Instance Number of GPU,PkgWatt @ Idle,\
PkgWatt @ 100%,RAMWatt @ Idle,RAMWatt @ 100%,Delta Full Machine
m5.xlarge,4,16,N/A,N/A,\"2,41\",\"19,92\",\"2,41\",\"15,99\",\"4,0\"
p3.2xlarge,8,61,Tesla V100,1,3.89,31.24,12.20,36.60,6.4
bad,4,16,N/A,N/A,\"2,41\",\"1.000,5\",1,1,1
";

    #[test]
    fn the_teads_table_has_decimal_commas() {
        let machine = found(TEADS, "m5.xlarge");
        // 2.41 + 2.41 + 4.0 and 19.92 + 15.99 + 4.0, as in the compiled-in table.
        assert!((machine.idle_watts.get() - 8.82).abs() < 1e-9);
        assert!((machine.busy_watts.get() - 39.91).abs() < 1e-9);
        let machine = found(TEADS, "p3.2xlarge");
        assert_eq!((machine.gpu, machine.gpu_model.as_deref()), (1, Some("Tesla V100")));
        let error = find_in("m.csv", TEADS.as_bytes(), "bad").unwrap_err().to_string();
        assert_eq!(error, "m.csv: line 4: column `PkgWatt @ 100%`: `1.000,5` is not a number");
    }

    #[test]
    fn a_server_of_specpower_is_found_by_its_name() {
        let text = "\
,System,avg. watts @ 100%,avg. watts @ active idle,Total Memory (GB),Total Threads
0,\"Acme R1 (Xeon, 2.83 GHz)\",118.0,56.7,4,8
1,Acme R2,90,100,4,8
2,Acme R3,100,50,4,8
3,Acme R3,110,50,4,8
";
        let machine = found(text, "Acme R1 (Xeon, 2.83 GHz)");
        assert_eq!(
            (machine.vcpu, machine.idle_watts.get(), machine.busy_watts.get()),
            (8, 56.7, 118.0)
        );
        let error = |name| find_in("m.csv", text.as_bytes(), name).unwrap_err().to_string();
        assert!(error("Acme R2").ends_with("`Acme R2` draws less when busy than when idle"));
        assert!(error("Acme R3").starts_with("m.csv: line 5: column `System`"));
    }

    #[test]
    fn our_own_layout_needs_little_and_a_missing_name_has_a_near_one() {
        let text = "instance_type,vcpu,memory_gib,idle_watts,busy_watts\nrack-1,64,256,90,400\n";
        let machine = found(text, "rack-1");
        assert_eq!((machine.gpu, machine.server_embodied_kg), (0, 0.0));
        let near = find_in("m.csv", text.as_bytes(), "rack1").unwrap();
        assert_eq!(near, Found::Nothing { nearest: Some("rack-1".into()) });
        for (row, expected) in [
            ("a,0,1,1,2", "`0` is not a number of one or more"),
            ("a,1.5,1,1,2", "`1.5` is not a whole number"),
            ("a,1,-1,1,2", "`-1` is out of range: 0 to ten million"),
            ("a,1,1,NaN,2", "`NaN` is out of range: 0 to ten million"),
            ("a,1,1,,2", "`` is not a number"),
            ("a,1,1,\"1,234\",2000", "`1,234` is not a number"),
        ] {
            let text = format!("instance_type,vcpu,memory_gib,idle_watts,busy_watts\n{row}\n");
            let error = find_in("m.csv", text.as_bytes(), "a").unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
        let error = find_in("m.csv", "name,watts\na,1\n".as_bytes(), "a").unwrap_err();
        assert!(error.to_string().contains("no column `instance_type`"));
    }

    proptest! {
        #[test]
        fn no_row_panics_and_no_machine_is_absurd(
            fields in prop::collection::vec("[0-9.,eE+-]{0,8}|NaN|inf|N/A", 10), own: bool,
        ) {
            let quoted: Vec<String> = fields.iter().map(|field| format!("\"{field}\"")).collect();
            let text = if own {
                let header = "instance_type,vcpu,memory_gib,idle_watts,busy_watts,server_vcpu,server_embodied_kg";
                format!("{header}\na,{}\n", quoted[..6].join(","))
            } else {
                let header = TEADS.lines().next().unwrap();
                format!("{header}\na,{}\n", quoted[..9].join(","))
            };
            if let Ok(Found::Machine(machine)) = find_in("m.csv", text.as_bytes(), "a") {
                prop_assert!(machine.vcpu > 0 && machine.busy_watts >= machine.idle_watts);
                prop_assert!(machine.embodied_kg().is_finite());
            }
        }
    }
}
