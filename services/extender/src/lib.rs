//! The kube-scheduler extender: filter, prioritize and preempt by a Carbon-Kube policy.
