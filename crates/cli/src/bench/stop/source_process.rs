use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use sinew_types::Time;

use super::source::{Order, SourceKind};
use super::subject::Subject;
use crate::carrier::CarrierArgs;

/// A process that ends, whatever it does, with this value.
pub(super) struct Victim(Child);

impl Victim {
    pub(super) fn spawn(mut command: Command) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        // Ctrl-C on the terminal reaches this program alone, which then ends it.
        command.process_group(0);
        Ok(Self(command.spawn().context("cannot start a process of this program")?))
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal).context("cannot signal a process of this program")
    }

    /// Waits until it has ended.
    pub(super) fn wait_ended(&mut self) -> Result<()> {
        self.0.wait().context("cannot wait for a process of this program")?;
        Ok(())
    }

    /// Waits until all of its threads are stopped by a signal.
    pub(super) fn wait_stopped(&self) -> Result<()> {
        let status = waitpid(Some(self.pid()?), WaitOptions::UNTRACED)
            .context("cannot wait for a process of this program")?;
        match status {
            Some((_, status)) if status.stopped() => Ok(()),
            other => bail!("a process that was to be stopped is not: {other:?}"),
        }
    }

    /// Whether it runs, or is stopped by a signal.
    pub(super) fn is_alive(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_none())
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(self.0.id().cast_signed()).context("a process without a number")
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A [`super::source`] in a process of its own.
pub(super) struct SourceProcess {
    pub(super) victim: Victim,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl SourceProcess {
    pub(super) fn start(
        kind: SourceKind,
        carrier: &CarrierArgs,
        namespace: &str,
        subject: &Subject,
    ) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the program's own file")?;
        let mut command = Command::new(program);
        command
            .args(["bench", "source", kind.name()])
            .args(carrier.words())
            .args(["--namespace", namespace])
            .args(["--group", subject.group, "--robot"])
            .arg(&subject.robot)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut victim = Victim::spawn(command)?;
        let orders = victim.0.stdin.take().context("a process without input")?;
        let answers = victim.0.stdout.take().context("a process without output")?;
        let mut this = Self { victim, orders, answers: BufReader::new(answers).lines() };
        match this.answer()?.as_str() {
            "ready" => Ok(this),
            other => bail!("the source says `{other}`"),
        }
    }

    /// Has it do something; gives the time at which that took effect, on the monotonic clock.
    pub(super) fn order(&mut self, order: Order) -> Result<Time> {
        let name = order.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        writeln!(self.orders, "{name}").context("the source has ended")?;
        let answer = self.answer()?;
        let time = answer.strip_prefix("did ").and_then(|ns| ns.parse().ok());
        Ok(Time::from_nanos(time.with_context(|| format!("the source says `{answer}`"))?))
    }

    fn answer(&mut self) -> Result<String> {
        let line = self.answers.next().context("the source has ended: its error is above")?;
        line.context("the source cannot be read")
    }
}
