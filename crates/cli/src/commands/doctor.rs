use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::doctor::{self, Check, Verdict};
use crate::exit::Exit;
use crate::output::print_json;

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew doctor --json` prints.
#[derive(Serialize)]
struct DoctorReport {
    ok: bool,
    checks: Vec<Check>,
}

pub(crate) fn run(args: &DoctorArgs) -> Result<Exit> {
    let mut checks = Vec::new();
    for check in doctor::CHECKS {
        let made = check();
        if !args.json {
            print(&made);
        }
        checks.extend(made);
    }
    let ok = checks.iter().all(|check| check.verdict != Verdict::Missing);
    if args.json {
        print_json(&DoctorReport { ok, checks })?;
    } else {
        let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
        let (warnings, missing) = (count(Verdict::Warning), count(Verdict::Missing));
        outln!("\n{warnings} warnings, {missing} missing");
    }
    Ok(if ok { Exit::Success } else { Exit::Failure })
}

fn print(checks: &[Check]) {
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Missing => "MISSING",
        };
        outln!("{verdict:<8} {:<20} {}", check.name, check.found);
        if let Some(mend) = &check.mend {
            outln!("{:<8} {:<20} -> {mend}", "", "");
        }
    }
}
