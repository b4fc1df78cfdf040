//! An emulated bus behind a pseudo-terminal.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::EmulatorConfig;
use super::handle::EmulatorHandle;
use super::line::{Answer, Line};
use crate::cells::Clock;

/// How long the thread waits for bytes before it looks for requests.
const WAIT: Duration = Duration::from_millis(1);

/// What the thread is asked for; it answers when that is done.
pub(super) enum PtyRequest {
    Unplug(Sender<()>),
    Plug(Sender<()>),
}

/// An emulated bus on a pseudo-terminal, in real time. Dropping it ends it.
pub struct Emulator {
    handle: EmulatorHandle,
    path: PathBuf,
    /// Dropped to end the thread.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Holds the path.
    _folder: TempDir,
}

impl Emulator {
    /// Starts the servos; they answer at [`Emulator::path`] from now on.
    ///
    /// # Errors
    /// What the operating system says of pseudo-terminals, threads and temporary folders.
    pub fn spawn(config: &EmulatorConfig) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        // A link, so that the port has the same name when it is plugged in again.
        let path = folder.path().join("servos");
        let start = Instant::now();
        let clock: Clock = Arc::new(move || start.elapsed());
        let line = Arc::new(Mutex::new(Line::new(config, false)));
        let (requests, served) = channel();
        let (alive, ends) = channel();
        let handle = EmulatorHandle { line, clock, pty: Some(requests) };
        let thread = Thread {
            line: Arc::clone(&handle.line),
            clock: Arc::clone(&handle.clock),
            master: Some(open(&path)?),
            path: path.clone(),
            due: VecDeque::new(),
        };
        let thread = std::thread::Builder::new()
            .name("servo-emulator".to_owned())
            .spawn(move || thread.run(&served, &ends))?;
        Ok(Self { handle, path, alive: Some(alive), thread: Some(thread), _folder: folder })
    }

    /// Path of the port.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Steers and observes it.
    pub fn handle(&self) -> &EmulatorHandle {
        &self.handle
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

/// Opens a pseudo-terminal and links its other end to `path`.
fn open(path: &Path) -> io::Result<OwnedFd> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
    let name = ptsname(&master, Vec::new())?;
    let target = name.to_string_lossy().into_owned();
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => std::os::unix::fs::symlink(target, path)?,
    }
    Ok(master)
}

struct Thread {
    line: Arc<Mutex<Line>>,
    clock: Clock,
    master: Option<OwnedFd>,
    path: PathBuf,
    due: VecDeque<Answer>,
}

impl Thread {
    fn run(mut self, requests: &Receiver<PtyRequest>, ends: &Receiver<()>) {
        while ends.try_recv() != Err(TryRecvError::Disconnected) {
            match requests.try_recv() {
                Ok(PtyRequest::Unplug(done)) => {
                    self.master = None;
                    self.due.clear();
                    let _ = std::fs::remove_file(&self.path);
                    // Who asked waits for it, or has gone.
                    let _ = done.send(());
                }
                Ok(PtyRequest::Plug(done)) => {
                    self.master = open(&self.path).ok();
                    let _ = done.send(());
                }
                Err(_) => {}
            }
            let is_idle = match &self.master {
                Some(master) => !serve(master, &self.line, &self.clock, &mut self.due),
                None => true,
            };
            // Nobody has the other end open: nothing can come that poll would wake for.
            if is_idle && ends.recv_timeout(WAIT) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }
}

/// Takes what has come and sends what is due; false if the other end is closed.
fn serve(master: &OwnedFd, line: &Mutex<Line>, clock: &Clock, due: &mut VecDeque<Answer>) -> bool {
    let wait = Timespec { tv_sec: 0, tv_nsec: WAIT.subsec_nanos().into() };
    let mut ready = [PollFd::new(master, PollFlags::IN)];
    let lock = || line.lock().unwrap_or_else(PoisonError::into_inner);
    if poll(&mut ready, Some(&wait)).is_err() || ready[0].revents().contains(PollFlags::HUP) {
        lock().is_open = false;
        return false;
    }
    let mut bytes = [0; 4096];
    // Held until the answers are on the wire, so that who sees that an instruction was heard finds them there.
    let mut line = lock();
    if let Ok(count) = rustix::io::read(master, &mut bytes)
        && count > 0
    {
        line.is_open = true;
        due.extend(line.receive(clock(), &bytes[..count]));
        due.make_contiguous().sort_by_key(|(at, _)| *at);
    }
    while let Some((_, answer)) = due.pop_front_if(|(at, _)| *at <= clock()) {
        // A reader that does not read loses bytes, as on a wire.
        let _ = rustix::io::write(master, &answer);
    }
    true
}
