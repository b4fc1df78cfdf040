use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use sinew_policy::{ActionSpec, History, InputSpec, NodePlacement, Policy, PolicyManifest};

use super::embodiment;
use crate::exit::{Exit, refused};
use crate::output::{print_json, table};
use crate::share::share;

#[derive(Args)]
pub(super) struct CheckArgs {
    /// The policy's manifest.
    manifest: PathBuf,
    /// The robot that it is for; the shipped one by default.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew policy check --json` prints.
#[derive(Serialize)]
struct CheckReport<'a> {
    ok: bool,
    manifest: &'a PolicyManifest,
    /// Each node of the network and what runs it.
    nodes: &'a [NodePlacement],
}

pub(super) fn run(args: &CheckArgs) -> Result<Exit> {
    let robot = args.robot.clone().unwrap_or_else(|| share().join("urdf/mobi.robot.yaml"));
    let policy = Policy::load(&args.manifest, &embodiment(&robot)?).map_err(refused)?;
    if args.json {
        let nodes = policy.placements();
        print_json(&CheckReport { ok: true, manifest: policy.manifest(), nodes })?;
        return Ok(Exit::Success);
    }
    outln!("ok: {} for robot {}", args.manifest.display(), robot.display());
    out!("{}", table(&meaning(policy.manifest())));
    out!("{}", placement(&policy));
    Ok(Exit::Success)
}

/// How many nodes each provider runs, and which fell back to the CPU.
fn placement(policy: &Policy) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for node in policy.placements() {
        *counts.entry(&node.provider).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} on {name}")).collect();
    let mut text = format!("nodes: {}\n", counts.join(", "));
    for node in policy.fallen_back() {
        text += &format!("  fell back to the CPU: {node}\n");
    }
    text
}

/// What goes in and comes out, row by row.
fn meaning(manifest: &PolicyManifest) -> Vec<Vec<String>> {
    let mut rows = vec![["", "values", "what"].map(String::from).to_vec()];
    let mut row = |what: String, values: usize, text: String| {
        rows.push(vec![what, values.to_string(), text]);
    };
    for input in &manifest.inputs {
        let width = input.width().unwrap_or(0);
        match input {
            InputSpec::Observation { name, terms, history, .. } => {
                let frames = match history {
                    History::None => String::new(),
                    History::Frames { length, order, layout, .. } => {
                        format!("{length} frames, {order:?}, {layout:?}")
                    }
                };
                row(format!("in  {name}"), width, frames);
                for term in terms {
                    let name = term.name.as_deref().unwrap_or_default();
                    let text = format!("  {:?} {name}", term.source).trim_end().to_owned();
                    row(text, term.width(), term.unit.clone().unwrap_or_default());
                }
            }
            InputSpec::Image { name, camera, .. } => {
                row(format!("in  {name}"), width, format!("picture of camera {camera}"));
            }
            InputSpec::State { name, from, .. } => {
                row(format!("in  {name}"), width, format!("remembered from {from}"));
            }
            InputSpec::Counter { name, .. } => row(format!("in  {name}"), width, "counter".into()),
        }
    }
    let moved = match &manifest.action {
        ActionSpec::ToolTwist { group, .. } => format!("velocity of the tool of {group}"),
        ActionSpec::ToolPose { group, .. } => format!("pose of the tool of {group}"),
        ActionSpec::Twist { .. } => "velocity of the base".into(),
        action => action.joints().join(", "),
    };
    row(format!("out {}", manifest.model.output), manifest.action.width(), moved);
    if let Some(gripper) = &manifest.gripper {
        row("  gripper".into(), 1, format!("width of {}, m", gripper.group));
    }
    rows
}
