//! The `sinew` program. Each command is a file of `commands`; docs/cli.md documents what they print.

/// Prints to stdout. Unlike `print` of the standard library it does not panic where nobody reads any more, as in
/// `sinew run … | head`: a robot is not let go of because of that.
macro_rules! out {
    ($($part:tt)*) => { crate::output::say(format_args!($($part)*)) };
}

/// The same, and ends the line.
macro_rules! outln {
    () => { out!("\n") };
    ($($part:tt)*) => { out!("{}\n", format_args!($($part)*)) };
}

mod bench;
mod build_info;
mod carrier;
mod commands;
mod doctor;
mod eval;
mod exit;
#[cfg(feature = "ros2")]
mod fast_dds;
mod interrupt;
mod launch_choice;
mod memory;
mod output;
mod planner_tap;
mod process;
mod recorder;
mod share;
mod task;
mod teleop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use exit::Exit;

/// Tell a robot what to do in words; it does it with learned skills, and proves it by measurement.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Does what an instruction says, and measures whether it is done.
    Run(commands::run::RunArgs),
    /// Prints the plan for an instruction; nothing moves.
    Plan(commands::plan::PlanArgs),
    /// Lists the skills that plans are made of.
    Skills(commands::skills::SkillsArgs),
    /// Calls one skill of a system that is up, and tells how it ended.
    Call(commands::call::CallArgs),
    /// Checks files: robots, worlds, skills, policies, launch files, evaluations.
    Check(commands::check::CheckArgs),
    /// Runs many random episodes in simulation and reports how often they succeed.
    Eval(commands::eval::EvalArgs),
    /// Starts a system and keeps it up.
    Up(commands::up::UpArgs),
    /// Starts each node and program of a launch file as a process of its own.
    Launch(commands::launch::LaunchArgs),
    /// Runs one node, as launch files start it.
    Node(commands::node::NodeArgs),
    /// Has a robot on one carrier be there on the other, too, for those who watch and ask.
    Bridge(commands::bridge::BridgeArgs),
    /// Moves the robot by gamepad, keyboard or leader arm.
    Teleop(commands::teleop::TeleopArgs),
    /// Measures the control loop, and how long it takes to stop the robot.
    Bench(commands::bench::BenchArgs),
    /// Looks whether this machine has what Sinew needs, and says what mends it.
    Doctor(commands::doctor::DoctorArgs),
    /// Runs a logged run once more and compares the motion bit for bit.
    Replay(commands::replay::ReplayArgs),
    /// Checks, imports and measures learned policies.
    Policy(commands::policy::PolicyArgs),
    /// Finds servos, gives them addresses, calibrates arms that are built of them.
    Servo(commands::servo::ServoArgs),
}

fn main() -> ExitCode {
    #[cfg(feature = "ros2")]
    fast_dds::use_shipped_profiles();
    let arguments = Arguments::parse();
    let shown = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "warn,zenoh=error".into());
    let to_terminal = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(to_terminal.with_filter(shown))
        .with(sinew_nodes::rosout_layer())
        .init();
    let done = match arguments.command {
        Command::Run(args) => commands::run::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Skills(args) => commands::skills::run(&args),
        Command::Call(args) => commands::call::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Up(args) => commands::up::run(&args),
        Command::Launch(args) => commands::launch::run(&args),
        Command::Node(args) => commands::node::run(&args),
        Command::Bridge(args) => commands::bridge::run(&args),
        Command::Teleop(args) => commands::teleop::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Policy(args) => commands::policy::run(&args),
        Command::Servo(args) => commands::servo::run(&args),
    };
    let exit = done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::of(&error)
    });
    exit.into()
}
