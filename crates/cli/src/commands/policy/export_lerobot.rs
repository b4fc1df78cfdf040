use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};
use clap::Args;

use crate::exit::{Exit, refused};

/// PyTorch is the only one who can read a checkpoint's network, so the export is its program.
const SCRIPT: &str = include_str!("export_lerobot.py");

#[derive(Args)]
pub(super) struct ExportLerobotArgs {
    /// The folder of an ACT checkpoint: `config.json`, `model.safetensors`.
    #[arg(required_unless_present = "print")]
    checkpoint: Option<PathBuf>,
    /// The model to write; `act.onnx` in the checkpoint's folder by default, where `import` finds it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A Python that has LeRobot, onnx and onnxruntime.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Print the script instead, to be run where the policy was trained.
    #[arg(long, conflicts_with_all = ["checkpoint", "out"])]
    print: bool,
}

pub(super) fn run(args: &ExportLerobotArgs) -> Result<Exit> {
    let Some(checkpoint) = &args.checkpoint else {
        out!("{SCRIPT}");
        return Ok(Exit::Success);
    };
    if !checkpoint.join("config.json").is_file() {
        return Err(refused(anyhow!(
            "{}: holds no config.json; allowed: the folder of a checkpoint of LeRobot",
            checkpoint.display()
        )));
    }
    let out = args.out.clone().unwrap_or_else(|| checkpoint.join("act.onnx"));
    let mut child = Command::new(&args.python)
        .arg("-")
        .arg(checkpoint)
        .arg(&out)
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", args.python.display()))?;
    if let Some(mut input) = child.stdin.take() {
        // A Python that ends before it has read everything says why itself.
        let _ = input.write_all(SCRIPT.as_bytes());
    }
    let status = child.wait().context("cannot wait for Python")?;
    Ok(if status.success() { Exit::Success } else { Exit::Failure })
}
