//! Which program this is.

use std::process::Command;

use anyhow::{Context, Result};
use sinew_log::Build;

/// Version, git commit where the repository that it was built from is still there, and hash.
pub(crate) fn build() -> Result<Build> {
    let program = std::env::current_exe().context("cannot find the program's own file")?;
    let commit = commit();
    Ok(Build::of(&program, env!("CARGO_PKG_VERSION"), commit.as_deref())?)
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { head } else { format!("{head}-dirty") })
}
