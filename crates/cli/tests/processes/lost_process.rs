//! A process that dies in mid-motion: the robot holds, the task ends with a typed error, and the
//! process can be started anew.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{PROGRAM, Process, bus, node, root, router, wait_for};
use sinew_bus::names;
use sinew_msgs::sinew_msgs::{RobotTick, SafetyState};

fn skills(router: &str) -> Process {
    let root = root();
    let robot = root.join("urdf/mobi.robot.yaml").display().to_string();
    let policies = root.join("policies").display().to_string();
    node(router, "skills", &[("robot", robot), ("policies", policies)])
}

fn task(router: &str, folder: &std::path::Path, instruction: &str) -> Child {
    Command::new(PROGRAM)
        .args(["run", "--connect", "--router", router, instruction])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_skills_process_ends_in_hold_and_a_typed_error_and_can_be_restarted() {
    let root = root();
    let (_router, router) = router();
    let robot = root.join("urdf/mobi.robot.yaml").display().to_string();
    let world = root.join("worlds/tabletop.yaml").display().to_string();
    // In lock-step, so that a slow machine changes nothing.
    let hardware = [
        ("world", world),
        ("seed", "1".to_owned()),
        ("lock_step_with", "[skills, connector]".to_owned()),
        ("pace", "real_time".to_owned()),
    ];
    let _hardware = node(&router, "hardware", &hardware);
    let lock_step = ("lock_step", "true".to_owned());
    let _connector = node(&router, "connector", &[("robot", robot.clone()), lock_step]);
    let _planner = node(&router, "planner", &[("robot", robot)]);
    let victim = skills(&router);

    let bus = bus(&router);
    let onlooker = bus.node("onlooker", "/mobi").unwrap();
    let ticks = onlooker.subscription(&names::ROBOT_TICK).unwrap();
    let safety = onlooker.subscription(&names::SAFETY_STATE).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let mut run = task(&router, folder.path(), "put the red cube in the bin");
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let moving = lines.any(|line| line.is_ok_and(|line| line.contains("step 1/")));
    assert!(moving, "the task never started");
    wait_for("motion", || ticks.take_newest().filter(|tick| is_moving(&tick.message)));
    drop(victim);

    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(run.wait().unwrap().code(), Some(1), "{rest:#?}");
    let error = rest.iter().find(|line| line.starts_with("error:")).unwrap();
    assert!(error.contains("PeerLost") || error.contains("SafetyStop"), "{error}");
    wait_for("hold", || safety.take_newest().filter(|state| holds(&state.message)));
    wait_for("rest", || ticks.take_newest().filter(|tick| !is_moving(&tick.message)));

    let _skills = skills(&router);
    wait_for("a new start", || {
        safety.take_newest().filter(|state| state.message.mode == SafetyState::MODE_READY)
    });
    let again = task(&router, folder.path(), "go home");
    let output = again.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

fn is_moving(tick: &RobotTick) -> bool {
    let twist = &tick.base_twist;
    let arm = tick.joint_state.velocity.iter().any(|velocity| velocity.abs() > 0.05);
    arm || twist.linear.x.abs() > 0.02 || twist.angular.z.abs() > 0.02
}

/// Nobody commands any group.
fn holds(state: &SafetyState) -> bool {
    state.owners.iter().all(|owner| owner.source == 0 && owner.lease_id == 0)
}
