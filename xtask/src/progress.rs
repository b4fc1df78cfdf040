//! Progress on stderr: a spinner on a terminal, plain lines in a pipe. Stdout stays free for what
//! the started programs report.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One piece of work that is under way.
pub(crate) struct Progress {
    label: String,
    started: Instant,
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// Announces `action` on `label`, for example "ONNX Runtime 1.31.1" and "fetching".
    pub(crate) fn start(label: impl Into<String>, action: &str) -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            spinner.set_style(
                ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
                    .expect("the template is a constant and well formed"),
            );
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        let progress = Self { label: label.into(), started: Instant::now(), spinner };
        progress.now(action);
        progress
    }

    /// The next action on the same label.
    pub(crate) fn now(&self, action: &str) {
        match &self.spinner {
            Some(spinner) => spinner.set_message(format!("{}: {action}", self.label)),
            None => eprintln!("{}: {action} ...", self.label),
        }
    }

    /// Ends the work with a line that stays, with the time it took.
    pub(crate) fn done(self, result: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        eprintln!("{}: {result} ({:.1} s)", self.label, self.started.elapsed().as_secs_f64());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // An error must not be printed behind a spinner that still turns.
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
