use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use sinew_policy::{Embodiment, InputSpec, PolicyManifest, Provider, RunOn};
use sinew_types::{GroupKind, Layout};

use super::embodiment;
use crate::bench::inference::{self, InferencePlan};
use crate::exit::{Exit, refused};
use crate::interrupt;
use crate::output::print_json;

#[derive(Args)]
pub(super) struct BenchArgs {
    /// The policy's manifest.
    manifest: PathBuf,
    /// The robot that it is for; needed for a policy that commands a gripper or a tool.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// Ticks per round, after as many that are not counted.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    ticks: u32,
    /// Rounds, each of which measures the policy and the bare call by turns.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Threads of a run; may be given more than once.
    #[arg(long, value_name = "N", default_values_t = [1])]
    threads: Vec<usize>,
    /// A program that measures the same model by other means, and its arguments: it reads a number of runs per
    /// line, and answers with median and 99th percentile in seconds. May be given more than once.
    #[arg(long = "peer", value_name = "COMMAND")]
    peers: Vec<String>,
    /// What it is run on; may be given more than once.
    #[arg(long, value_name = "PROVIDER")]
    provider: Vec<ProviderName>,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// As in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProviderName {
    Cpu,
    Cuda,
    Tensorrt,
}

impl From<ProviderName> for Provider {
    fn from(name: ProviderName) -> Self {
        match name {
            ProviderName::Cpu => Self::Cpu,
            ProviderName::Cuda => Self::Cuda,
            ProviderName::Tensorrt => Self::Tensorrt,
        }
    }
}

pub(super) fn run(args: &BenchArgs) -> Result<Exit> {
    interrupt::install()?;
    let manifest = PolicyManifest::load(&args.manifest).map_err(refused)?;
    let providers: Vec<Provider> = match args.provider.as_slice() {
        [] => vec![manifest.model.provider],
        given => given.iter().map(|name| Provider::from(*name)).collect(),
    };
    let run_on = providers.iter().flat_map(|provider| {
        args.threads.iter().map(|threads| RunOn { provider: *provider, threads: *threads })
    });
    let run_on: Vec<_> = run_on.collect();
    if let Some(wrong) = args.threads.iter().find(|threads| !(1..=64).contains(*threads)) {
        return Err(refused(anyhow!("--threads {wrong}; allowed: 1 to 64")));
    }
    let plan = InferencePlan {
        folder: args.manifest.parent().unwrap_or(Path::new(".")).to_owned(),
        robot: match &args.robot {
            Some(robot) => embodiment(robot).map_err(refused)?,
            None => Embodiment::from(&layout_for(&manifest)?),
        },
        manifest,
        ticks: args.ticks,
        rounds: args.rounds,
        run_on,
        peers: args.peers.clone(),
    };
    let report = inference::measure(&plan, &mut |line| eprintln!("{line}"))?;
    if args.json {
        print_json(&report)?;
    } else {
        out!("{report}");
    }
    // One that was asked for and is not there is an error, not a row less.
    Ok(if report.is_complete() { Exit::Success } else { Exit::Failure })
}

/// A robot that has just the joints that a policy names: times do not depend on the rest.
fn layout_for(manifest: &PolicyManifest) -> Result<Layout> {
    let mut joints: Vec<String> = manifest.action.joints().to_vec();
    for input in &manifest.inputs {
        let InputSpec::Observation { terms, .. } = input else { continue };
        for joint in terms.iter().flat_map(|term| &term.joints) {
            if !joints.contains(joint) {
                joints.push(joint.clone());
            }
        }
    }
    let mut groups = vec![("body".to_owned(), GroupKind::Joints, joints.clone())];
    if manifest.action.joints().is_empty() {
        let wheel = "wheel".to_owned();
        joints.push(wheel.clone());
        groups.push(("base".to_owned(), GroupKind::Base, vec![wheel]));
    }
    groups.retain(|(_, _, joints)| !joints.is_empty());
    Ok(Layout::new(joints, groups)?)
}
