use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use serde::Serialize;
use sinew_policy::import::{
    Imported, LerobotOptions, import_deploy, import_kinfer, import_lerobot, import_motion,
    import_rl_sar,
};
use sinew_robot::RobotModel;

use crate::exit::{Exit, refused};
use crate::output::print_json;

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `deploy.yaml` of unitree_rl_lab.
    Deploy,
    /// ONNX with `metadata_props` of Isaac Lab, mjlab or BeyondMimic.
    Metadata,
    /// A folder with an ACT checkpoint of LeRobot and its ONNX model.
    Lerobot,
    /// A `.kinfer` archive.
    Kinfer,
    /// `config.yaml` of rl_sar, with `base.yaml` one folder up.
    RlSar,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The file or folder.
    path: PathBuf,
    /// The folder to write manifest and model to.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Whose policy it is; by default the name says it.
    #[arg(long)]
    format: Option<Format>,
    /// The policy's id; the folder's name by default.
    #[arg(long)]
    id: Option<String>,
    /// The robot's joints, where the files do not name them, in the order of the motors or of the dataset.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    joints: Vec<String>,
    /// The robot file, URDF or MJCF whose joints these are; by default the one beside the policy.
    #[arg(long, value_name = "FILE", conflicts_with = "joints")]
    body: Option<PathBuf>,
    /// Ticks per second, where the files do not say it.
    #[arg(long, value_name = "HZ", default_value_t = 50.0)]
    rate: f64,
    /// The step of its motion at which a tracking policy begins.
    #[arg(long, value_name = "N", default_value_t = 0)]
    start_step: u32,
    /// The configuration of a LeRobot checkpoint.
    #[arg(long, value_name = "FILE", default_value = "config.json")]
    config: PathBuf,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew policy import --json` prints.
#[derive(Serialize)]
struct ImportReport<'a> {
    manifest: &'a Path,
    confirm: &'a [String],
}

pub(super) fn run(args: &ImportArgs) -> Result<Exit> {
    let format = match args.format {
        Some(format) => format,
        None => Format::of(&args.path)?,
    };
    let imported = imported(args, format)?;
    let path = imported.write(&args.out).map_err(refused)?;
    if args.json {
        print_json(&ImportReport { manifest: &path, confirm: &imported.confirm })?;
        return Ok(Exit::Success);
    }
    outln!("{}", path.display());
    outln!("confirm, since the files do not say it:");
    for line in &imported.confirm {
        outln!("- {line}");
    }
    Ok(Exit::Success)
}

fn imported(args: &ImportArgs, format: Format) -> Result<Imported> {
    let path = args.path.as_path();
    let folder = || {
        let whole = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
        whole.file_name().map(|name| name.to_string_lossy().into_owned())
    };
    let is_name = |id: &String| {
        !id.is_empty() && id.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
    };
    if let Some(id) = args.id.as_ref().filter(|id| !is_name(id)) {
        return Err(refused(anyhow!("--id `{id}`; allowed: lower case letters, digits and _")));
    }
    if !path.exists() {
        return Err(refused(anyhow!("{}: there is no such file or folder", path.display())));
    }
    let id = args.id.clone().or_else(folder).unwrap_or_else(|| "policy".to_owned());
    let joints = || joints(args);
    let made = match format {
        Format::Deploy => import_deploy(path, &joints()?, &id),
        Format::Metadata => import_motion(path, args.rate, args.start_step, &id),
        Format::Kinfer => import_kinfer(path, args.rate, &id),
        Format::RlSar => import_rl_sar(path, &id),
        Format::Lerobot => {
            let options = LerobotOptions {
                joints: joints()?,
                rate_hz: args.rate,
                config: args.config.clone(),
            };
            import_lerobot(path, &options, &id)
        }
    };
    made.map_err(refused)
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let by_name = [
            (name == "deploy.yaml", Self::Deploy),
            (name.ends_with(".onnx"), Self::Metadata),
            (name.ends_with(".kinfer"), Self::Kinfer),
            (name == "config.yaml", Self::RlSar),
            (path.is_dir(), Self::Lerobot),
        ];
        let known = by_name.into_iter().find(|(is, _)| *is).map(|(_, format)| format);
        known.ok_or_else(|| {
            refused(anyhow!(
                "{}: the name does not say whose policy it is; allowed: deploy.yaml, config.yaml, *.onnx, \
                 *.kinfer, a folder of LeRobot, or --format",
                path.display()
            ))
        })
    }
}

/// The robot's joints, in the order in which the files count them.
fn joints(args: &ImportArgs) -> Result<Vec<String>> {
    if !args.joints.is_empty() {
        return Ok(args.joints.clone());
    }
    let body = match &args.body {
        Some(body) => body.clone(),
        None => body_beside(&args.path)?,
    };
    let body_joints = RobotModel::joints_of(&body).map_err(refused)?;
    eprintln!("joints of {}: {}", body.display(), body_joints.join(", "));
    Ok(body_joints)
}

/// The one URDF, MJCF or robot file beside a policy.
fn body_beside(path: &Path) -> Result<PathBuf> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{}: cannot be read", folder.display()))?;
    let is_body = |path: &PathBuf| {
        let name = path.to_string_lossy();
        [".urdf", ".xml", ".robot.yaml"].iter().any(|end| name.ends_with(end))
    };
    let mut bodies: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_body).collect();
    bodies.sort();
    if bodies.len() != 1 {
        return Err(refused(anyhow!(
            "the files do not name the robot's joints, and {} robots lie beside them; allowed: --joints, or \
             --body FILE",
            bodies.len()
        )));
    }
    Ok(bodies.remove(0))
}
