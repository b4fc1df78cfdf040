//! Teleoperation: a person moves the robot by gamepad, keyboard or leader arm. The pure part: no
//! devices, no transport, no clock of its own.
//!
//! - A [`Pad`] is the state of a device; a [`KeyPad`] makes one of a keyboard.
//! - A [`Mapping`] is a YAML file that says what axes and buttons mean. There is none without a
//!   dead-man button.
//! - A [`TeleopSession`] takes over while the dead-man button is held: it asks for a TELEOP lease, sends
//!   commands that start from what the actuators do now, and ends at the first sign of a loss. A device
//!   that is silent, frozen or unplugged is lost; its last state is never repeated. After an end of any
//!   kind the dead-man button must be let go and pressed anew, and what was taken over stays with the
//!   operator until an explicit resume.
//!
//! ```
//! use std::collections::BTreeSet;
//! use std::time::Duration;
//! use sinew_robot::RobotModel;
//! use sinew_teleop::{LeaseCall, Mapping, Pad, Phase, TeleopSession};
//! use sinew_types::{GroupKind, Layout, LeaseId, RobotState, Time};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let yaml = "
//! device: two buttons
//! buttons: {hold: 0, forward: 1}
//! dead_man: hold
//! modes:
//!   - name: drive
//!     base: {group: base, linear_x: {plus: forward, scale: 0.2}}
//! ";
//! let robot = RobotModel::load(concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/mobi.robot.yaml"))?;
//! let joints = robot.joints().iter().map(|joint| joint.name.clone()).collect();
//! let layout = Layout::new(joints, vec![("base".into(), GroupKind::Base, vec![])])?;
//! let mapping = Mapping::from_yaml(yaml, "two_buttons.teleop.yaml")?;
//! let mut session = TeleopSession::new(&mapping, &robot, &layout)?;
//!
//! let state = RobotState::invalid(&layout);
//! let live = BTreeSet::from([LeaseId(1)]);
//! let mut now = Time::ZERO;
//! for (seq, hold) in [(1, false), (2, true), (3, true)] {
//!     now += Duration::from_millis(20);
//!     let buttons = vec![hold, true];
//!     session.observe(now, &Pad { connected: true, seq, axes: vec![], buttons });
//!     let calls = session.step(now, &state, &live).lease_calls;
//!     if let Some(LeaseCall::Acquire { request, .. }) = calls.first() {
//!         session.lease_granted(now, *request, LeaseId(1));
//!     }
//! }
//! assert_eq!(*session.phase(), Phase::Moving);
//! # Ok(())
//! # }
//! ```

mod config;
mod error;
mod jog;
mod joint_targets;
mod keyboard;
mod mapping;
mod mode;
mod pad;
mod phase;
mod session;
mod set_points;
mod signal;

pub use config::{
    AxisConfig, AxisKind, BaseConfig, CartesianConfig, GripperConfig, JointsConfig, LeaderConfig,
    LeaderGripperConfig, LeaderJointConfig, MappingConfig, ModeConfig, OperatorButtons,
    SignalConfig,
};
pub use error::TeleopError;
pub use keyboard::{KeyPad, NUDGE};
pub use mapping::Mapping;
pub use pad::Pad;
pub use phase::{OperatorCall, Phase, Stop};
pub use session::{LOST_AFTER, LeaseCall, Output, TeleopSession};
