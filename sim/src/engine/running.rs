//! Pods on nodes: start, pause, move, end.

use carbon_kube_core::view::{JobView, NodeView};
use carbon_kube_core::{Span, Time};
use carbon_kube_policies::{Run, Scale};

use super::{Due, Live, NOT_SHIFTABLE, Phase, Simulation};
use crate::event::EventKind;
use crate::outcome::PodState;
use crate::world::{Owner, Pod, Pool, Resources};

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
        let wanted = self.scale(pod).map_or(1, |scale| scale.workers);
        self.occupy(pod, pool, node, wanted.max(1));
        self.outcomes[pod as usize].start.get_or_insert(self.now);
        self.enlist(pod);
        self.spread_load(self.world.pods[pod as usize].class);
        self.wake_refused();
        self.try_neighbours();
        self.look_ahead(pod);
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
        // A look that was due belongs to the stay before.
        live.look = Time::default();
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
        self.leave(pod);
        let live = self.live[pod as usize];
        self.nodes[live.pool as usize].unbind(live.node, pod, &spec.requests, live.workers);
        self.go_from(pod, live.pool, live.node);
        (live.pool, live.node)
    }

    /// Charges the stay that ends now.
    fn leave(&mut self, pod: u32) {
        let spec = &self.world.pods[pod as usize];
        self.stop_drawing(pod);
        self.running -= 1;
        if spec.max_delay.is_some() {
            let workers = self.live[pod as usize].workers;
            self.deferrable_milli_cpu -= spec.requests.cpu.0 * u64::from(workers);
        }
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
        // Most nodes have the speed that lengths are measured on.
        if speed.total_cmp(&1.0).is_ne() {
            let slowed = (self.now - since - restored).millis() as f64 * (1.0 - speed);
            self.outcomes[pod as usize].slowed += Span::from_millis(slowed.round() as i64);
        }
        let live = &mut self.live[pod as usize];
        live.overhead = live.overhead - restored;
        live.done += worked;
        live.since = self.now;
    }

    /// Zone of a running pod, and what it draws by itself at the meter, in microwatts.
    fn drawn(&self, pod: u32) -> (usize, i64) {
        let live = &self.live[pod as usize];
        let one = self.accounts.power(self.world, pod, live.pool);
        (self.world.pools[live.pool as usize].zone, self.drawn_by_workers(pod, one))
    }

    /// What the pod's workers draw, by what one of them draws.
    fn drawn_by_workers(&self, pod: u32, one: i64) -> i64 {
        let workers = self.live[pod as usize].workers;
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        match class.draw.get(workers.saturating_sub(1) as usize) {
            Some(&draw) if workers > 1 => (one as f64 * draw).round() as i64,
            _ => one * i64::from(workers),
        }
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
        self.leave(pod);
        self.delist(pod);
        self.live[pod as usize].phase = Phase::Done;
        self.open -= 1;
        let outcome = &mut self.outcomes[pod as usize];
        outcome.finish = Some(self.now);
        outcome.state = PodState::Completed;
        self.record(pod, EventKind::Finished);
        let cleanup = self.world.scheduler.cleanup;
        if cleanup.is_positive() {
            self.schedule(self.now + cleanup, Due::Room { pod });
        } else {
            self.free_room(pod);
        }
    }

    /// Gives away the room of a pod that has ended.
    pub(super) fn free_room(&mut self, pod: u32) {
        let Live { pool, node, workers, .. } = self.live[pod as usize];
        let requests = &self.world.pods[pod as usize].requests;
        self.nodes[pool as usize].unbind(node, pod, requests, workers);
        self.go_from(pod, pool, node);
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
            // The room of one that was paused may have gone to a pod that preempted this one.
            if self.live[pod as usize].phase == Phase::Running {
                self.shift(pod);
            }
        }
    }

    /// A running pod's next look, unless that stay is over.
    pub(super) fn look_at(&mut self, pod: u32, epoch: u32) {
        let live = &mut self.live[pod as usize];
        if live.phase == Phase::Running && live.epoch == epoch && live.look == self.now {
            live.look = Time::default();
            self.shift(pod);
        }
    }

    fn shift(&mut self, pod: u32) {
        let spec = &self.world.pods[pod as usize];
        let class = &self.world.classes[spec.class as usize];
        if self.may_pause(pod) {
            match self.ask_to_go_on(pod) {
                Run::Continue => {}
                Run::Until { at } => self.look_again(pod, at),
                Run::Pause { until } => {
                    let limit = self.view(pod).must_run_by.map(|limit| limit - class.checkpoint);
                    if let Some(limit) = limit.filter(|&limit| limit > self.now) {
                        return self
                            .pause(pod, until.clamp(self.now + Span::from_millis(1), limit));
                    }
                }
            }
        }
        if class.migratable {
            self.consider_moving(pod);
        }
        self.rescale(pod);
    }

    fn may_pause(&self, pod: u32) -> bool {
        let spec = &self.world.pods[pod as usize];
        let is_interruptible = self.world.classes[spec.class as usize].interruptible;
        is_interruptible && spec.max_delay.is_some() && !self.holds_by_filter()
    }

    fn ask_to_go_on(&self, pod: u32) -> Run {
        let signal = self.control.signal(self.now);
        self.policy.run(&self.view(pod), &self.node_view(pod), &signal)
    }

    /// A pod has just started: the policy may want to be asked before the next look at the grid.
    fn look_ahead(&mut self, pod: u32) {
        if self.may_pause(pod)
            && let Run::Until { at } = self.ask_to_go_on(pod)
        {
            self.look_again(pod, at);
        }
        if let Some(scale) = self.scale(pod) {
            self.look_again(pod, self.before_the_rush(pod, scale.until));
        }
    }

    /// `until`, or earlier: when the job must have all of its workers, if it goes on as it is.
    fn before_the_rush(&self, pod: u32, until: Time) -> Time {
        let limit = self.fastest_limit(pod).zip(self.profile(pod));
        let Some((limit, (speedup, _))) = limit.filter(|(limit, _)| *limit > self.now) else {
            return until;
        };
        let (most, own) = (fastest(speedup).1, self.speed(pod));
        let as_it_is = Span::from_millis((self.remaining(pod).millis() as f64 / own) as i64);
        let spec = &self.world.pods[pod as usize];
        let due = spec.arrival + spec.max_delay.unwrap_or_default() + spec.duration;
        // Done at the due instant is in time, a millisecond of rounding this way or that.
        if own >= most || self.now + as_it_is <= due + Span::SECOND {
            return until;
        }
        // Work at less than full speed brings the limit nearer by what is not done.
        let left = (limit - self.now).millis() as f64 * most / (most - own);
        until.min(self.now.saturating_add(Span::from_millis(left as i64)))
    }

    /// Asks a running pod again at `at`; not where that comes to nothing.
    fn look_again(&mut self, pod: u32, at: Time) {
        let live = &mut self.live[pod as usize];
        let is_later = live.look > self.now && live.look <= at;
        if at > self.now && !is_later {
            live.look = at;
            let epoch = live.epoch;
            self.schedule(at, Due::Look { pod, epoch });
        }
    }

    /// How many workers the policy wants for a pod; `None` where it can't scale, or there is no
    /// opinion.
    pub(super) fn scale(&self, pod: u32) -> Option<Scale> {
        let (speedup, draw) = self.profile(pod)?;
        let live = &self.live[pod as usize];
        let workers = if live.phase == Phase::Running { live.workers } else { 0 };
        let job = JobView { pod: self.view(pod), workers, speedup, draw };
        let scale = self.policy.scale(&job, &self.control.signal(self.now))?;
        let must_hurry = self.fastest_limit(pod).is_some_and(|limit| limit <= self.now);
        let workers = if must_hurry { fastest(speedup).0 } else { scale.workers };
        Some(Scale { workers: workers.min(speedup.len() as u32), ..scale })
    }

    /// Work and power of the workers that an empty node would hold; `None` for a pod that has one.
    fn profile(&self, pod: u32) -> Option<(&[f64], &[f64])> {
        let spec = &self.world.pods[pod as usize];
        let class = &self.world.classes[spec.class as usize];
        if class.speedup.len() < 2 || class.owner != Owner::Job || self.holds_by_filter() {
            return None;
        }
        let eligible = self.classes[spec.class as usize].eligible.iter();
        let pools = eligible.map(|e| &self.world.pools[e.pool as usize]);
        let most = pools.map(|pool| pool.most_workers(&spec.requests)).max()? as usize;
        let most = most.clamp(1, class.speedup.len().min(class.draw.len()));
        Some((&class.speedup[..most], &class.draw[..most]))
    }

    /// From when on a job must run with all of its workers to be done in time; `None` where it
    /// doesn't wait.
    pub(super) fn fastest_limit(&self, pod: u32) -> Option<Time> {
        let spec = &self.world.pods[pod as usize];
        let (speedup, _) = self.profile(pod)?;
        let restored = self.live[pod as usize].overhead - self.progress(pod).0;
        let work = (self.remaining(pod) - restored).millis() as f64 / fastest(speedup).1;
        let least = restored + Span::from_millis(work.ceil() as i64);
        Some(spec.arrival + spec.max_delay? + spec.duration - least - self.lead)
    }

    /// Gives a running job the workers that the policy wants, as far as its node has room.
    fn rescale(&mut self, pod: u32) {
        let Some(Scale { workers: wanted, until }) = self.scale(pod) else {
            return;
        };
        let spec = &self.world.pods[pod as usize];
        let checkpoint = self.world.classes[spec.class as usize].checkpoint;
        if wanted == 0 && self.may_pause(pod) {
            let limit = self.fastest_limit(pod).map(|limit| limit - checkpoint);
            if let Some(limit) = limit.filter(|&limit| limit > self.now) {
                return self.pause(pod, until.clamp(self.now + Span::from_millis(1), limit));
            }
        }
        let before = self.live[pod as usize].workers;
        if wanted.max(1) != before {
            let (pool, node) = self.vacate(pod);
            self.occupy(pod, pool, node, wanted.max(1));
            if self.live[pod as usize].workers < before {
                self.room_on(pool, node);
            }
        }
        self.look_again(pod, self.before_the_rush(pod, until));
    }

    fn pause(&mut self, pod: u32, until: Time) {
        self.live[pod as usize].planned = false;
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
        let wanted = self.scale(pod).map_or(self.live[pod as usize].workers, |scale| scale.workers);
        self.occupy(pod, pool, node, wanted.max(1));
        self.outcomes[pod as usize].migrations += 1;
        self.look_ahead(pod);
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

/// How many workers do most work per hour, the fewest of equals, and how much over one worker.
fn fastest(speedup: &[f64]) -> (u32, f64) {
    (1..).zip(speedup.iter().copied()).fold(
        (1, 1.0),
        |best, next| {
            if next.1 > best.1 { next } else { best }
        },
    )
}

impl Pool {
    /// How many workers of these requests an empty node holds.
    fn most_workers(&self, each: &Resources) -> u32 {
        let times = |room: u64, each: u64| room.checked_div(each).unwrap_or(u64::MAX);
        let most = times(self.allocatable.cpu.0, each.cpu.0)
            .min(times(self.allocatable.memory.0, each.memory.0))
            .min(times(self.allocatable.gpu.0.into(), each.gpu.0.into()))
            .min(self.max_pods.into());
        u32::try_from(most).unwrap_or(u32::MAX)
    }
}
