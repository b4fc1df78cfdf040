//! A process that dies or ends in mid-motion: the robot holds, the task ends with a typed error, and the process can be
//! started anew.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{PROGRAM, Process, bus, json, node, root, router, text, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use sinew_bus::{BusNode, Subscription, ZenohRouter, names};
use sinew_msgs::sinew_msgs::{RobotTick, SafetyState};
use sinew_types::ErrorCode;

fn skills(router: &str) -> Process {
    let root = root();
    let robot = root.join("urdf/mobi.robot.yaml").display().to_string();
    let policies = root.join("policies").display().to_string();
    node(router, "skills", &[("robot", robot), ("policies", policies)])
}

/// The robot at its table, each node a process.
struct System {
    _router: ZenohRouter,
    router: String,
    _hardware: Process,
    connector: Process,
    _planner: Process,
    skills: Process,
    onlooker: BusNode,
    ticks: Subscription<RobotTick>,
    safety: Subscription<SafetyState>,
    folder: tempfile::TempDir,
}

impl System {
    fn start() -> Self {
        let root = root();
        let (held, router) = router();
        let robot = root.join("urdf/mobi.robot.yaml").display().to_string();
        let world = root.join("worlds/tabletop.yaml").display().to_string();
        // In lock-step, so that a slow machine changes nothing.
        let hardware = [
            ("world", world),
            ("seed", "1".to_owned()),
            ("lock_step_with", "[skills, connector]".to_owned()),
            ("pace", "real_time".to_owned()),
        ];
        let hardware = node(&router, "hardware", &hardware);
        let lock_step = ("lock_step", "true".to_owned());
        let connector = node(&router, "connector", &[("robot", robot.clone()), lock_step]);
        let planner = node(&router, "planner", &[("robot", robot)]);
        let skills = skills(&router);
        let onlooker = bus(&router).node("onlooker", "/mobi").unwrap();
        let ticks = onlooker.subscription(&names::ROBOT_TICK).unwrap();
        let safety = onlooker.subscription(&names::SAFETY_STATE).unwrap();
        Self {
            _router: held,
            router,
            _hardware: hardware,
            connector,
            _planner: planner,
            skills,
            onlooker,
            ticks,
            safety,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn program(&self, words: &[&str]) -> Child {
        Command::new(PROGRAM)
            .args(words)
            .args(["--router", &self.router])
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Has the robot begin the task, and gives who waits for its end.
    fn task_in_motion(&self) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut run = self.program(&["run", "--connect", "put the red cube in the bin"]);
        let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
        let moving = lines.any(|line| line.is_ok_and(|line| line.contains("step 1/")));
        assert!(moving, "the task never started");
        self.wait_for_motion();
        (run, lines)
    }

    fn wait_for_motion(&self) {
        wait_for("motion", || self.ticks.take_newest().filter(|tick| is_moving(&tick.message)));
    }

    fn wait_for_rest(&self) {
        wait_for("hold", || self.safety.take_newest().filter(|state| holds(&state.message)));
        wait_for("rest", || self.ticks.take_newest().filter(|tick| !is_moving(&tick.message)));
    }
}

/// The end of a task that failed: the line of its error.
fn failure(mut run: Child, lines: Lines<BufReader<ChildStdout>>) -> String {
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(run.wait().unwrap().code(), Some(1), "{rest:#?}");
    rest.into_iter().find(|line| line.starts_with("error:")).unwrap()
}

#[test]
fn a_killed_skills_process_ends_in_hold_and_a_typed_error_and_can_be_restarted() {
    let mut system = System::start();
    let (run, lines) = system.task_in_motion();
    let _ = system.skills.0.kill();
    let error = failure(run, lines);
    assert!(error.contains("PeerLost") || error.contains("SafetyStop"), "{error}");
    system.wait_for_rest();

    system.skills = skills(&system.router);
    wait_for("a new start", || {
        system.safety.take_newest().filter(|state| state.message.mode == SafetyState::MODE_READY)
    });
    let again = system.program(&["run", "--connect", "go home"]);
    let output = again.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn a_skills_process_that_ends_in_order_leaves_no_success_behind() {
    let mut system = System::start();
    let results = system.onlooker.subscription(&names::SKILL_RESULTS).unwrap();
    let world = system.onlooker.subscription(&names::WORLD).unwrap();
    wait_for("the bin to be seen", || {
        world.take_newest()?.message.objects.iter().any(|object| object.id == "bin").then_some(())
    });
    let call = system.program(&["call", "drive_to", r#"{"target": "bin"}"#, "--json"]);
    system.wait_for_motion();
    interrupt(&mut system.skills);
    let output = call.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = json(&output);
    assert_eq!(report["success"], false, "{report}");
    assert_eq!(report["error_code"], ErrorCode::PeerLost.as_u16(), "{report}");
    assert_eq!(report["termination_reason"], "aborted", "{report}");
    assert!(report["error_msg"].as_str().unwrap().contains("was shut down"), "{report}");
    let told = wait_for("the result on the topic", || {
        results.take().filter(|told| told.message.error_code == ErrorCode::PeerLost.as_u16())
    });
    assert!(told.message.error_msg.contains("was shut down"), "{told:?}");
    system.wait_for_rest();
}

#[test]
fn a_connector_that_ends_in_order_leaves_no_success_behind() {
    let mut system = System::start();
    let (run, lines) = system.task_in_motion();
    interrupt(&mut system.connector);
    let error = failure(run, lines);
    assert!(error.contains("PeerLost") && error.contains("was shut down"), "{error}");
}

/// As Ctrl-C does.
fn interrupt(process: &mut Process) {
    kill_process(Pid::from_child(&process.0), Signal::INT).unwrap();
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
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
