//! What a policy can answer.

use carbon_kube_core::Time;

/// Whether a pod goes to the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    Release,
    /// It waits; ask again at `until`. Whoever asks never waits past the pod's limit.
    Hold {
        /// When to ask again.
        until: Time,
    },
    /// It waits and goes at `at`, whatever is known by then: one plan, made once. Who can't
    /// remember it asks again at `at`.
    Start {
        /// When it goes.
        at: Time,
    },
}

/// Whether a running, interruptible pod goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It does.
    Continue,
    /// It does; ask again at `at`, which may come before the next look at the grid.
    Until {
        /// When to ask again.
        at: Time,
    },
    /// It is paused; ask the gate at `until`.
    Pause {
        /// When to ask again.
        until: Time,
    },
}

/// How many workers a job with a scaling profile should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Their number; 0 holds or pauses the job.
    pub workers: u32,
    /// When to ask again; at each look at the grid anyway.
    pub until: Time,
}

/// What a policy thinks of one node for one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the pod may run there.
    pub feasible: bool,
    /// 0 to [`Verdict::MAX_SCORE`], as on the extender's wire; counts ten times its weight.
    pub score: i64,
}

impl Verdict {
    /// The highest score of the extender protocol (`MaxExtenderPriority`).
    pub const MAX_SCORE: i64 = 10;

    /// Any node will do.
    pub const NO_OPINION: Verdict = Verdict { feasible: true, score: 0 };
}
