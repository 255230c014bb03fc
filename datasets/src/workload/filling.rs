//! What is taken for things that a trace does not say. Each use is counted in the [`Account`].

use carbon_kube_core::{Bytes, MilliCpu, Span};

use super::account::Account;
use super::amounts;
use super::columns::TimeUnit;

/// What is taken where a trace is silent.
#[derive(Clone, Debug, PartialEq)]
pub struct Filling {
    /// Memory of a pod for each requested core.
    pub memory_per_core: Bytes,
    /// The machine that normalised requests are parts of; `None`: the format's own.
    pub machine: Option<Machine>,
    /// Unit of times, for a format that has no fixed one.
    pub time_unit: Option<TimeUnit>,
    /// Root of what is drawn.
    pub seed: u64,
}

/// A machine that requests are parts of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its CPU.
    pub cpu: MilliCpu,
    /// Its memory.
    pub memory: Bytes,
}

impl Default for Filling {
    fn default() -> Self {
        // What general-purpose instances of all clouds have for each core.
        let memory_per_core = Bytes(4 * amounts::GIB);
        Self { memory_per_core, machine: None, time_unit: None, seed: 0 }
    }
}

impl Filling {
    /// Memory where the trace has none.
    pub(super) fn memory(&self, cpu: MilliCpu, account: &mut Account) -> Bytes {
        account.assume("memory-per-core", || {
            let gib = amounts::gib(self.memory_per_core);
            format!("{gib} of memory per core, where the trace has none")
        });
        amounts::per_core(cpu, self.memory_per_core)
    }

    /// The machine, with so many cores unless the user named another.
    pub(super) fn machine(&self, cores: u64) -> Machine {
        let cpu = MilliCpu(cores * 1_000);
        self.machine.unwrap_or_else(|| Machine {
            cpu,
            memory: amounts::per_core(cpu, self.memory_per_core),
        })
    }
}

/// Of a trace in whole seconds: a run of none takes one.
pub(super) fn at_least_a_second(run: Span, account: &mut Account) -> Span {
    if run >= Span::SECOND {
        return run;
    }
    account.assume("under-a-second", || "a run of less than a second takes one".to_owned());
    Span::SECOND
}
