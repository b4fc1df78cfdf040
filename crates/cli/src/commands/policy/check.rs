use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use sinew_hardware::layout_of;
use sinew_policy::{History, InputSpec, Policy, PolicyManifest};
use sinew_robot::RobotModel;

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
}

pub(super) fn run(args: &CheckArgs) -> Result<Exit> {
    let robot = args.robot.clone().unwrap_or_else(|| share().join("urdf/mobi.robot.yaml"));
    let layout = layout_of(&RobotModel::load(&robot)?)?;
    let policy = Policy::load(&args.manifest, &layout).map_err(refused)?;
    if args.json {
        print_json(&CheckReport { ok: true, manifest: policy.manifest() })?;
        return Ok(Exit::Success);
    }
    println!("ok: {} for robot {}", args.manifest.display(), robot.display());
    print!("{}", table(&meaning(policy.manifest())));
    Ok(Exit::Success)
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
    let joints = manifest.action.joints().join(", ");
    row(format!("out {}", manifest.model.output), manifest.action_width(), joints);
    rows
}
