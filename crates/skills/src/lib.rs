//! The skill server and the built-in skills.
//!
//! # Concepts
//! - [`SkillServer`] takes goals, checks them (version, arguments, measured pre-conditions, reach) and
//!   carries them out. It is pure and polled: no bus, no threads, no clock. Its owner calls
//!   [`SkillServer::step`] once per measured state of the robot, sends the commands that come out to the
//!   gate, and asks for leases and gives them back as it is told.
//! - A goal holds a lease on its skill's groups and commands all of them in every tick. It ends, with an
//!   [`Outcome`](sinew_types::Outcome), only when the robot is measured at rest and the lease is given
//!   back. It has succeeded only when the post-conditions of its manifest hold on measured state.
//! - When a person or another system takes its groups, a goal of a pausable skill pauses; any other ends.
//!   It goes on when an operator has resumed it within 5 s, from a fresh observation; docs/skills.md.
//! - With [`Navigation::Nav2`] and [`Motion::Moveit`] another system carries skills out, under leases of its own. Then a
//!   goal holds none: it asks, watches, cancels, and judges what is measured, never what the other system claims.
//! - The tool is moved by the policy `reach` and the base by the policy `drive_to`; folding the arm,
//!   turning the head and closing the gripper are motion primitives. With [`Manipulation::Learned`] arm and
//!   gripper are moved together by the policies `pick` and `place` instead. Each outcome tells for how many
//!   seconds which of them commanded (`commanded_by_policy_s`, `commanded_by_primitive_s`).
//! - A skill whose `kind` is `policy` is any [policy](sinew_policy) of the robot, or a blend of several: its manifest
//!   says what goes into their command inputs, and when the motion is over. It needs none of what the built-in
//!   skills need; what a robot [`lacks`] of that only decides whether those can be served.
//!
//! ```
//! let manifests = sinew_skills::builtin_manifests()?;
//! let ids: Vec<_> = manifests.iter().map(|manifest| manifest.id.as_str()).collect();
//! assert_eq!(ids, ["drive_to", "home", "look_at", "pick", "place", "reach", "wait"]);
//! # Ok::<(), sinew_model::ModelError>(())
//! ```

mod arm;
mod authority;
mod body;
mod builtin;
mod context;
mod delegate;
mod error;
mod floor;
mod goal;
mod grasp;
mod grasp_policy;
mod io;
mod learned;
mod leaving;
mod limbs;
mod pause;
mod policies;
mod run;
mod server;
mod sight;
mod skills;
mod spot;
mod stretch;
mod trajectory;
mod tuck;

#[cfg(test)]
mod faults;

pub use authority::{GroupAuthority, SafetyView};
pub use builtin::builtin_manifests;
pub use delegate::{Backend, DelegateCall, DelegateEnd, DelegateEvent, Task};
pub use error::SkillError;
pub use goal::{OnBusy, Rejection, SkillGoal};
pub use io::{ControlSource, Feedback, Inputs, LeaseCall, StepOutput};
pub use learned::Picture;
pub use limbs::lacks;
pub use server::{Manipulation, Motion, Navigation, SkillServer, SkillSetup};
