use std::time::{Duration, Instant};

use sinew_bus::Waiter;
use sinew_types::Time;

use crate::node::{Node, NodeError, Progress};

/// How virtual time relates to wall time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as the machine can.
    Fastest,
    /// This many seconds of virtual time per second of wall time, at most.
    Factor(f64),
}

/// Steps all nodes of a composed system in virtual time, on one thread.
///
/// Steps are ordered by (time, rank, sequence), where the rank is the order in which nodes were
/// added; with an in-process bus that delivers at once, the same inputs give the same run, bit for
/// bit.
pub struct VirtualExecutor {
    nodes: Vec<Scheduled>,
    now: Time,
    pace: Pace,
    origin: Option<(Instant, Time)>,
    waiter: Option<Waiter>,
}

struct Scheduled {
    due: Time,
    node: Box<dyn Node>,
}

/// How often a node that waits for the outside is asked again, in wall time.
const OUTSIDE_POLL: Duration = Duration::from_millis(1);

impl VirtualExecutor {
    /// An executor without nodes, at time zero.
    pub fn new(pace: Pace) -> Self {
        Self { nodes: Vec::new(), now: Time::ZERO, pace, origin: None, waiter: None }
    }

    /// Wakes a node that waits for the outside as soon as something arrives on the bus.
    pub fn wake_on(&mut self, waiter: Waiter) {
        self.waiter = Some(waiter);
    }

    /// Adds a node; at equal times those added first are stepped first.
    pub fn add(&mut self, node: Box<dyn Node>) {
        self.nodes.push(Scheduled { due: self.now, node });
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Steps nodes until `until` says so, which is asked after each moment at which something ran.
    ///
    /// # Errors
    /// The first error of a node; all nodes were then shut down.
    pub fn run(&mut self, mut until: impl FnMut(Time) -> bool) -> Result<(), NodeError> {
        loop {
            let Some(next) = self.nodes.iter().map(|n| n.due).min() else { return Ok(()) };
            let lateness = self.wait_for(next);
            self.now = next;
            if let Err(error) = self.step_due(lateness) {
                self.shutdown();
                return Err(error);
            }
            if until(next) {
                return Ok(());
            }
        }
    }

    /// Shuts all nodes down, the last added first, so that who commands stops before who obeys.
    pub fn shutdown(&mut self) {
        for scheduled in self.nodes.drain(..).rev() {
            let mut node = scheduled.node;
            node.shutdown(self.now);
        }
    }

    fn step_due(&mut self, lateness: Duration) -> Result<(), NodeError> {
        for scheduled in &mut self.nodes {
            if scheduled.due > self.now {
                continue;
            }
            scheduled.node.woke_late(lateness);
            while scheduled.node.step(self.now)? == Progress::WaitsOutside {
                match &mut self.waiter {
                    Some(waiter) => {
                        waiter.wait(OUTSIDE_POLL);
                    }
                    None => std::thread::sleep(OUTSIDE_POLL),
                }
                // The wait is not part of the paced time.
                self.origin = None;
            }
            // From the due time, not from now: a node's steps stay on its own grid.
            scheduled.due += scheduled.node.period();
        }
        Ok(())
    }

    /// Waits for the wall time of `next`, and gives how long ago that is when it ends.
    fn wait_for(&mut self, next: Time) -> Duration {
        let Pace::Factor(factor) = self.pace else { return Duration::ZERO };
        let (started, from) = *self.origin.get_or_insert((Instant::now(), next));
        let target = next.since(from).div_f64(factor);
        if let Some(left) = target.checked_sub(started.elapsed()) {
            std::thread::sleep(left);
        }
        started.elapsed().saturating_sub(target)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    type Trace = Arc<Mutex<Vec<(u64, &'static str)>>>;

    struct Probe {
        name: &'static str,
        period: Duration,
        trace: Trace,
        outside: u32,
    }

    impl Node for Probe {
        fn name(&self) -> &str {
            self.name
        }

        fn period(&self) -> Duration {
            self.period
        }

        fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
            if self.outside > 0 {
                self.outside -= 1;
                return Ok(Progress::WaitsOutside);
            }
            let entry = (now.as_nanos() / 1_000_000, self.name);
            self.trace.lock().expect("not poisoned").push(entry);
            Ok(Progress::Done)
        }
    }

    fn probe(name: &'static str, period_ms: u64, trace: &Trace, outside: u32) -> Box<Probe> {
        let period = Duration::from_millis(period_ms);
        Box::new(Probe { name, period, trace: trace.clone(), outside })
    }

    #[test]
    fn steps_are_ordered_by_time_and_then_by_rank() {
        let trace = Trace::default();
        let mut executor = VirtualExecutor::new(Pace::Fastest);
        executor.add(probe("fast", 10, &trace, 0));
        executor.add(probe("slow", 20, &trace, 0));
        executor.run(|now| now >= Time::from_nanos(20_000_000)).expect("no node fails");
        let expected = [(0, "fast"), (0, "slow"), (10, "fast"), (20, "fast"), (20, "slow")];
        assert_eq!(*trace.lock().expect("not poisoned"), expected);
    }

    #[test]
    fn virtual_time_stands_still_for_an_answer_from_outside() {
        let trace = Trace::default();
        let mut executor = VirtualExecutor::new(Pace::Fastest);
        executor.add(probe("asks", 10, &trace, 3));
        executor.run(|_| true).expect("no node fails");
        assert_eq!(*trace.lock().expect("not poisoned"), [(0, "asks")]);
    }
}
