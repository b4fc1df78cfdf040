//! The hardware layer: drivers, the control loop, leases, and the one gate that every command
//! passes on its way to an actuator.
//!
//! - A driver implements [`HardwareInterface`]; its life cycle is in the types [`Unconfigured`],
//!   [`Inactive`] and [`Active`].
//!   `docs/drivers.md` says how to write one; the suite that every driver passes is in `conformance`
//!   (cargo feature of that name).
//! - [`Gate`] decides who commands and what comes out: a pure state machine of events and time.
//! - [`monitor`] watches workspace, self-collision, tracking, temperature and the rate of clamped commands.
//! - [`ControlLoop`] reads, asks the gate, and writes; [`ControlHandle`] speaks to it from any thread.
//! - [`RealTimeRunner`] ticks a loop on a thread of its own, with a watchdog beside it.
//!
//! This is engineering, not certification: no safety standard is claimed.
//!
//! ```
//! use std::time::Duration;
//! use sinew_hardware::{
//!     Accepted, ControlLoop, GateConfig, GroupSet, LeaseRequest, Notice, OutputKind,
//!     Unconfigured, layout_of,
//! };
//! use sinew_driver_mock::MockDriver;
//! use sinew_robot::RobotModel;
//! use sinew_types::{ActuatorCommand, BootId, JointCommand, Source, Time};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let yaml = concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/mobi.robot.yaml");
//! let model = RobotModel::load(yaml)?;
//! let layout = layout_of(&model)?;
//! let driver = MockDriver::new(layout.clone(), 2.0);
//! let (driver, _emergency_stop) = Unconfigured::new(Box::new(driver)).configure()?;
//! let (mut control, mut handle) = ControlLoop::new(driver, GateConfig::from_robot(&model)?)?;
//!
//! let mut now = Time::ZERO;
//! control.tick(now); // reads the first state
//! handle.arm()?;
//! handle.acquire(LeaseRequest {
//!     source: Source::Skill,
//!     groups: GroupSet::named(&layout, ["head"])?,
//!     boot_id: BootId(7),
//!     command_period: Duration::from_millis(20),
//! })?;
//! now += control.period();
//! control.tick(now);
//!
//! let mut lease = None;
//! while let Some(notice) = handle.poll() {
//!     if let Notice::Reply { result: Ok(Accepted::Granted { lease: granted, .. }), .. } = notice {
//!         lease = Some(granted);
//!     }
//! }
//! let mut command = ActuatorCommand::unused(&layout);
//! command.lease = lease.ok_or("no lease")?;
//! (command.boot_id, command.seq) = (BootId(7), 1);
//! command.valid_for = Duration::from_millis(100);
//! for joint in ["head_pan_joint", "head_tilt_joint"] {
//!     command.joints[model.joint_index(joint)?] = JointCommand::position(0.3);
//! }
//! handle.command(&command)?;
//! now += control.period();
//! control.tick(now);
//! assert_eq!(handle.safety().groups[3].output, OutputKind::Track);
//! # Ok(())
//! # }
//! ```

mod axis;
mod balance;
mod config;
pub mod conformance;
mod control_loop;
mod deadlines;
mod error;
mod event;
mod fallback;
mod gate;
mod group;
mod handle;
mod histogram;
mod interface;
mod lease;
mod lifecycle;
mod link;
pub mod monitor;
mod paced_loop;
mod real_time;
mod refusal;
mod robot_config;
mod safety;
mod transition;

pub use balance::{TwoWheelBalance, fallback_of};
pub use config::{
    AxisLimits, BaseLimits, GateConfig, GateGroup, GroupLimits, GroupStop, StopPlan, StopStep,
    Timeouts, TorqueLimits,
};
pub use control_loop::{ControlLoop, TickReport};
pub use deadlines::{Deadlines, monotonic_now, thread_cpu_time};
pub use error::HardwareError;
pub use event::{Accepted, Event, Notice, RequestId};
pub use fallback::{FallbackController, FallbackError};
pub use gate::{Gate, PowerRequest};
pub use handle::{ControlHandle, QueueFull};
pub use histogram::LatencyHistogram;
pub use interface::{Configured, DriverError, EmergencyStop, HardwareInterface};
pub use lease::{GroupSet, LEASE_SLOTS, LeaseRequest};
pub use lifecycle::{Active, Inactive, Unconfigured};
pub use link::{ControlSnapshot, EStopButton};
pub use monitor::{MonitorConfig, Violation};
pub use paced_loop::{Cycle, LoopStats, PacedLoop};
pub use real_time::{RealTimeConfig, RealTimeRunner};
pub use refusal::{CommandRefusal, RefusalCounts, Refused};
pub use robot_config::layout_of;
pub use safety::{
    Cause, Causes, ClampCounts, GroupSafety, Mode, OutputKind, SafetyState, VoidReason, VoidedLease,
};
pub use transition::GroupTransition;
