use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use sinew_policy::{Embodiment, Policy, PolicyError, Rollout};
use sinew_types::{GroupKind, Layout};

use super::embodiment;
use crate::exit::{Exit, refused};
use crate::output::print_json;

#[derive(Args)]
pub(super) struct ReplayArgs {
    /// What `sinew policy run --record` wrote.
    record: PathBuf,
    /// The policy's manifest.
    manifest: PathBuf,
    /// The robot that it ran on; needed for a policy that commands a gripper or a tool.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew policy replay --json` prints.
#[derive(Serialize)]
struct ReplayReport {
    identical: bool,
    ticks: usize,
    difference: Option<String>,
}

pub(super) fn run(args: &ReplayArgs) -> Result<Exit> {
    let text = std::fs::read_to_string(&args.record)
        .with_context(|| format!("{}: cannot be read", args.record.display()))
        .map_err(refused)?;
    let rollout: Rollout = serde_json::from_str(&text)
        .with_context(|| format!("{}: no record of a policy", args.record.display()))
        .map_err(refused)?;
    let robot = match &args.robot {
        Some(robot) => embodiment(robot).map_err(refused)?,
        None => {
            let groups = vec![("body".to_owned(), GroupKind::Base, rollout.joints.clone())];
            Embodiment::from(&Layout::new(rollout.joints.clone(), groups)?)
        }
    };
    let mut policy = Policy::load(&args.manifest, &robot).map_err(refused)?;
    let difference = match policy.check_rollout(&rollout, robot.layout()) {
        Ok(()) => None,
        Err(difference @ PolicyError::Golden { .. }) => Some(difference.to_string()),
        Err(other) => return Err(other.into()),
    };
    let report =
        ReplayReport { identical: difference.is_none(), ticks: rollout.ticks.len(), difference };
    if args.json {
        print_json(&report)?;
    } else {
        match &report.difference {
            None => outln!("{} ticks, identical", report.ticks),
            Some(difference) => outln!("{difference}"),
        }
    }
    Ok(if report.identical { Exit::Success } else { Exit::Failure })
}
