use std::sync::atomic::Ordering;
use std::time::Duration;

use sinew_bus::{BusError, BusNode, TypeMismatch};
use sinew_hardware::{
    CommandRefusal, ControlSnapshot, LatencyHistogram, LoopStats, Mode, SafetyState,
};
use sinew_types::{JointHealth, JointState, Layout, Time};

use crate::external::Tally;
use crate::health::{ERROR, Found, Health, WARN};
use crate::ros_clock::RosClock;
use crate::type_watch::TypeWatch;

/// Share of cycles in which a group is clamped from which on that is worth a warning.
const CLAMPED_SHARE: f64 = 0.5;

/// Tells at 1 Hz how control loop, gate and joints are, as ROS 2's tools show it.
///
/// Statuses are named `NODE: control loop`, `NODE: gate`, `NODE: joint NAME`, `NODE: action NAME` and `NODE: types`, with
/// the robot's name as hardware id.
pub(super) struct Diagnostics {
    health: Health,
    layout: Layout,
    last: Option<Last>,
    /// Goals of each action that did not go well, as they were told last.
    troubles: Vec<u64>,
    types: TypeWatch,
}

/// What counters stood at when they were told last.
#[derive(Clone, Copy, Default)]
struct Last {
    at: Time,
    cycle: u64,
    clamped: u64,
    missed: u64,
    stalls: u64,
}

impl Diagnostics {
    pub(super) fn new(
        node: &BusNode,
        robot: &str,
        layout: Layout,
        clock: RosClock,
    ) -> Result<Self, BusError> {
        Ok(Self {
            health: Health::new(node, robot, clock)?,
            layout,
            last: None,
            troubles: Vec::new(),
            types: TypeWatch::new(node),
        })
    }

    /// Publishes if a second has passed; `stats` are those of a loop that runs on its own thread.
    pub(super) fn publish_due<'a>(
        &mut self,
        now: Time,
        snapshot: &ControlSnapshot,
        stats: Option<&LoopStats>,
        actions: impl Iterator<Item = &'a Tally>,
    ) -> Result<(), BusError> {
        if self.last.is_some_and(|last| now.since(last.at) < Health::PERIOD) {
            return Ok(());
        }
        let (safety, state) = (&snapshot.safety, &snapshot.state);
        let counted = Last {
            at: now,
            cycle: safety.cycle,
            clamped: most_clamped(safety),
            missed: stats.map_or(0, |stats| stats.missed.load(Ordering::Relaxed)),
            stalls: stats.map_or(0, |stats| stats.stalls.load(Ordering::Relaxed)),
        };
        let Some(last) = self.last.replace(counted) else {
            // The first second is over in one second.
            return Ok(());
        };
        let mut status = vec![
            self.health.status("control loop", loop_status(last, counted, stats)),
            self.health.status("gate", gate_status(last, counted, safety, &self.layout)),
        ];
        for ((name, joint), health) in
            self.layout.joints().iter().zip(&state.joints).zip(&state.health)
        {
            status.push(self.health.status(&format!("joint {name}"), joint_status(joint, health)));
        }
        let mut troubles = Vec::new();
        for (i, tally) in actions.enumerate() {
            let last = self.troubles.get(i).copied().unwrap_or(0);
            let found = action_status(tally, last);
            status.push(self.health.status(&format!("action {}", tally.action()), found));
            troubles.push(tally.troubles());
        }
        self.troubles = troubles;
        let found = types_status(self.types.look());
        status.push(self.health.status("types", found));
        self.health.publish(now, status)
    }
}

/// Nodes that do not hear this one, nor are heard, since their types are defined otherwise.
fn types_status(mismatches: &[TypeMismatch]) -> Found {
    let mut found = Found::ok();
    for mismatch in mismatches {
        found.raise(ERROR, format_args!("nothing is heard: {mismatch}"));
        found.value(&mismatch.name, mismatch);
    }
    found
}

fn loop_status(last: Last, counted: Last, stats: Option<&LoopStats>) -> Found {
    let mut found = Found::ok();
    let seconds = counted.at.since(last.at).as_secs_f64();
    let rate = (counted.cycle - last.cycle) as f64 / seconds;
    found.value("rate_hz", format!("{rate:.1}"));
    found.value("cycles", counted.cycle);
    let Some(stats) = stats else {
        found.value("clock", "simulated");
        return found;
    };
    found.value("clock", "monotonic");
    let is_fifo = stats.is_fifo.load(Ordering::SeqCst);
    if counted.stalls > last.stalls {
        found.raise(ERROR, "the loop stood still and the watchdog stopped the actuators");
    }
    if counted.missed > last.missed {
        found.raise(WARN, format!("{} deadlines missed", counted.missed - last.missed));
    }
    if !is_fifo {
        found.raise(WARN, "not scheduled in real time: SCHED_FIFO was refused");
    }
    found.value("sched_fifo", is_fifo);
    found.value("memory_locked", stats.is_memory_locked.load(Ordering::SeqCst));
    found.value("missed_deadlines", counted.missed);
    found.value("stalls", counted.stalls);
    for (name, histogram) in [("lateness", &stats.lateness), ("work", &stats.work)] {
        percentiles(&mut found, name, histogram);
    }
    found
}

fn percentiles(found: &mut Found, name: &str, histogram: &LatencyHistogram) {
    let us = |duration: Duration| format!("{:.1}", duration.as_secs_f64() * 1e6);
    found.value(format!("{name}_p50_us"), us(histogram.quantile(0.5)));
    found.value(format!("{name}_p99_us"), us(histogram.quantile(0.99)));
    found.value(format!("{name}_max_us"), us(histogram.max()));
}

/// Clamped cycles of the group that was clamped in most of them.
fn most_clamped(safety: &SafetyState) -> u64 {
    safety.groups.iter().map(|group| group.clamps.total()).max().unwrap_or(0)
}

fn gate_status(last: Last, counted: Last, safety: &SafetyState, layout: &Layout) -> Found {
    let mut found = Found::ok();
    let causes: Vec<&str> = safety.causes.iter().map(|cause| cause.as_str()).collect();
    let causes = causes.join(", ");
    match safety.mode {
        Mode::Disarmed | Mode::Ready => {}
        Mode::ProtectiveStop => found.raise(WARN, format!("protective stop: {causes}")),
        Mode::Fault => found.raise(ERROR, format!("fault: {causes}")),
        Mode::EStop => found.raise(ERROR, format!("emergency stop: {causes}")),
    }
    let cycles = (counted.cycle - last.cycle) as f64;
    let clamped = counted.clamped.saturating_sub(last.clamped) as f64;
    if clamped > CLAMPED_SHARE * cycles {
        found.raise(
            WARN,
            format!("commands clamped in {:.0} % of cycles", 100.0 * clamped / cycles),
        );
    }
    found.value("mode", format!("{:?}", safety.mode));
    found.value("causes", causes);
    found.value("stop_epoch", safety.stop_epoch.0);
    found.value("e_stop_pressed", safety.e_stop_pressed);
    for (group, state) in layout.groups().iter().zip(&safety.groups) {
        let clamps = &state.clamps;
        found.value(format!("clamps/{}/position", group.name), clamps.position);
        found.value(format!("clamps/{}/velocity", group.name), clamps.velocity);
        found.value(format!("clamps/{}/acceleration", group.name), clamps.acceleration);
        found.value(format!("clamps/{}/effort", group.name), clamps.effort);
    }
    for reason in CommandRefusal::ALL {
        found.value(format!("refused/{}", refusal_name(reason)), safety.refused.get(reason));
    }
    found
}

fn refusal_name(reason: CommandRefusal) -> &'static str {
    match reason {
        CommandRefusal::UnknownLease => "unknown_lease",
        CommandRefusal::BootId => "boot_id",
        CommandRefusal::Layout => "layout",
        CommandRefusal::OldSeq => "old_seq",
        CommandRefusal::NotFinite => "not_finite",
        CommandRefusal::OutsideLease => "outside_lease",
        CommandRefusal::Interface => "interface",
        CommandRefusal::ValidFor => "valid_for",
        CommandRefusal::DeadMan => "dead_man",
        _ => "other",
    }
}

fn joint_status(joint: &JointState, health: &JointHealth) -> Found {
    let mut found = Found::ok();
    if health.fault != 0 {
        found.raise(ERROR, format!("device fault {}", health.fault));
    }
    if !joint.valid {
        found.raise(ERROR, "not measured");
    }
    found.value("valid", joint.valid);
    found.value("fault", health.fault);
    let measured = [
        ("temperature_c", health.temperature_c),
        ("voltage_v", health.voltage_v),
        ("load", health.load),
    ];
    for (key, value) in measured {
        if let Some(value) = value {
            found.value(key, format!("{value:.2}"));
        }
    }
    found
}

/// A warning in the second after a goal that did not go well, of which `last` were told.
fn action_status(tally: &Tally, last: u64) -> Found {
    let mut found = Found::ok();
    if tally.troubles() > last {
        found.raise(WARN, tally.why());
    }
    for (name, count) in tally.counts() {
        found.value(name, count);
    }
    found.value("last_trouble", tally.why());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: u8 = 0;

    #[test]
    fn a_joint_with_a_fault_is_an_error_and_shows_what_it_measures() {
        let joint = JointState { valid: true, ..JointState::default() };
        let health =
            JointHealth { temperature_c: Some(61.0), voltage_v: None, load: Some(-0.5), fault: 32 };
        let found = joint_status(&joint, &health);
        assert_eq!((found.level, found.message.as_str()), (ERROR, "device fault 32"));
        let values: Vec<_> =
            found.values.iter().map(|kv| (kv.key.as_str(), kv.value.as_str())).collect();
        assert!(
            values.contains(&("temperature_c", "61.00")) && values.contains(&("load", "-0.50"))
        );
        assert!(
            values.iter().all(|(key, _)| *key != "voltage_v"),
            "what is not measured is not told"
        );
    }

    #[test]
    fn a_stall_is_an_error_and_a_missed_deadline_a_warning_in_the_second_after_it() {
        let stats = LoopStats::default();
        stats.is_fifo.store(true, Ordering::SeqCst);
        stats.lateness.record(Duration::from_micros(70));
        let before = Last { at: Time::from_nanos(1_000_000_000), cycle: 500, ..Last::default() };
        let after = Last { at: Time::from_nanos(2_000_000_000), cycle: 1000, ..Last::default() };
        let found = loop_status(before, after, Some(&stats));
        assert_eq!(found.level, OK, "{}", found.message);
        let value = |key: &str| {
            let found = found.values.iter().find(|kv| kv.key == key);
            found.map(|kv| kv.value.clone()).unwrap_or_default()
        };
        assert_eq!((value("rate_hz"), value("lateness_max_us")), ("500.0".into(), "70.0".into()));
        let missed = Last { missed: 3, ..after };
        assert_eq!(loop_status(before, missed, Some(&stats)).level, WARN);
        let stalled = Last { stalls: 1, ..missed };
        assert_eq!(loop_status(before, stalled, Some(&stats)).level, ERROR);
        stats.is_fifo.store(false, Ordering::SeqCst);
        assert_eq!(loop_status(before, after, Some(&stats)).level, WARN);
    }
}
