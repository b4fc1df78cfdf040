//! The program, as a user starts it.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "shared by test programs that each use a part of it")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use sinew_bus::{Bus, ZenohConfig, ZenohMode, ZenohRouter};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sinew");

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs the program in a folder of its own.
pub(crate) fn sinew(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).current_dir(folder).output().unwrap()
}

/// Both streams, for messages of failing tests.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The one JSON object on stdout.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(output)))
}

/// Everything under `from`, in `to`.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        if path.is_dir() {
            copy_folder(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// Each file under a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A process that ends with the test, whatever its end.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: it has no time for a farewell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A node of the robot `/mobi` in a process of its own.
pub(crate) fn node(router: &str, kind: &str, parameters: &[(&str, String)]) -> Process {
    let mut command = Command::new(PROGRAM);
    command.args(["node", kind, "--router", router, "--ros-args", "-r", "__ns:=/mobi"]);
    for (name, value) in parameters {
        command.args(["-p", &format!("{name}:={value}")]);
    }
    Process(command.spawn().unwrap())
}

/// A zenoh router at a port of its own, and its endpoint.
pub(crate) fn router() -> (ZenohRouter, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("tcp/127.0.0.1:{port}");
    (ZenohRouter::open(&endpoint).unwrap(), endpoint)
}

/// A bus at that router.
pub(crate) fn bus(router: &str) -> Bus {
    let connect = vec![router.to_owned()];
    Bus::zenoh(ZenohConfig { mode: ZenohMode::Client, connect, ..ZenohConfig::default() }).unwrap()
}

/// Polls for something that must happen sooner or later; the limit only ends a broken test.
pub(crate) fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(since.elapsed() < Duration::from_secs(120), "no {what} within two minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
}
