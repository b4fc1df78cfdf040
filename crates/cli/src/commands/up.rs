use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use anyhow::Result;
use clap::Args;
use sinew_nodes::Pace;

use super::launch;
use super::run::positive;
use crate::carrier::CarrierArgs;
use crate::exit::Exit;
use crate::interrupt;
use crate::launch_choice::{LaunchChoice, assignment};
use crate::task::composed::{ComposedSystem, PlannedBy};
use crate::task::progress::ProgressView;
use crate::task::{goal, report};

#[derive(Args)]
pub(crate) struct UpArgs {
    /// The launch file.
    file: PathBuf,
    /// Its arguments.
    #[arg(value_name = "NAME:=VALUE", value_parser = assignment)]
    arguments: Vec<(String, String)>,
    /// One process per node, reachable by `sinew run --connect` and ROS 2 over rmw_zenoh. Without
    /// it, all nodes run in this process, which reads instructions from its input, one per line.
    #[arg(long)]
    processes: bool,
    /// Composed: at most this many seconds of the robot's time per second.
    #[arg(long, value_name = "FACTOR", value_parser = positive, default_value = "1")]
    pace: f64,
    #[command(flatten)]
    carrier: CarrierArgs,
    /// Where folders with the lines of nodes are made whose output is `log`.
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    runs: PathBuf,
}

pub(crate) fn run(args: &UpArgs) -> Result<Exit> {
    let description = LaunchChoice::new(&args.file, &args.arguments).expand()?;
    if args.processes {
        return launch::processes(&description, &args.carrier, &args.runs);
    }
    interrupt::install()?;
    let pace = Pace::Factor(args.pace);
    let mut system = ComposedSystem::new(&description, pace, PlannedBy::Planner, None)?;
    system.settle()?;
    let instructions = lines();
    let mut exit = Exit::Success;
    while let Some(instruction) = next(&mut system, &instructions)? {
        let mut view = ProgressView::new(false);
        let task = goal(&instruction, "", false);
        let end = system.task(task, &mut |event| view.tell(event), &mut |_| {})?;
        view.finish();
        match end.result.map(report::measured) {
            Ok(result) if result.error_code == 0 => {
                outln!("done in {:.1} s: the goal is measured", end.elapsed.as_secs_f64());
            }
            Ok(result) => {
                exit = report::exit(&result);
                outln!("error: {}: {}", report::error_name(result.error_code), result.error_msg);
            }
            Err(reason) => {
                exit = Exit::Failure;
                outln!("error: {reason}");
            }
        }
    }
    system.shutdown();
    Ok(exit)
}

/// The next instruction, while the robot's time goes on; none at the end of the input or at Ctrl-C.
fn next(system: &mut ComposedSystem, lines: &Receiver<String>) -> Result<Option<String>> {
    if std::io::stdin().is_terminal() {
        outln!("instruction, or Ctrl-C:");
    }
    let mut instruction = None;
    system.idle(|| match lines.try_recv() {
        Ok(line) if line.trim().is_empty() => false,
        Ok(line) => {
            instruction = Some(line);
            true
        }
        Err(TryRecvError::Empty) => false,
        Err(TryRecvError::Disconnected) => true,
    })?;
    Ok(instruction.filter(|_| !interrupt::is_set()))
}

fn lines() -> Receiver<String> {
    let (sender, receiver) = channel();
    // Not joined: it may wait for a line for ever, and owns nothing that needs an end.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
