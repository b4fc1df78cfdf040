//! Set-up, demo and tests of this workspace, each one command: `cargo xtask --help`.

mod cargo;
mod fetch;
mod library;
mod progress;
mod python;
mod setup;
mod soak;
mod system;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Set-up, demo and tests of Sinew, each one command.
///
/// Every command does its own set-up, and says in one line what is wrong if it cannot: its exit
/// code is 1 then, and that of the started program otherwise.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch ONNX Runtime and MuJoCo, and check the system's libraries
    ///
    /// Both libraries come from the Python package index at a pinned version and are checked
    /// against a pinned SHA-256 before they are unpacked into .native/ (git-ignored):
    /// .native/onnxruntime/libonnxruntime.so.1.31.1, .native/mujoco/lib and
    /// .native/mujoco/include. A second run finds them there and takes no time.
    ///
    /// Libraries of your own are used instead: set ORT_DYLIB_PATH to a libonnxruntime.so, or
    /// MUJOCO_DYNAMIC_LINK_DIR to the absolute path of a folder with libmujoco.so 3.17.0. Keep
    /// MUJOCO_DYNAMIC_LINK_DIR set when you build: binaries remember the folder.
    ///
    /// What the system lacks (python3, pip, EGL libraries of the renderer, a C compiler) is
    /// listed together with the one apt-get line that installs it.
    Setup,
    /// Set up, then run "put the red cube in the bin" in simulation
    ///
    /// The exit code is that of `sinew run`.
    Demo {
        /// Passed on to `sinew run`, for example --json
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        extra: Vec<String>,
    },
    /// Set up, then check format, lints and documentation, and run every test
    ///
    /// Beyond the native libraries this makes .native/venv with the Python programs that the
    /// tests compare against (tests/requirements.txt). Steps: cargo fmt --check, cargo clippy,
    /// cargo doc, cargo test, all with --release so that each dependency is compiled once; then
    /// `sinew bench loop` and `sinew bench stop`, which fail if a robot does not stop as it must,
    /// never for a time that they measure; then 50 episodes of `sinew eval` in one process, and 20 with
    /// a process per node; then `tests/ros2/run.sh`, with real ROS 2 programs, which come from the Python
    /// package index where no ROS 2 is sourced. Ends at the first step that fails, with its exit code.
    Test,
    /// Set up, then measure and try for long: loop, stops, properties; about an hour and a half
    ///
    /// Ten minutes of `sinew bench loop`, whose bars must be kept; 200 trials of `sinew bench stop`
    /// per cause; ten million random sequences of events at the gate. All are run, whatever
    /// the others give; the exit code is 1 if any failed. Nothing else should run on the machine.
    Soak,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<u8> {
    let workspace = Workspace::locate();
    match task {
        Task::Setup => {
            setup::libraries(&workspace)?;
            Ok(0)
        }
        Task::Demo { extra } => {
            setup::libraries(&workspace)?;
            cargo::demo(&workspace, extra)
        }
        Task::Test => {
            let python = setup::libraries_and_test_peers(&workspace)?;
            cargo::test(&workspace, &python)
        }
        Task::Soak => {
            let python = setup::libraries_and_test_peers(&workspace)?;
            soak::run(&workspace, &python)
        }
    }
}
