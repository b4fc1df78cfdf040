use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use sinew_nodes::launch::Output;

/// A process that was started here.
pub(super) struct ChildProcess {
    pub(super) name: String,
    child: Child,
    /// What prints its lines; ends with it.
    printers: Vec<JoinHandle<()>>,
}

impl ChildProcess {
    /// Starts it in a process group of its own, so that Ctrl-C on the terminal reaches this program
    /// alone, which then ends it in order.
    pub(super) fn start(
        name: &str,
        mut command: Command,
        output: Output,
        logs: &Path,
    ) -> Result<Self> {
        command.stdin(Stdio::null()).process_group(0);
        match output {
            Output::Screen => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
            }
            Output::Log => {
                std::fs::create_dir_all(logs)
                    .with_context(|| format!("{}: cannot be made", logs.display()))?;
                let path = logs.join(format!("{name}.log"));
                let file = File::create(&path)
                    .with_context(|| format!("{}: cannot be written", path.display()))?;
                command.stdout(file.try_clone()?).stderr(file);
            }
        }
        let mut child = command.spawn().with_context(|| {
            format!("{name}: cannot start `{}`", command.get_program().to_string_lossy())
        })?;
        let mut printers = Vec::new();
        printers.extend(child.stdout.take().map(|lines| print_lines(name, lines)));
        printers.extend(child.stderr.take().map(|lines| print_lines(name, lines)));
        Ok(Self { name: name.into(), child, printers })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; none while it runs.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end.
    pub(super) fn interrupt(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended already.
            let _ = kill_process(pid, Signal::INT);
        }
    }

    /// Ends it, whatever it does.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Waits for its end, and for its last line to be printed.
    pub(super) fn join(mut self) {
        let _ = self.child.wait();
        for printer in self.printers.drain(..) {
            let _ = printer.join();
        }
    }
}

fn print_lines(name: &str, lines: impl Read + Send + 'static) -> JoinHandle<()> {
    let name = name.to_owned();
    std::thread::spawn(move || {
        for line in BufReader::new(lines).lines().map_while(Result::ok) {
            eprintln!("[{name}] {line}");
        }
    })
}
