//! Other programs that measure the same model.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::stats::median;

/// Another program on the same model, round by round beside ours.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PeerRow {
    pub(super) command: String,
    /// Medians over the rounds.
    pub(super) p50_s: f64,
    pub(super) p99_s: f64,
    /// Medians over the rounds of our whole tick over the peer's.
    pub(super) total_p50_ratio: f64,
    pub(super) total_p99_ratio: f64,
}

/// A program that reads a number of runs per line, and answers each with median and 99th percentile, s.
pub(super) struct Peer {
    command: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Per round: median, 99th percentile, and the ratios of ours over them.
    rounds: Vec<[f64; 4]>,
}

impl Peer {
    pub(super) fn start(command: &str) -> Result<Self> {
        let mut words = command.split_whitespace();
        let program = words.next().context("--peer: empty; allowed: a program")?;
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("--peer {command}: cannot be started"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("--peer {command}: without input or output");
        };
        let output = BufReader::new(output).lines();
        Ok(Self { command: command.to_owned(), child, input, output, rounds: Vec::new() })
    }

    /// Has it measure once more, beside a median and a 99th percentile of ours, s.
    pub(super) fn measure(&mut self, runs: u32, our_p50_s: f64, our_p99_s: f64) -> Result<()> {
        let [p50, p99] = self.ask(&runs.to_string())?;
        self.rounds.push([p50, p99, our_p50_s / p50, our_p99_s / p99]);
        Ok(())
    }

    /// Has it measure what the line says: median and 99th percentile, s.
    pub(super) fn ask(&mut self, line: &str) -> Result<[f64; 2]> {
        writeln!(self.input, "{line}")?;
        let answer = self.output.next().transpose()?.unwrap_or_default();
        let values: Result<Vec<f64>, _> = answer.split_whitespace().map(str::parse).collect();
        let Ok([p50, p99]) = values.as_deref() else {
            bail!("--peer {}: answered `{answer}`; allowed: two numbers", self.command);
        };
        Ok([*p50, *p99])
    }

    pub(super) fn row(self) -> PeerRow {
        let of = |place: usize| median(self.rounds.iter().map(|round| round[place]));
        let [p50_s, p99_s, total_p50_ratio, total_p99_ratio] =
            [0, 1, 2, 3].map(|place| of(place).unwrap_or(f64::NAN));
        PeerRow { command: self.end(), p50_s, p99_s, total_p50_ratio, total_p99_ratio }
    }

    /// Has it end; its command.
    pub(super) fn end(mut self) -> String {
        // Its input is closed: it ends.
        drop(self.input);
        let _ = self.child.wait();
        self.command
    }
}
