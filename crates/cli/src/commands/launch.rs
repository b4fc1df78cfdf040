use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use sinew_nodes::launch::LaunchDescription;

use crate::carrier::CarrierArgs;
use crate::exit::Exit;
use crate::interrupt;
use crate::launch_choice::{LaunchChoice, assignment};
use crate::output::table;
use crate::process::ProcessGroup;
use crate::process::router::Router;

#[derive(Args)]
pub(crate) struct LaunchArgs {
    /// The launch file.
    file: PathBuf,
    /// Its arguments.
    #[arg(value_name = "NAME:=VALUE", value_parser = assignment)]
    arguments: Vec<(String, String)>,
    /// List the arguments with their values, and start nothing.
    #[arg(long)]
    show_args: bool,
    #[command(flatten)]
    carrier: CarrierArgs,
    /// Where folders with the lines of nodes are made whose output is `log`.
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    runs: PathBuf,
}

pub(crate) fn run(args: &LaunchArgs) -> Result<Exit> {
    let description = LaunchChoice::new(&args.file, &args.arguments).expand()?;
    if args.show_args {
        let rows = description.arguments.iter().map(|argument| {
            vec![argument.name.clone(), argument.value.clone(), argument.description.clone()]
        });
        out!("{}", table(&rows.collect::<Vec<_>>()));
        return Ok(Exit::Success);
    }
    processes(&description, &args.carrier, &args.runs)
}

/// Starts everything as processes and stays until one ends, or Ctrl-C.
pub(crate) fn processes(
    description: &LaunchDescription,
    carrier: &CarrierArgs,
    runs: &std::path::Path,
) -> Result<Exit> {
    interrupt::install()?;
    let _router = Router::unless_there(carrier)?;
    let mut group = ProcessGroup::new(carrier.clone(), runs.into());
    group.start_all(description)?;
    let ended = group.wait(interrupt::is_set);
    group.stop();
    match ended {
        None => Ok(Exit::Success),
        Some((name, status)) => {
            eprintln!("error: `{name}` ended by itself: {status}");
            Ok(Exit::Failure)
        }
    }
}
