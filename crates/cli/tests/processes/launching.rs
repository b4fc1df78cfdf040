//! `sinew launch` and `sinew up`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{PROGRAM, root, sinew, text};

#[test]
fn arguments_of_a_launch_file_are_listed_with_their_values() {
    let output =
        sinew(&root(), &["launch", "launch/tabletop.launch.yaml", "seed:=7", "--show-args"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let text = text(&output);
    assert!(text.lines().any(|line| line.starts_with("seed") && line.contains('7')), "{text}");
    assert!(text.contains("tabletop.yaml") && text.contains("symbolic"), "{text}");
}

#[test]
fn when_a_program_ends_by_itself_the_rest_is_ended_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.launch.yaml");
    let launch = "launch:\n- executable: {cmd: sleep 600, output: screen}\n\
                  - executable: {cmd: 'sh -c \"echo as a shell; exit 3\"', output: screen}\n";
    std::fs::write(&file, launch).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let router = format!("tcp/127.0.0.1:{port}");
    let output = sinew(folder.path(), &["launch", file.to_str().unwrap(), "--router", &router]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("`sh` ended by itself: exit status: 3"), "{}", text(&output));
    assert!(text(&output).contains("as a shell"), "{}", text(&output));
    std::fs::write(&file, "launch:\n- executable: {cmd: 'sh -c \"echo'}\n").unwrap();
    let refused = sinew(folder.path(), &["launch", file.to_str().unwrap(), "--router", &router]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("as a shell splits them"), "{}", text(&refused));
}

#[test]
fn a_composed_system_takes_instructions_from_its_input() {
    let mut up = Command::new(PROGRAM)
        .args(["up", "launch/tabletop.launch.yaml", "--pace", "1000"])
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    up.stdin.take().unwrap().write_all(b"look at the bin\ngo home\n").unwrap();
    let output = up.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(text.matches("the goal is measured").count(), 2, "{text}");
}
