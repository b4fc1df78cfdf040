mod bench;
mod check;
mod export_lerobot;
mod import;
mod replay;
mod run;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, Subcommand};
use sinew_hardware::layout_of;
use sinew_policy::Embodiment;
use sinew_robot::RobotModel;

use crate::exit::Exit;

#[derive(Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Loads a policy for a robot, and says what it sees and what it commands.
    Check(check::CheckArgs),
    /// Makes a manifest of another project's policy, and lists what a person must confirm.
    Import(import::ImportArgs),
    /// Writes the network of a LeRobot checkpoint as ONNX, by a Python that has LeRobot.
    ExportLerobot(export_lerobot::ExportLerobotArgs),
    /// Measures the stages of a tick beside ONNX Runtime's own call.
    Bench(bench::BenchArgs),
    /// Runs the ticks that `run --record` took down once more, and compares them bit by bit.
    Replay(replay::ReplayArgs),
    /// Runs a policy alone, in real time, through the control loop and the gate of a robot.
    Run(run::RunArgs),
}

pub(crate) fn run(args: &PolicyArgs) -> Result<Exit> {
    match &args.command {
        PolicyCommand::Check(args) => check::run(args),
        PolicyCommand::Import(args) => import::run(args),
        PolicyCommand::ExportLerobot(args) => export_lerobot::run(args),
        PolicyCommand::Bench(args) => bench::run(args),
        PolicyCommand::Replay(args) => replay::run(args),
        PolicyCommand::Run(args) => run::run(args),
    }
}

/// A robot of which all is known, for a policy.
fn embodiment(robot: &Path) -> Result<Embodiment> {
    let model = RobotModel::load(robot)?;
    Ok(Embodiment::new(&layout_of(&model)?, Arc::new(model)))
}
