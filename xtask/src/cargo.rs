//! The cargo commands behind `demo` and `test`.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Exit code of a child process as a shell would give it.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Runs the main job; returns its exit code.
pub(crate) fn demo(workspace: &Workspace, extra: &[String]) -> Result<u8> {
    let mut command = command(workspace, &["run", "--release", "--package", "sinew", "--", "run"]);
    command.arg("put the red cube in the bin").args(extra);
    let status = command.status().context("cannot start cargo")?;
    Ok(exit_code(status))
}

/// Format, lints, documentation, tests, evaluations; ends at the first that fails, with its exit code.
///
/// All in the release profile: the demo uses it, so every dependency is compiled once; and the
/// evaluations among the tests simulate hours, which an unoptimised build would take too.
pub(crate) fn test(workspace: &Workspace, python: &Path) -> Result<u8> {
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let mut version = command(workspace, &[tool, "--version"]);
        version.stdout(Stdio::null()).stderr(Stdio::null());
        if !version.status().is_ok_and(|status| status.success()) {
            bail!("cargo {tool} is missing: run: rustup component add {component}");
        }
    }
    let steps: [&[&str]; 4] = [
        &["fmt", "--all", "--check"],
        &["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"],
        &["doc", "--release", "--workspace", "--no-deps"],
        &["test", "--release", "--workspace"],
    ];
    let started = Instant::now();
    for arguments in steps {
        let line = format!("cargo {}", arguments.join(" "));
        eprintln!("==> {line}");
        let step_started = Instant::now();
        let status = command(workspace, arguments)
            .env("SINEW_TEST_PYTHON", python)
            .env("RUSTDOCFLAGS", "-D warnings")
            .status()
            .context("cannot start cargo")?;
        let seconds = step_started.elapsed().as_secs();
        if !status.success() {
            eprintln!("==> {line}: failed after {seconds} s");
            return Ok(exit_code(status));
        }
        eprintln!("==> {line}: passed in {seconds} s");
    }
    for arguments in PROGRAMS {
        let code = sinew(workspace, arguments)?;
        if code != 0 {
            return Ok(code);
        }
    }
    // Last, since it leaves the program built with the ROS 2 carrier behind.
    let code = ros2(workspace)?;
    if code != 0 {
        return Ok(code);
    }
    eprintln!("==> all passed in {} s", started.elapsed().as_secs());
    println!("{} passed, 0 failed", steps.len() + PROGRAMS.len() + 1);
    Ok(0)
}

/// A policy of the repository.
pub(crate) const REACH: &str = "policies/reach/reach.policy.yaml";

/// What is run of the program itself. The benchmarks print times and judge none of them: a stop must
/// end as it has to, and a tick that was missed must have been the machine's. Nine in ten episodes must succeed: of fifty in one process, on a seed from the clock, and of twenty
/// with a process per node, which is as slow as its messages.
const PROGRAMS: [&[&str]; 7] = [
    &["policy", "bench", REACH, "--rounds", "3"],
    &["policy", "run", REACH, "--seconds", "30", "--require"],
    &["policy", "run", REACH, "--seconds", "30", "--rate", "500", "--require"],
    &["bench", "loop", "--blocks", "2", "--block-s", "1"],
    &["bench", "stop", "--trials", "10"],
    &["eval", "worlds/tabletop.yaml", "--episodes", "50", "--require", "0.9"],
    &["eval", "worlds/tabletop.yaml", "--episodes", "20", "--require", "0.9", "--processes"],
];

/// Runs the program that was built last; returns its exit code.
pub(crate) fn sinew(workspace: &Workspace, arguments: &[&str]) -> Result<u8> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace.root().join(folder),
        None => workspace.root().join("target"),
    };
    let program = target.join("release").join("sinew");
    let line = format!("sinew {}", arguments.join(" "));
    eprintln!("==> {line}");
    let started = Instant::now();
    let mut command = Command::new(&program);
    command.current_dir(workspace.root()).args(arguments);
    let status = command.status().with_context(|| format!("cannot start {}", program.display()))?;
    let passed = if status.success() { "passed" } else { "failed" };
    eprintln!("==> {line}: {passed} in {} s", started.elapsed().as_secs());
    Ok(exit_code(status))
}

/// The ROS 2 carrier, with real ROS 2 programs as peers; returns the script's exit code.
fn ros2(workspace: &Workspace) -> Result<u8> {
    let script = workspace.root().join("tests/ros2/run.sh");
    eprintln!("==> tests/ros2/run.sh");
    let started = Instant::now();
    let mut command = Command::new(&script);
    forget_this_package(&mut command);
    let status = command
        .current_dir(workspace.root())
        .status()
        .with_context(|| format!("cannot start {}", script.display()))?;
    let passed = if status.success() { "passed" } else { "failed" };
    eprintln!("==> tests/ros2/run.sh: {passed} in {} s", started.elapsed().as_secs());
    Ok(exit_code(status))
}

/// A cargo command in the workspace, free of what the outer cargo told this program about itself.
pub(crate) fn command(workspace: &Workspace, arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(workspace.root()).args(arguments);
    forget_this_package(&mut command);
    command
}

/// Build scripts that look at such variables would run again, and all that depends on them would be built anew.
fn forget_this_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if describes_this_package(&name) {
            command.env_remove(name);
        }
    }
}

fn describes_this_package(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_a_shells() {
        assert_eq!(exit_code(ExitStatus::from_raw(0)), 0);
        assert_eq!(exit_code(ExitStatus::from_raw(2 << 8)), 2);
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
    }

    #[test]
    fn the_users_cargo_variables_stay() {
        assert!(describes_this_package(OsStr::new("CARGO_PKG_NAME")));
        assert!(describes_this_package(OsStr::new("CARGO_MANIFEST_DIR")));
        assert!(!describes_this_package(OsStr::new("CARGO_TARGET_DIR")));
        assert!(!describes_this_package(OsStr::new("CARGO_HOME")));
    }
}
