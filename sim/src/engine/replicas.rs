//! Deployments whose load changes, and the HorizontalPodAutoscaler that follows it.
//!
//! At each step of the load the wanted number of replicas is worked out, replicas are added or
//! switched off, and the load is spread evenly over those that run: a pod's utilisation, and so its
//! power, changes with it. What the running replicas can't serve is counted, not forgotten. The real
//! autoscaler is slower (15 s between looks, five minutes before it goes down), which matters for
//! steps of minutes.

use carbon_kube_core::Time;

use super::{Due, Phase, Simulation};
use crate::event::EventKind;
use crate::outcome::PodState;
use crate::world::World;

/// A Deployment whose load changes.
pub(super) struct Service {
    class: u32,
    /// Its pods; the first of them are the wanted ones.
    slots: Vec<u32>,
    /// Load now, in cores.
    load: f64,
    /// Part of it that the running replicas can't serve.
    lacking: f64,
    /// Core-hours that were not served up to `since`.
    unserved: f64,
    since: Time,
}

impl Service {
    pub(super) fn all(world: &World) -> Vec<Self> {
        let with_load = (0u32..).zip(&world.classes).filter(|(_, class)| class.load.is_some());
        let slots = |class: u32| {
            let pods = (0u32..).zip(&world.pods).filter(move |(_, pod)| pod.class == class);
            pods.map(|(number, _)| number).collect()
        };
        with_load
            .map(|(class, _)| Self {
                class,
                slots: slots(class),
                load: 0.0,
                lacking: 0.0,
                unserved: 0.0,
                since: world.start,
            })
            .collect()
    }

    /// Core-hours of load that no replica could serve up to `now`.
    pub(super) fn unserved(&self, now: Time) -> f64 {
        self.unserved + self.lacking * (now - self.since).hours()
    }

    /// From now on the running replicas have so many cores.
    fn serve_with(&mut self, cores: f64, now: Time) {
        self.unserved = self.unserved(now);
        self.since = now;
        self.lacking = (self.load - cores).max(0.0);
    }
}

impl Simulation<'_> {
    /// A step of a service's load begins, or the window has ended.
    pub(super) fn change_load(&mut self, number: u32) {
        let Service { class, slots, .. } = &self.services[number as usize];
        let (class, slots) = (*class, slots.clone());
        let Some(load) = &self.world.classes[class as usize].load else {
            return;
        };
        if self.now >= self.world.end {
            self.services[number as usize].load = 0.0;
            self.spread_load(class);
            slots.into_iter().for_each(|pod| self.close_slot(pod));
            return;
        }
        let step = (self.now - self.world.start).millis() / load.step.millis();
        let cores = load.cores[step as usize % load.cores.len()];
        self.services[number as usize].load = cores;
        let wanted = load.replicas(cores, slots.first().map_or(0.0, |&pod| self.cores(pod)));
        for &pod in slots.iter().skip(wanted as usize).rev() {
            self.switch_off(pod);
        }
        for &pod in slots.iter().take(wanted as usize) {
            self.switch_on(pod);
        }
        self.spread_load(class);
        self.schedule((self.now + load.step).min(self.world.end), Due::Load { service: number });
    }

    fn switch_on(&mut self, pod: u32) {
        if self.live[pod as usize].phase == Phase::Future {
            self.record(pod, EventKind::Submitted);
            self.admit(pod);
        }
    }

    /// A replica that nobody needs any more.
    fn switch_off(&mut self, pod: u32) {
        match self.live[pod as usize].phase {
            Phase::Running => {
                let (pool, node) = self.vacate(pod);
                self.delist(pod);
                self.live[pod as usize].phase = Phase::Future;
                self.outcomes[pod as usize].finish = Some(self.now);
                self.outcomes[pod as usize].state = PodState::Completed;
                self.record(pod, EventKind::Finished);
                self.wake_refused();
                self.room_on(pool, node);
            }
            Phase::Pending => {
                self.forget_pending(pod);
                self.live[pod as usize].phase = Phase::Future;
            }
            _ => {}
        }
    }

    /// The window ends: what runs finishes by itself, the rest never comes back.
    fn close_slot(&mut self, pod: u32) {
        let phase = self.live[pod as usize].phase;
        if phase == Phase::Pending {
            self.forget_pending(pod);
            self.record(pod, EventKind::Unfinished);
        } else if phase != Phase::Future {
            return;
        }
        let outcome = &mut self.outcomes[pod as usize];
        if phase == Phase::Future && outcome.start.is_none() {
            outcome.state = PodState::NotNeeded;
        }
        self.live[pod as usize].phase = Phase::Done;
        self.open -= 1;
    }

    /// Spreads a service's load over the replicas that run now: charges them up to now as they
    /// were, and gives each its new utilisation.
    pub(super) fn spread_load(&mut self, class: u32) {
        let Some(number) = self.services.iter().position(|service| service.class == class) else {
            return;
        };
        let running: Vec<u32> = self.services[number]
            .slots
            .iter()
            .copied()
            .filter(|&pod| self.live[pod as usize].phase == Phase::Running)
            .collect();
        for &pod in &running {
            self.stop_drawing(pod);
        }
        let cores: f64 = running.iter().map(|&pod| self.cores(pod)).sum();
        let service = &mut self.services[number];
        service.serve_with(cores, self.now);
        let utilisation = if cores > 0.0 { (service.load / cores).min(1.0) } else { 0.0 };
        self.accounts.set_utilisation(self.world, class, utilisation);
        for &pod in &running {
            self.draw(pod);
        }
    }

    /// Requested CPU of a pod, in cores.
    fn cores(&self, pod: u32) -> f64 {
        self.world.pods[pod as usize].requests.cpu.0 as f64 / 1_000.0
    }
}
