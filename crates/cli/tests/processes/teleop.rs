//! `sinew teleop` as a user starts it, at a robot that runs in a process of its own.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::support::{PROGRAM, Process, bus, node, root, router, sinew, text, wait_for};
use sinew_bus::names;
use sinew_msgs::sinew_msgs::{RobotTick, SafetyState};

/// The program on a terminal of its own.
fn on_a_terminal(router: &str) -> Command {
    let program =
        format!("stty rows 40 cols 100; exec {PROGRAM} teleop keyboard --router {router}");
    let mut command = Command::new("script");
    command.args(["-qec", &program, "/dev/null"]).stdin(Stdio::piped());
    command
}

/// The program, and the keyboard of its terminal.
fn keyboard(router: &str) -> (Process, ChildStdin) {
    let mut child = on_a_terminal(router).stdout(Stdio::null()).spawn().unwrap();
    let keys = child.stdin.take().unwrap();
    (Process(child), keys)
}

#[test]
fn a_robot_is_driven_and_stopped_by_the_keys_of_a_plain_terminal() {
    let (_router, router) = router();
    let world = root().join("worlds/tabletop.yaml").display().to_string();
    let parameters = [("world", world), ("seed", "1".to_owned()), ("pace", "real_time".to_owned())];
    let _hardware = node(&router, "hardware", &parameters);

    let bus = bus(&router);
    let onlooker = bus.node("onlooker", "/mobi").unwrap();
    let ticks = onlooker.subscription(&names::ROBOT_TICK).unwrap();
    let safety = onlooker.subscription(&names::SAFETY_STATE).unwrap();
    let ready = |state: &SafetyState| state.mode == SafetyState::MODE_READY;
    wait_for("a robot", || safety.take_newest().filter(|state| ready(&state.message)));

    let (mut terminal, mut keys) = keyboard(&router);
    let mut press = move |key: &str| {
        keys.write_all(key.as_bytes()).unwrap();
        keys.flush().unwrap();
    };
    wait_for("motion", || {
        // A key that is held in a terminal that knows only presses.
        press("w");
        std::thread::sleep(Duration::from_millis(30));
        ticks.take_newest().filter(|tick| speed(&tick.message) > 0.05)
    });
    let rests = |tick: &RobotTick| speed(tick).abs() < 0.005;
    wait_for("rest", || ticks.take_newest().filter(|tick| rests(&tick.message)));
    let free = |state: &SafetyState| state.owners.iter().all(|owner| owner.source == 0);
    wait_for("release", || safety.take_newest().filter(|state| free(&state.message)));

    // A second one at the same robot is refused.
    let second = on_a_terminal(&router).output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{}", text(&second));
    assert!(text(&second).contains("a node `teleop` is up"), "{}", text(&second));

    press(" ");
    let stopped = |state: &SafetyState| state.mode == SafetyState::MODE_ESTOP;
    wait_for("e-stop", || safety.take_newest().filter(|state| stopped(&state.message)));
    press("R");
    let disarmed = |state: &SafetyState| state.mode == SafetyState::MODE_DISARMED;
    wait_for("reset", || {
        press("R");
        std::thread::sleep(Duration::from_millis(100));
        safety.take_newest().filter(|state| disarmed(&state.message))
    });
    press("A");
    wait_for("arm", || safety.take_newest().filter(|state| ready(&state.message)));
    press("\u{3}");
    assert!(terminal.0.wait().unwrap().success());
}

#[test]
fn a_leader_without_a_mapping_that_follows_one_is_refused() {
    let mapping = root().join("teleop/xbox.teleop.yaml").display().to_string();
    let output = sinew(&root(), &["teleop", "leader", "--mapping", &mapping]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("no mode follows a leader"), "{}", text(&output));
}

fn speed(tick: &RobotTick) -> f64 {
    tick.base_twist.linear.x
}
