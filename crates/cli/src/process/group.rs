use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::launch::{LaunchDescription, NodeLaunch};

use super::child::ChildProcess;
use crate::carrier::CarrierArgs;
use crate::memory;

/// Who was asked to end and has not after this time is killed.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Processes that belong together: when one ends, or this value is dropped, all are ended.
pub(crate) struct ProcessGroup {
    carrier: CarrierArgs,
    logs: PathBuf,
    children: Vec<ChildProcess>,
}

impl ProcessGroup {
    /// `runs`: where a folder for the lines of processes is made whose output is `log`.
    pub(crate) fn new(carrier: CarrierArgs, runs: PathBuf) -> Self {
        let logs = runs.join(format!("launch-{}", std::process::id()));
        Self { carrier, logs, children: Vec::new() }
    }

    /// Starts everything that a launch file names.
    pub(crate) fn start_all(&mut self, description: &LaunchDescription) -> Result<()> {
        for node in &description.nodes {
            self.start_node(node)?;
        }
        for process in &description.processes {
            let Some((program, arguments)) = process.command.split_first() else { continue };
            let mut command = Command::new(program);
            #[cfg(feature = "ros2")]
            crate::fast_dds::withhold_shipped_profiles(&mut command);
            command.args(arguments).envs(process.environment.iter().cloned());
            let name = PathBuf::from(program);
            let name = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy();
            self.children.push(ChildProcess::start(&name, command, process.output, &self.logs)?);
        }
        Ok(())
    }

    /// Starts one node.
    pub(crate) fn start_node(&mut self, node: &NodeLaunch) -> Result<()> {
        let program = std::env::current_exe().context("cannot find the program's own file")?;
        let mut command = Command::new(program);
        command
            .args(&node.args)
            .args(self.carrier.words())
            .args(NodeArguments::from(node).to_words())
            .envs(node.environment.iter().cloned());
        self.children.push(ChildProcess::start(&node.name, command, node.output, &self.logs)?);
        Ok(())
    }

    /// Waits until a process ends, and gives its name and how it ended; none if `stop` says so first.
    pub(crate) fn wait(&mut self, stop: impl Fn() -> bool) -> Option<(String, ExitStatus)> {
        while !stop() {
            if let Some(ended) = self.ended() {
                return Some(ended);
            }
            std::thread::sleep(POLL);
        }
        None
    }

    /// The first process that has ended, if any.
    pub(crate) fn ended(&mut self) -> Option<(String, ExitStatus)> {
        let mut children = self.children.iter_mut();
        children.find_map(|child| Some((child.name.clone(), child.ended()?)))
    }

    /// Peak resident memory per process, MiB.
    pub(crate) fn peak_memory_mib(&self) -> Vec<(String, f64)> {
        let peaks = self.children.iter();
        peaks
            .filter_map(|child| Some((child.name.clone(), memory::peak_mib(child.id())?)))
            .collect()
    }

    /// Asks all to end, the last started first, and kills those that do not.
    pub(crate) fn stop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // The id of one that has ended may belong to another program by now.
            if child.ended().is_none() {
                child.interrupt();
            }
        }
        let since = Instant::now();
        while since.elapsed() < PATIENCE
            && self.children.iter_mut().any(|child| child.ended().is_none())
        {
            std::thread::sleep(POLL);
        }
        for mut child in self.children.drain(..) {
            if child.ended().is_none() {
                eprintln!("[{}] did not end within {PATIENCE:?}: killed", child.name);
                child.kill();
            }
            child.join();
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.stop();
    }
}
