//! What a person sees while a task runs.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sinew_nodes::TaskEvent;

/// A live line on a terminal; plain lines in a pipe; nothing where JSON was asked for.
pub(crate) struct ProgressView {
    bar: Option<ProgressBar>,
    quiet: bool,
    last: String,
}

impl ProgressView {
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4}  {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, quiet, last: String::new() }
    }

    /// Shows what a task says of itself.
    pub(crate) fn tell(&mut self, event: &TaskEvent) {
        let TaskEvent::Feedback(feedback) = event else { return };
        if self.quiet {
            return;
        }
        if feedback.text.starts_with("plan:") {
            self.line(&feedback.text);
            return;
        }
        let place = match feedback.step_count {
            0 => feedback.phase.clone(),
            steps => format!("step {}/{steps}", feedback.step_index + 1),
        };
        let text = format!("{place}: {}", feedback.text);
        match &self.bar {
            Some(bar) => bar.set_message(format!("{text} {:.0} %", feedback.progress * 100.0)),
            None if text != self.last => outln!("{text}"),
            None => {}
        }
        self.last = text;
    }

    /// Prints a line above the live one.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| outln!("{text}")),
            None if self.quiet => {}
            None => outln!("{text}"),
        }
    }

    /// Takes the live line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
