//! Whether this machine has what Sinew needs, and how to mend what it has not.

mod devices;
mod machine;
mod software;

use std::path::Path;

use serde::Serialize;

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could, or only without this.
    Warning,
    /// Nothing runs without it.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    /// What there is.
    pub(crate) found: String,
    /// The command, or the words, that mend it.
    pub(crate) mend: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Vec<Self> {
        vec![Self { name, verdict: Verdict::Ok, found: found.into(), mend: None }]
    }

    fn warning(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Vec<Self> {
        let (found, mend) = (found.into(), Some(mend.into()));
        vec![Self { name, verdict: Verdict::Warning, found, mend }]
    }

    fn missing(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Vec<Self> {
        let (found, mend) = (found.into(), Some(mend.into()));
        vec![Self { name, verdict: Verdict::Missing, found, mend }]
    }
}

/// Each looks at one thing, of which there may be several.
pub(crate) const CHECKS: [fn() -> Vec<Check>; 17] = [
    software::program,
    software::files,
    software::mujoco,
    software::onnx_runtime,
    software::pictures,
    software::zenoh_port,
    software::ros,
    machine::cores,
    machine::kernel,
    machine::real_time_priority,
    machine::locked_memory,
    machine::timer_slack,
    machine::governor,
    machine::clock_source,
    machine::clock_synchronisation,
    devices::serial_ports,
    devices::joysticks,
];

/// What a file of the kernel says, without the end of its line.
fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}
