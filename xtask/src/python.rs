//! What set-up asks of python3: downloads from the package index, and the tests' peers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::fetch::sha256_hex;
use crate::library::Library;
use crate::progress::Progress;
use crate::workspace::Workspace;

const PYTHON: &str = "python3";
/// Written last, so that a folder without it is an interrupted one.
const STAMP: &str = ".requirements-sha256";

/// True if `python3` with these arguments runs and ends well.
pub(crate) fn succeeds(arguments: &[&str]) -> bool {
    Command::new(PYTHON)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Downloads the wheel of `library` into `folder` and returns its path.
///
/// The wheel's Python version is fixed to the pinned one's, whatever Python runs pip.
pub(crate) fn download_wheel(
    library: &Library,
    architecture: &str,
    folder: &Path,
) -> Result<PathBuf> {
    let mut command = Command::new(PYTHON);
    command.args(["-m", "pip", "download", "--disable-pip-version-check", "--no-input"]);
    command.args(["--quiet", "--retries", "2", "--no-deps", "--only-binary=:all:"]);
    command.args(["--implementation", "cp", "--python-version", "3.11"]);
    for level in ["2_28", "2_27", "2_17"] {
        command.arg("--platform").arg(format!("manylinux_{level}_{architecture}"));
    }
    command.arg("--dest").arg(folder);
    command.arg(format!("{}=={}", library.package, library.version));
    let output = run_quietly(&mut command)?;
    if !output.status.success() {
        bail!(
            "cannot fetch {}: {}; or set {} to {} of your own",
            library.name(),
            explain(&output),
            library.variable,
            library.variable_names
        );
    }
    let entry = fs::read_dir(folder)?.next().context("pip ended well but left no file")??;
    Ok(entry.path())
}

/// Makes the virtual environment with the tests' peers, unless it holds just these already.
/// Returns its interpreter.
pub(crate) fn prepare_venv(workspace: &Workspace) -> Result<PathBuf> {
    let venv = workspace.venv();
    let interpreter = venv.join("bin/python");
    let requirements = workspace.requirements();
    let wanted = File::open(&requirements)
        .and_then(sha256_hex)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let stamp = venv.join(STAMP);
    let runs = || Command::new(&interpreter).arg("-V").output().is_ok_and(|o| o.status.success());
    if fs::read_to_string(&stamp).is_ok_and(|held| held.trim() == wanted) && runs() {
        eprintln!("Python test peers: ready in {}", workspace.short(&venv));
        return Ok(interpreter);
    }

    let progress = Progress::start("Python test peers", "making a virtual environment");
    if venv.exists() {
        fs::remove_dir_all(&venv)
            .with_context(|| format!("cannot remove the old {}", venv.display()))?;
    }
    let output = run_quietly(Command::new(PYTHON).args(["-m", "venv"]).arg(&venv))?;
    if !output.status.success() {
        bail!("cannot make a Python virtual environment: {}", explain(&output));
    }
    progress.now("installing tests/requirements.txt");
    let output = run_quietly(
        Command::new(&interpreter)
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"])
            .args(["--quiet", "--retries", "2", "--only-binary=:all:", "--requirement"])
            .arg(&requirements),
    )?;
    if !output.status.success() {
        bail!("cannot install tests/requirements.txt: {}", explain(&output));
    }
    fs::write(&stamp, &wanted)?;
    progress.done(&format!("ready in {}", workspace.short(&venv)));
    Ok(interpreter)
}

fn run_quietly(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {program}"))
}

/// One line for a failed pip or venv: what was wrong, what to do.
fn explain(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    // pip reports an index out of reach as "no such version", after warnings that tell the truth.
    let unreachable = ["after connection broken by", "Max retries exceeded", "name resolution"];
    if unreachable.iter().any(|sign| text.contains(sign)) {
        return "the Python package index cannot be reached: connect to the network and try again"
            .to_owned();
    }
    let all = String::from_utf8_lossy(&output.stdout);
    let error = text.lines().find(|line| line.starts_with("ERROR:"));
    let last = || text.lines().chain(all.lines()).rfind(|line| !line.trim().is_empty());
    let line = error.or_else(last).unwrap_or("it gave no reason").trim_start_matches("ERROR:");
    format!("pip says: {}", line.trim())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn failed(stderr: &str) -> Output {
        Output { status: ExitStatus::from_raw(256), stdout: vec![], stderr: stderr.into() }
    }

    #[test]
    fn an_index_out_of_reach_is_told_from_a_missing_version() {
        let offline = failed(
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n\
             ERROR: No matching distribution found for mujoco==3.17.0\n",
        );
        assert!(explain(&offline).starts_with("the Python package index cannot be reached"));
        let missing = failed("ERROR: No matching distribution found for mujoco==3.17.0\n");
        assert_eq!(
            explain(&missing),
            "pip says: No matching distribution found for mujoco==3.17.0"
        );
        assert_eq!(explain(&failed("")), "pip says: it gave no reason");
    }
}
