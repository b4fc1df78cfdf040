use anyhow::Result;
use clap::Args;
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::{NodeKind, run_node};

use crate::carrier::CarrierArgs;
use crate::exit::{Exit, refused};
use crate::interrupt;

#[derive(Args)]
pub(crate) struct NodeArgs {
    /// Which node.
    #[arg(value_parser = ["hardware", "perception", "skills", "connector", "planner", "teleop"])]
    kind: String,
    #[command(flatten)]
    carrier: CarrierArgs,
    /// As in ROS 2: `--ros-args -r __node:=NAME -r __ns:=/ROBOT -p NAME:=VALUE --params-file FILE`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    ros_args: Vec<String>,
}

pub(crate) fn run(args: &NodeArgs) -> Result<Exit> {
    interrupt::install()?;
    let Some(kind) = NodeKind::from_name(&args.kind) else {
        return Ok(Exit::Refusal);
    };
    let arguments = NodeArguments::parse(kind.name(), &args.ros_args).map_err(refused)?;
    run_node(kind, &args.carrier.peer()?, &arguments, interrupt::is_set)?;
    Ok(Exit::Success)
}
