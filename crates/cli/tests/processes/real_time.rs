//! A robot in real time: a hardware process with a driver that is not simulated, and a process that
//! commands it and dies.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Process, bus, node, root, router, wait_for};
use sinew_bus::{BusNode, Service, names};
use sinew_hardware::layout_of;
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, GroupOwner, Heartbeat, RobotTick, SafetyState};
use sinew_msgs::std_srvs::TriggerRequest;
use sinew_nodes::convert::{command_to_msg, duration_to_msg};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BootId, JointCommand, LeaseId};

/// Where the commanding process finds the router.
const ROUTER: &str = "SINEW_TEST_ROUTER";
const JOINT: &str = "head_pan_joint";

fn call<S: Service>(
    node: &BusNode,
    name: &names::ServiceName<S>,
    request: &S::Request,
) -> S::Response {
    let client = node.service_client(name).unwrap();
    wait_for("server", || client.server_available().then_some(()));
    let mut call = client.call(request);
    wait_for("answer", || call.poll()).unwrap()
}

fn is_moving(tick: &RobotTick) -> bool {
    tick.joint_state.velocity.iter().any(|velocity| velocity.abs() > 0.05)
}

#[test]
fn a_real_time_robot_is_armed_moves_and_holds_when_its_commander_is_killed() {
    let (_router, router) = router();
    let robot = root().join("urdf/mobi.robot.yaml").display().to_string();
    let parameters = [("driver", "mock".to_owned()), ("robot", robot)];
    let _hardware = node(&router, "hardware", &parameters);

    let bus = bus(&router);
    let onlooker = bus.node("onlooker", "/mobi").unwrap();
    let ticks = onlooker.subscription(&names::ROBOT_TICK).unwrap();
    let safety = onlooker.subscription(&names::SAFETY_STATE).unwrap();
    let first = wait_for("tick", || ticks.take_newest()).message;
    assert!(first.stamp.sec > 0 || first.stamp.nanosec > 0, "its clock is the machine's");
    let told = wait_for("safety state", || safety.take_newest()).message;
    assert_eq!(told.mode, SafetyState::MODE_DISARMED, "a real robot is not armed by itself");

    let mut commander = Command::new(std::env::current_exe().unwrap());
    commander.args(["--exact", "real_time::commander", "--ignored"]).env(ROUTER, &router);
    let commander = Process(commander.stdout(Stdio::null()).spawn().unwrap());
    let mut mode = SafetyState::MODE_DISARMED;
    wait_for("motion", || {
        // A machine so busy that the loop stood still has the robot stopped: armed anew, it goes on.
        if let Some(state) = safety.take_newest() {
            mode = state.message.mode;
        }
        if mode != SafetyState::MODE_READY {
            let trigger = TriggerRequest::default();
            if mode != SafetyState::MODE_DISARMED {
                call(&onlooker, &names::E_STOP_RESET, &trigger);
            }
            call(&onlooker, &names::ARM, &trigger);
        }
        ticks.take_newest().filter(|tick| is_moving(&tick.message))
    });

    drop(commander);
    let held = wait_for("hold", || {
        let state = safety.take_newest()?.message;
        state.owners.iter().all(|owner| owner.source == 0 && owner.lease_id == 0).then_some(state)
    });
    if held.mode == SafetyState::MODE_READY {
        let kinds: Vec<_> = held.owners.iter().map(|owner| owner.output_kind).collect();
        let at_rest = [GroupOwner::OUTPUT_HOLD, GroupOwner::OUTPUT_RAMP];
        assert!(kinds.iter().all(|kind| at_rest.contains(kind)), "{held:?}");
    }
    wait_for("rest", || ticks.take_newest().filter(|tick| !is_moving(&tick.message)));
    // Nothing resumes by itself.
    for _ in 0..25 {
        let tick = wait_for("tick", || ticks.take()).message;
        assert!(!is_moving(&tick), "{:?}", tick.joint_state.velocity);
    }
}

/// Swings the head until it is killed, and takes a new lease whenever it has lost one.
#[test]
#[ignore = "the process that the test above kills"]
fn commander() {
    let Ok(router) = std::env::var(ROUTER) else { return };
    let model = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let layout = layout_of(&model).unwrap();
    let bus = bus(&router);
    let node = bus.node("skills", "/mobi").unwrap();
    let heart = node.publisher(&names::heartbeat("skills")).unwrap();
    let commands = node.publisher(&names::COMMAND).unwrap();
    let safety = node.subscription(&names::SAFETY_STATE).unwrap();
    let boot_id = u64::from(std::process::id());
    let request = AcquireLeaseRequest {
        source: AcquireLeaseRequest::SOURCE_SKILL,
        groups: vec!["head".to_owned()],
        boot_id,
        command_period: duration_to_msg(Duration::from_millis(20)),
        ..AcquireLeaseRequest::default()
    };
    let mut command = ActuatorCommand::unused(&layout);
    command.boot_id = BootId(boot_id);
    command.valid_for = Duration::from_millis(200);
    // All joints of the group: one that is left out looks like one that is NaN.
    command.joints[model.joint_index("head_tilt_joint").unwrap()] = JointCommand::position(0.0);
    loop {
        let holds = |state: &SafetyState| {
            let live = |owner: &GroupOwner| owner.lease_id == command.lease.0;
            command.lease.0 != 0 && state.owners.iter().any(live)
        };
        if safety.take_newest().is_some_and(|state| !holds(&state.message)) {
            command.lease = LeaseId(0);
        }
        let beat = Heartbeat {
            node: "skills".into(),
            seq: command.seq + 1,
            boot_id,
            state: Heartbeat::STATE_ACTIVE,
            ..Heartbeat::default()
        };
        heart.publish(&beat).unwrap();
        if command.lease.0 == 0 {
            command.lease = LeaseId(call(&node, &names::ACQUIRE_LEASE, &request).lease_id);
        }
        command.seq += 1;
        let angle = 0.5 * (command.seq as f64 * 0.02 * 3.0).sin();
        command.joints[model.joint_index(JOINT).unwrap()] = JointCommand::position(angle);
        commands.publish(&command_to_msg(&command, &layout)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
}
