use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinew_types::Evidence;

use crate::{Files, Intervention, LogError, sha256_of};

/// Everything about a run that can be said in a page; also what `sinew run --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSummary {
    /// Whether the goal was measured.
    pub success: bool,
    /// In words.
    pub instruction: String,
    /// Who was asked for plans; empty for the configured one.
    pub planner: String,
    /// 0 for none; the classes of action ExecuteTask.
    pub error_code: u16,
    /// For people; empty on success.
    pub error_msg: String,
    /// The last plan that passed validation.
    pub plan: Option<Value>,
    /// In the order in which they ran.
    pub steps: Vec<StepSummary>,
    /// Whether the plan's goal held on measured state.
    pub goal_met: bool,
    /// What was measured of it.
    pub evidence: Vec<Evidence>,
    /// When a person commanded, by its start.
    pub interventions: Vec<Intervention>,
    /// How long it took.
    pub timings: Timings,
    /// The most resident memory that this process had, MiB.
    pub peak_memory_mib: f64,
    /// `before` and `after`.
    pub pictures: BTreeMap<String, Picture>,
    /// Where log, pictures and this summary are.
    pub folder: PathBuf,
    /// The launch file and its arguments; none for a system that was running.
    pub launch: Option<(PathBuf, BTreeMap<String, String>)>,
    /// The program.
    pub build: Build,
    /// Every file that the run depended on.
    pub files: Files,
}

/// How one step went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSummary {
    /// The skill.
    pub skill: String,
    /// Its arguments.
    pub args: Value,
    /// Whether it ended well and its post-condition was measured.
    pub success: bool,
    /// 0 for none.
    pub error_code: u16,
    /// For people; empty on success.
    pub error_msg: String,
    /// All attempts together, s, on the system's clock.
    pub elapsed_s: f64,
    /// 0 when its pre-condition failed.
    pub attempts: u32,
    /// What was measured.
    pub evidence: Vec<Evidence>,
}

/// How long a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timings {
    /// Wall time of the first plan, s.
    pub planning_s: f64,
    /// From the task's start to its end on the system's clock, s.
    pub task_s: f64,
    /// The same in wall time, s.
    pub wall_s: f64,
    /// Seconds of the system's clock per second of wall time.
    pub real_time_factor: f64,
}

/// A picture, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picture {
    /// Where it is.
    File(PathBuf),
    /// Why there is none.
    Missing(String),
}

/// Which program it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Of the package.
    pub version: String,
    /// The git commit that it was built from, with `-dirty` where files had been changed; none if
    /// it was not built from a git repository.
    pub commit: Option<String>,
    /// SHA-256 of the executable.
    pub executable_sha256: String,
}

impl Build {
    /// Of an executable.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(executable: &Path, version: &str, commit: Option<&str>) -> Result<Self, LogError> {
        Ok(Self {
            version: version.into(),
            commit: commit.map(str::to_owned),
            executable_sha256: sha256_of(executable)?,
        })
    }
}
