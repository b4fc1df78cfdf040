//! What takes too long for every change: `cargo xtask soak`.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cargo;
use crate::workspace::Workspace;

/// Ten minutes of pairs of blocks of five seconds; trials as in the table of docs/safety.md.
const MEASUREMENTS: [&[&str]; 4] = [
    &["policy", "run", cargo::REACH, "--seconds", "600", "--require"],
    &["policy", "run", cargo::REACH, "--seconds", "600", "--rate", "500", "--require"],
    &["bench", "loop", "--rate", "1000", "--blocks", "60", "--block-s", "5", "--require"],
    &["bench", "stop", "--trials", "200"],
];

/// How long a goal lasts, s: 16 minutes, longer than any time-out that is known of.
const LONG_GOAL_S: &str = "960";

/// Random messages of each of MoveIt's types; every other type has as many each time.
const MOVEIT_INSTANCES: &str = "1000";

/// Sequences of events that the gate is tried with.
const SEQUENCES: &str = "10000000";

/// Runs everything; the exit code is that of a shell's list of commands all of which must succeed.
pub(crate) fn run(workspace: &Workspace, python: &Path) -> Result<u8> {
    let build = ["build", "--release", "--package", "sinew"];
    let built = cargo::command(workspace, &build).status().context("cannot start cargo")?;
    if !built.success() {
        return Ok(cargo::exit_code(built));
    }
    let mut failed = Vec::new();
    for arguments in MEASUREMENTS {
        if cargo::sinew(workspace, arguments)? != 0 {
            failed.push(format!("sinew {}", arguments.join(" ")));
        }
    }
    let tests: [(&[&str], &str, &str); 3] = [
        (&["--test", "gate", "property"], "SINEW_SEQUENCES", SEQUENCES),
        (&["--test", "msgs", "rosbags_agrees"], "SINEW_MOVEIT_INSTANCES", MOVEIT_INSTANCES),
        (
            &["--test", "bus", "--", "--ignored", "a_goal_outlasts"],
            "SINEW_LONG_GOAL_S",
            LONG_GOAL_S,
        ),
    ];
    for (arguments, variable, value) in tests {
        // All of the workspace, so that nothing is built anew for it.
        let arguments = [&["test", "--release", "--workspace"], arguments].concat();
        let line = format!("{variable}={value} cargo {}", arguments.join(" "));
        eprintln!("==> {line}");
        let started = Instant::now();
        let tried = cargo::command(workspace, &arguments)
            .env(variable, value)
            .env("SINEW_TEST_PYTHON", python)
            .status()
            .context("cannot start cargo")?;
        eprintln!("==> {line}: {} s", started.elapsed().as_secs());
        if !tried.success() {
            failed.push(line);
        }
    }
    for line in &failed {
        println!("failed: {line}");
    }
    println!("{} passed, {} failed", MEASUREMENTS.len() + tests.len() - failed.len(), failed.len());
    Ok(u8::from(!failed.is_empty()))
}
