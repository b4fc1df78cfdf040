//! What a run leaves behind, and how two runs are compared.
//!
//! A run has a folder of its own ([`RunFolder`]): an MCAP log that Foxglove opens ([`LogWriter`],
//! profile `ros2`, CDR messages, `ros2msg` schemas), pictures, and a [`RunSummary`] that names the
//! build and the hash of every file that the run depended on. [`Log`] reads such a log again, and
//! [`first_difference`] compares the motion in two of them bit for bit. [`interventions`] finds where a
//! person commanded.
//!
//! Times in a log are those of the system that ran: simulated time counts from zero.
//!
//! ```
//! use sinew_log::{Log, LogWriter};
//! use sinew_msgs::sinew_msgs::RobotTick;
//! use sinew_types::Time;
//!
//! # fn main() -> Result<(), sinew_log::LogError> {
//! let file = std::env::temp_dir().join(format!("sinew-log-doc-{}.mcap", std::process::id()));
//! let mut writer = LogWriter::create(&file)?;
//! let tick = RobotTick { tick: 7, ..RobotTick::default() };
//! writer.write("/mobi/robot_tick", Time::from_nanos(20), &tick)?;
//! writer.finish()?;
//!
//! let ticks = Log::open(&file)?.messages::<RobotTick>("/mobi/robot_tick")?;
//! assert_eq!((ticks[0].time, ticks[0].message.tick), (Time::from_nanos(20), 7));
//! # std::fs::remove_file(&file).ok();
//! # Ok(())
//! # }
//! ```

mod compare;
mod definitions;
mod error;
mod files;
mod folder;
mod intervention;
mod reader;
mod summary;
mod writer;

pub use compare::{Difference, first_difference};
pub use definitions::definition;
pub use error::LogError;
pub use files::{Files, sha256_of};
pub use folder::RunFolder;
pub use intervention::{InterruptedGoal, Intervention, interventions};
pub use reader::{Log, Logged};
pub use summary::{Build, Picture, RunSummary, StepSummary, Timings};
pub use writer::LogWriter;
