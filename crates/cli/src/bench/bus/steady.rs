use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;
use sinew_bus::{Qos, names};
use sinew_msgs::convert::{since_epoch, time_msg};
use sinew_msgs::sensor_msgs::JointState;
use sinew_msgs::sinew_msgs::ActuatorCommand;

use super::hop::{Pair, WITHIN};
use crate::bench::stats::{Tail, short};
use crate::interrupt;

/// Messages of `joint_states` that may wait for the receiver.
const DEPTH: usize = 250;

/// `joint_states` and `command` of a robot, both at a rate, for a time.
pub(crate) struct SteadyPlan {
    pub(crate) rate_hz: u32,
    pub(crate) seconds: u32,
    pub(crate) joints: usize,
}

/// What came of it on one carrier.
#[derive(Debug, Serialize)]
pub(super) struct SteadyRow {
    carrier: &'static str,
    /// Messages of each topic.
    sent: u64,
    /// Of `joint_states`, which is reliable.
    joint_states_lost: u64,
    joint_states: Option<Tail>,
    /// Of `command`, which is best effort.
    commands_lost: u64,
    commands: Option<Tail>,
}

impl SteadyRow {
    /// Whether what is reliable lost nothing.
    pub(super) fn is_whole(&self) -> bool {
        self.joint_states_lost == 0
    }
}

impl fmt::Display for SteadyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = |tail: Option<Tail>| match tail {
            Some(tail) => format!("p50 {}, p99 {}", short(tail.p50_s), short(tail.p99_s)),
            None => "nothing arrived".into(),
        };
        write!(
            f,
            "joint_states {} of {} lost, {}; command {} lost, {}",
            self.joint_states_lost,
            self.sent,
            tail(self.joint_states),
            self.commands_lost,
            tail(self.commands)
        )
    }
}

impl SteadyPlan {
    pub(super) fn measure(&self, carrier: &'static str, pair: &Pair) -> Result<SteadyRow> {
        let (from, to) = pair.nodes()?;
        // Deeper than usual, so that what is counted is the carrier's loss: at this rate the usual 10 are 20 ms, and a
        // thread may sleep for longer.
        let states = to.subscription(&names::JOINT_STATES.with_qos(Qos::reliable(DEPTH)))?;
        let commands = to.subscription(&names::COMMAND)?;
        let state_publisher = from.publisher(&names::JOINT_STATES)?;
        let command_publisher = from.publisher(&names::COMMAND)?;
        let since = Instant::now();
        // Each end finds the other for itself, and what is sent before both have is not lost but never meant for it.
        let is_connected = || {
            state_publisher.subscriptions() > 0
                && command_publisher.subscriptions() > 0
                && states.publishers() > 0
                && commands.publishers() > 0
        };
        while !is_connected() {
            if since.elapsed() > WITHIN {
                bail!("{carrier}: publisher and subscription do not see each other");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let start = Instant::now();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let mut waiter = pair.receiving_bus().waiter();
        let receiver = std::thread::spawn(move || {
            let (mut state_times, mut command_times) = (Vec::new(), Vec::new());
            while !over.load(Ordering::Relaxed) {
                waiter.wait(Duration::from_millis(100));
                // The stamp is the sender's time since the start, as is the command's sequence number.
                let age = |sent: Duration| start.elapsed().saturating_sub(sent);
                while let Some(received) = states.take() {
                    state_times.push(age(since_epoch(&received.message.header.stamp)));
                }
                while let Some(received) = commands.take() {
                    command_times.push(age(Duration::from_nanos(received.message.seq)));
                }
            }
            (state_times, command_times)
        });
        let zeros = vec![0.0; self.joints];
        let joint_names = (0..self.joints).map(|index| format!("joint_{index}")).collect();
        let mut state = JointState {
            name: joint_names,
            position: zeros.clone(),
            velocity: zeros.clone(),
            effort: zeros.clone(),
            ..JointState::default()
        };
        let mut command = ActuatorCommand { position: zeros, ..ActuatorCommand::default() };
        let period = Duration::from_secs(1) / self.rate_hz;
        let mut sent = 0;
        while sent < u64::from(self.rate_hz * self.seconds) && !interrupt::is_set() {
            let due = period * u32::try_from(sent)?;
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            let now = start.elapsed();
            state.header.stamp = time_msg(now);
            state_publisher.publish(&state)?;
            command.seq = u64::try_from(start.elapsed().as_nanos())?;
            command_publisher.publish(&command)?;
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(500));
        is_over.store(true, Ordering::Relaxed);
        let Ok((state_times, command_times)) = receiver.join() else {
            bail!("{carrier}: the receiving thread panicked");
        };
        Ok(SteadyRow {
            carrier,
            sent,
            joint_states_lost: sent.saturating_sub(state_times.len() as u64),
            joint_states: Tail::of(state_times),
            commands_lost: sent.saturating_sub(command_times.len() as u64),
            commands: Tail::of(command_times),
        })
    }
}
