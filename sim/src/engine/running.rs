//! Pods on nodes: start, pause, move, end.

use carbon_kube_core::view::{JobView, NodeView};
use carbon_kube_core::{Span, Time};
use carbon_kube_policies::Run;

use super::{Due, Live, NOT_SHIFTABLE, Phase, Simulation};
use crate::event::EventKind;
use crate::outcome::PodState;
use crate::world::{Owner, Pod};

impl Simulation<'_> {
    /// Starts a pod on a node, or starts it again.
    pub(super) fn start(&mut self, pod: u32, pool: u32, node: u32) {
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        if class.owner == Owner::Deployment && self.now >= self.world.end {
            // It never got a node while the service was wanted.
            self.live[pod as usize].phase = Phase::Done;
            self.open -= 1;
            self.record(pod, EventKind::Unfinished);
            return;
        }
        self.record(pod, EventKind::Bound { pool, node });
        self.occupy(pod, pool, node, self.wanted_workers(pod));
        self.outcomes[pod as usize].start.get_or_insert(self.now);
        self.enlist(pod);
        self.spread_load(self.world.pods[pod as usize].class);
        self.wake_refused();
        self.try_neighbours();
    }

    /// Takes room on a node for up to `wanted` workers and draws power from now on.
    fn occupy(&mut self, pod: u32, pool: u32, node: u32, wanted: u32) {
        let spec = &self.world.pods[pod as usize];
        let nodes = &mut self.nodes[pool as usize];
        let workers = nodes.room_for(node, &spec.requests, wanted);
        nodes.bind(node, pod, &spec.requests, workers);
        if workers != self.live[pod as usize].workers.max(1) {
            self.record(pod, EventKind::Scaled { workers });
        }
        let live = &mut self.live[pod as usize];
        live.phase = Phase::Running;
        live.attempts = 0;
        live.started = true;
        live.epoch += 1;
        live.workers = workers;
        live.pool = pool;
        live.node = node;
        live.since = self.now;
        let (epoch, overhead) = (live.epoch, live.overhead);
        let work = (self.remaining(pod) - overhead).millis() as f64 / self.speed(pod);
        let finish = self.now + overhead + Span::from_millis(work.round() as i64);
        self.schedule(finish, Due::Finish { pod, epoch });
        self.draw(pod);
        self.come_to(pod, pool, node);
        self.running += 1;
        if spec.max_delay.is_some() {
            self.deferrable_milli_cpu += spec.requests.cpu.0 * u64::from(workers);
        }
        self.outcomes[pod as usize].pool = Some(pool);
    }

    /// Charges the stay that ends now, and frees its room.
    pub(super) fn vacate(&mut self, pod: u32) -> (u32, u32) {
        let spec = &self.world.pods[pod as usize];
        self.stop_drawing(pod);
        let live = self.live[pod as usize];
        self.nodes[live.pool as usize].unbind(live.node, pod, &spec.requests, live.workers);
        self.go_from(pod, live.pool, live.node);
        self.running -= 1;
        if spec.max_delay.is_some() {
            self.deferrable_milli_cpu -= spec.requests.cpu.0 * u64::from(live.workers);
        }
        (live.pool, live.node)
    }

    /// A running pod's power is metered from now on.
    pub(super) fn draw(&mut self, pod: u32) {
        let (zone, power) = self.drawn(pod);
        let shared = self.join_curve(pod);
        self.meters[zone].add(self.now, power + shared, &self.carbon[zone]);
    }

    /// Charges what a running pod drew and did since it was charged last.
    pub(super) fn stop_drawing(&mut self, pod: u32) {
        let (zone, power) = self.drawn(pod);
        let (shared, bill) = self.leave_curve(pod);
        self.meters[zone].remove(self.now, power + shared, &self.carbon[zone]);
        let Live { pool, since, .. } = self.live[pod as usize];
        self.charge(pod, pool, since, power, bill);
        let (restored, worked) = self.progress(pod);
        let speed = self.world.pools[pool as usize].speed;
        let slowed = (self.now - since - restored).millis() as f64 * (1.0 - speed);
        self.outcomes[pod as usize].slowed += Span::from_millis(slowed.round() as i64);
        let live = &mut self.live[pod as usize];
        live.overhead = live.overhead - restored;
        live.done += worked;
        live.since = self.now;
    }

    /// Zone of a running pod, and what it draws by itself at the meter, in microwatts.
    fn drawn(&self, pod: u32) -> (usize, i64) {
        let live = &self.live[pod as usize];
        let power = self.accounts.power(self.world, pod, live.pool) * i64::from(live.workers);
        (self.world.pools[live.pool as usize].zone, power)
    }

    /// Tells those who watch nodes that a pod is there.
    fn come_to(&mut self, pod: u32, pool: u32, node: u32) {
        let class = self.world.pods[pod as usize].class;
        if let Some(neighbours) = &mut self.neighbours {
            neighbours.add(class, pool, node);
        }
        if let Some(residents) = &mut self.residents {
            residents.add(pool, node, pod);
            *self.priorities.entry(self.world.classes[class as usize].priority).or_default() += 1;
        }
        self.is_in_use(pool, node);
    }

    /// Tells those who watch nodes that a pod is gone.
    fn go_from(&mut self, pod: u32, pool: u32, node: u32) {
        let class = self.world.pods[pod as usize].class;
        if let Some(neighbours) = &mut self.neighbours {
            neighbours.remove(class, pool, node);
            self.try_neighbours();
        }
        if let Some(residents) = &mut self.residents {
            residents.remove(pool, node, pod);
            let priority = self.world.classes[class as usize].priority;
            let running = self.priorities.entry(priority).or_default();
            *running -= 1;
            if *running == 0 {
                self.priorities.remove(&priority);
            }
        }
        self.watch_if_empty(pool, node);
    }

    pub(super) fn finish(&mut self, pod: u32, epoch: u32) {
        let live = self.live[pod as usize];
        if live.phase != Phase::Running || live.epoch != epoch {
            return;
        }
        let (pool, node) = self.vacate(pod);
        self.delist(pod);
        self.live[pod as usize].phase = Phase::Done;
        self.open -= 1;
        let outcome = &mut self.outcomes[pod as usize];
        outcome.finish = Some(self.now);
        outcome.state = PodState::Completed;
        self.record(pod, EventKind::Finished);
        // Before the room is given away: a pod that is refused then has seen this.
        self.wake_refused();
        self.room_on(pool, node);
    }

    /// Asks the policy about each running pod that it may pause or move.
    pub(super) fn shift_running(&mut self) {
        // Pods that are paused or moved change the list: ask a copy of it, in order of pod.
        let mut pods = self.shiftable.clone();
        pods.sort_unstable();
        for pod in pods {
            let view = self.view(pod);
            let spec = &self.world.pods[pod as usize];
            let class = &self.world.classes[spec.class as usize];
            let signal = self.control.signal(self.now);
            let from = self.node_view(pod);
            if class.interruptible
                && spec.max_delay.is_some()
                && let Run::Pause { until } = self.policy.run(&view, &from, &signal)
            {
                let limit = view.must_run_by.map(|limit| limit - class.checkpoint);
                if let Some(limit) = limit.filter(|&limit| limit > self.now) {
                    self.pause(pod, until.clamp(self.now + Span::from_millis(1), limit));
                    continue;
                }
            }
            if class.migratable {
                self.consider_moving(pod);
            }
            if class.speedup.len() > 1 {
                self.rescale(pod);
            }
        }
    }

    /// How many workers the policy wants for a pod; one where it can't scale or has no opinion.
    fn wanted_workers(&self, pod: u32) -> u32 {
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        let scales = class.speedup.len() > 1 && class.owner == Owner::Job;
        if !scales || self.holds_by_filter() {
            return 1;
        }
        let workers = self.live[pod as usize].workers;
        let job = JobView { pod: self.view(pod), workers, speedup: &class.speedup };
        let wanted = self.policy.scale(&job, &self.control.signal(self.now));
        wanted.unwrap_or(workers).clamp(1, class.speedup.len() as u32)
    }

    /// Gives a running job the workers that the policy wants, as far as its node has room.
    fn rescale(&mut self, pod: u32) {
        let wanted = self.wanted_workers(pod);
        let before = self.live[pod as usize].workers;
        if wanted == before {
            return;
        }
        let (pool, node) = self.vacate(pod);
        self.occupy(pod, pool, node, wanted);
        if self.live[pod as usize].workers < before {
            self.room_on(pool, node);
        }
    }

    fn pause(&mut self, pod: u32, until: Time) {
        let (pool, node) = self.vacate(pod);
        self.delist(pod);
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        self.live[pod as usize].overhead = class.checkpoint;
        self.outcomes[pod as usize].pauses += 1;
        self.record(pod, EventKind::Paused);
        self.hold(pod, until);
        self.room_on(pool, node);
    }

    /// Asks where the pod should go, among the pools that may have room for it.
    fn consider_moving(&mut self, pod: u32) {
        let spec = &self.world.pods[pod as usize];
        let class = &self.classes[spec.class as usize];
        let from = self.live[pod as usize].pool;
        let mut pools = Vec::new();
        let mut views = Vec::new();
        for (eligible, view) in class.eligible.iter().zip(&class.views) {
            let roomy = self.nodes[eligible.pool as usize].may_fit(None, &spec.requests);
            if eligible.pool != from && roomy {
                pools.push(eligible.pool);
                views.push(*view);
            }
        }
        let signal = self.control.signal(self.now);
        let choice = self.policy.migrate(&self.view(pod), &self.node_view(pod), &views, &signal);
        let destination = choice
            .and_then(|choice| pools.get(choice))
            .and_then(|&pool| self.destination(pod, pool).map(|node| (pool, node)));
        // A move costs downtime: a pod that would be late for it stays.
        let downtime = self.world.classes[spec.class as usize].checkpoint;
        let in_time = self.view(pod).must_run_by.is_none_or(|limit| limit - downtime >= self.now);
        if let Some((pool, node)) = destination.filter(|_| in_time && self.may_disrupt(pod)) {
            self.migrate(pod, pool, node);
        }
    }

    /// The node of a pool that a moved pod would take.
    fn destination(&self, pod: u32, pool: u32) -> Option<u32> {
        let Pod { class, requests, .. } = &self.world.pods[pod as usize];
        let nodes = &self.nodes[pool as usize];
        match &self.neighbours {
            Some(neighbours) if neighbours.has_rules(*class) => {
                let mut fitting = nodes.fitting(requests);
                fitting.find(|&node| neighbours.allows(*class, pool, node))
            }
            _ => nodes.best(requests),
        }
    }

    fn migrate(&mut self, pod: u32, pool: u32, node: u32) {
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        let (from_pool, from_node) = self.vacate(pod);
        self.live[pod as usize].overhead = class.checkpoint;
        self.count_downtime(pod);
        self.charge_transfer(pod, from_pool, pool);
        self.record(pod, EventKind::Migrated { pool, node });
        self.occupy(pod, pool, node, self.wanted_workers(pod));
        self.outcomes[pod as usize].migrations += 1;
        self.control.count_move(self.world.pools[from_pool as usize].zone, self.now);
        self.room_on(from_pool, from_node);
    }

    /// The view of the node that a running pod is on.
    fn node_view(&self, pod: u32) -> NodeView {
        let class = &self.classes[self.world.pods[pod as usize].class as usize];
        let pool = self.live[pod as usize].pool;
        let position = class.eligible.iter().position(|e| e.pool == pool);
        class.views[position.expect("a pod runs in a pool that its class may use")]
    }

    /// Adds a running pod to those that a policy may pause or move.
    fn enlist(&mut self, pod: u32) {
        let spec = &self.world.pods[pod as usize];
        let class = &self.world.classes[spec.class as usize];
        let shiftable = class.migratable
            || (class.speedup.len() > 1 && class.owner == Owner::Job)
            || (class.interruptible && spec.max_delay.is_some());
        self.live[pod as usize].shiftable = if shiftable && !self.holds_by_filter() {
            self.shiftable.push(pod);
            self.shiftable.len() as u32 - 1
        } else {
            NOT_SHIFTABLE
        };
    }

    pub(super) fn delist(&mut self, pod: u32) {
        let position = self.live[pod as usize].shiftable;
        if position == NOT_SHIFTABLE {
            return;
        }
        self.shiftable.swap_remove(position as usize);
        if let Some(&moved) = self.shiftable.get(position as usize) {
            self.live[moved as usize].shiftable = position;
        }
        self.live[pod as usize].shiftable = NOT_SHIFTABLE;
    }
}
