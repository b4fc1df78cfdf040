//! README.md is true: each of its commands runs, and its box can be added to the world and asked for.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{PROGRAM, copy_folder, root, text};

/// The contents of README.md's fenced blocks of one language, in order.
fn blocks(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let opening = format!("```{language}\n");
    let starts = text.split(&opening).skip(1);
    starts.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// A folder in which README.md's commands do as in a checkout, without touching this one.
fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["worlds", "urdf", "launch", "policies"] {
        copy_folder(&root().join(part), &folder.path().join(part));
    }
    folder
}

fn shell(line: &str, folder: &Path, router: &str) -> Command {
    let line = match line.strip_prefix("sinew ") {
        Some(arguments) => format!("exec {PROGRAM} {arguments}"),
        None => line.to_owned(),
    };
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(folder).env("SINEW_ROUTER", router);
    command.stdin(Stdio::null());
    command
}

/// Ended as by Ctrl-C, so that it ends its own processes.
struct InBackground(Child);

impl Drop for InBackground {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn every_command_of_the_readme_runs() {
    let folder = checkout();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let router = format!("tcp/127.0.0.1:{port}");
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let yaml_box = blocks("yaml").pop().unwrap();
    let mut in_background = Vec::new();
    let mut ran = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        eprintln!("$ {line}");
        if line.starts_with("cargo xtask ") {
            assert!(ci.lines().any(|ci| ci == line), "CI does not run `{line}`");
        } else if line.starts_with("alias sinew=") {
            assert_eq!(line, "alias sinew=target/release/sinew");
        } else if line.contains(" --processes") {
            let child = shell(line, folder.path(), &router).spawn().unwrap();
            in_background.push(InBackground(child));
            // The next terminal: the README has nobody type faster than a router opens its port.
            wait_for_port(port);
        } else {
            let output = shell(line, folder.path(), &router).output().unwrap();
            let text = text(&output);
            // The one command that needs what a newcomer does not have says so.
            let (code, says) = if line.contains("--planner llm") {
                (2, "http://localhost:8080/v1")
            } else {
                (0, "")
            };
            assert_eq!(output.status.code(), Some(code), "{line}: {text}");
            assert!(text.contains(says), "{line}: {text}");
            ran += 1;
        }
        if line.starts_with("cp ") {
            let world = folder.path().join(line.split(' ').next_back().unwrap());
            let text = std::fs::read_to_string(&world).unwrap();
            let with_box = text.replacen("\nobjects:\n", &format!("\nobjects:\n{yaml_box}"), 1);
            assert_ne!(text, with_box, "no place for the README's box in {}", world.display());
            std::fs::write(&world, with_box).unwrap();
        }
    }
    assert_eq!(in_background.len(), 1);
    assert!(ran >= 9, "only {ran} commands were found in README.md");
}

fn wait_for_port(port: u16) {
    let since = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(since.elapsed() < Duration::from_secs(60), "no router within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}
