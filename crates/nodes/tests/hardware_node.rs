//! The hardware node with each of its drivers, on an in-process bus.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sinew_bus::{Bus, names};
use sinew_hardware::monotonic_now;
use sinew_msgs::diagnostic_msgs::{DiagnosticArray, DiagnosticStatus};
use sinew_msgs::sinew_msgs::{Heartbeat, SafetyState};
use sinew_msgs::std_msgs::Bool;
use sinew_msgs::std_srvs::TriggerRequest;
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::launch::expand;
use sinew_nodes::{HardwareNode, Node, Pace, Progress, VirtualExecutor, compose};

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn arguments(parameters: Value) -> NodeArguments {
    let Value::Object(parameters) = parameters else { panic!("parameters are a map") };
    NodeArguments {
        name: "hardware".into(),
        namespace: "/mobi".into(),
        parameters,
        remaps: Vec::new(),
    }
}

fn mock() -> NodeArguments {
    arguments(json!({"driver": "mock", "robot": root().join("urdf/mobi.robot.yaml")}))
}

#[test]
fn a_parameter_of_no_use_to_the_driver_is_refused_by_name() {
    let robot = root().join("urdf/mobi.robot.yaml");
    let world = root().join("worlds/minimal.yaml");
    let cases = [
        (json!({}), "world"),
        (json!({"driver": "sim", "robot": robot}), "world"),
        (json!({"world": world, "robot": robot}), "robot"),
        (json!({"driver": "mock"}), "robot"),
        (json!({"driver": "mock", "robot": robot, "world": world}), "world is for driver: sim"),
        (json!({"driver": "mock", "robot": robot, "seed": 1}), "seed is for driver: sim"),
        (json!({"driver": "mock", "robot": robot, "pace": "fastest"}), "pace is for driver: sim"),
        (
            json!({"driver": "mock", "robot": robot, "lock_step_with": ["skills"]}),
            "lock_step_with is for driver: sim",
        ),
        (
            json!({"driver": "mock", "robot": robot, "publish_cameras": ["head"]}),
            "publish_cameras is for driver: sim",
        ),
        (
            json!({"driver": "mock", "robot": robot, "camera_rate_hz": 5.0}),
            "camera_rate_hz is for driver: sim",
        ),
        (
            json!({"world": world, "publish_cameras": ["belly"]}),
            "publish_cameras: `belly`; allowed: head, wrist",
        ),
        (
            json!({"world": world, "camera_rate_hz": 5.0}),
            "camera_rate_hz: given; allowed: only with publish_cameras",
        ),
        (
            json!({"world": world, "publish_cameras": ["head"], "camera_rate_hz": 60}),
            "camera_rate_hz: 60; allowed: above 0 up to 50",
        ),
        (json!({"driver": "magic", "robot": robot}), "expected one of `sim`, `mock`, `servo`"),
    ];
    for (parameters, expected) in cases {
        let shown = parameters.to_string();
        let error = HardwareNode::new(&Bus::in_process(), &arguments(parameters)).err().unwrap();
        let error = error.to_string();
        assert!(error.contains(expected), "{shown}: expected `{expected}` in: {error}");
    }
}

/// Why a robot that runs ros2_control is not started, in this namespace and with this section of its file.
fn ros2_control_refusal(namespace: &str, section: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mobi.robot.yaml");
    let text = std::fs::read_to_string(root().join("urdf/mobi.robot.yaml")).unwrap();
    let urdf = format!("urdf: {}", root().join("urdf/mobi.urdf").display());
    std::fs::write(&file, text.replacen("urdf: mobi.urdf", &urdf, 1) + section).unwrap();
    let parameters = json!({"driver": "ros2_control", "robot": file});
    let arguments = NodeArguments { namespace: namespace.into(), ..arguments(parameters) };
    HardwareNode::new(&Bus::in_process(), &arguments).err().unwrap().to_string()
}

#[test]
fn a_robot_that_runs_ros2_control_is_looked_for_on_the_nodes_bus() {
    let section = "
ros2_control:
  wait_s: 0.1
  groups:
    arm: {controller: arm_controller, kind: joint_trajectory}
    base: {controller: base_controller, kind: diff_drive}
    gripper: {controller: gripper_controller, kind: forward_command}
    head: {controller: head_controller, kind: forward_command}
";
    let cases = [
        ("/mobi", "", "ros2_control: missing"),
        ("/mobi", section, "`/controller_manager/list_controllers` has no server"),
        // What it hears would be its own echo.
        (
            "/",
            section,
            "ros2_control.joint_states: `/joint_states`, which node `hardware` publishes",
        ),
    ];
    for (namespace, section, expected) in cases {
        let error = ros2_control_refusal(namespace, section);
        assert!(error.contains(expected), "expected `{expected}` in: {error}");
    }
}

fn status<'a>(array: &'a DiagnosticArray, name: &str) -> &'a DiagnosticStatus {
    let found = array.status.iter().find(|status| status.name == format!("mobi/hardware: {name}"));
    found.unwrap_or_else(|| panic!("no status of {name} in {array:#?}"))
}

fn value<'a>(status: &'a DiagnosticStatus, key: &str) -> Option<&'a str> {
    status.values.iter().find(|kv| kv.key == key).map(|kv| kv.value.as_str())
}

#[test]
fn the_health_of_loop_gate_and_joints_is_told_every_second() {
    let bus = Bus::in_process();
    let onlooker = bus.node("onlooker", "/mobi").unwrap();
    let diagnostics = onlooker.subscription(&names::DIAGNOSTICS).unwrap();
    let world = root().join("worlds/minimal.yaml");
    let node = HardwareNode::new(&bus, &arguments(json!({"world": world}))).unwrap();
    let mut executor = VirtualExecutor::new(Pace::Fastest);
    executor.add(Box::new(node));
    executor.run(|now| now.as_secs_f64() >= 3.5).unwrap();
    let mut arrays = Vec::new();
    while let Some(received) = diagnostics.take() {
        arrays.push(received.message);
    }
    executor.shutdown();
    assert_eq!(arrays.len(), 3, "one a second");
    let newest = arrays.last().unwrap();
    assert!(newest.status.iter().all(|status| status.level == 0), "{newest:#?}");
    assert!(newest.status.iter().all(|status| status.hardware_id == "mobi"));
    let control = status(newest, "control loop");
    assert_eq!(value(control, "rate_hz"), Some("500.0"));
    assert_eq!(value(control, "clock"), Some("simulated"));
    let gate = status(newest, "gate");
    assert_eq!(value(gate, "mode"), Some("Ready"));
    assert_eq!(value(gate, "clamps/arm/velocity"), Some("0"));
    assert_eq!(value(gate, "refused/not_finite"), Some("0"));
    assert_eq!(value(status(newest, "joint head_pan_joint"), "valid"), Some("true"));
}

/// Steps a node in real time until it holds.
fn until(node: &mut HardwareNode, what: &str, holds: &mut dyn FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        node.step(monotonic_now()).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_driver_in_real_time_has_a_thread_of_its_own_and_waits_for_an_operator() {
    let bus = Bus::in_process();
    let onlooker = bus.node("onlooker", "/mobi").unwrap();
    let diagnostics = onlooker.subscription(&names::DIAGNOSTICS).unwrap();
    let ticks = onlooker.subscription(&names::ROBOT_TICK).unwrap();
    let safety = onlooker.subscription(&names::SAFETY_STATE).unwrap();
    let detections = onlooker.subscription(&names::DETECTIONS).unwrap();
    let clock = onlooker.subscription(&names::CLOCK).unwrap();
    let arm = onlooker.service_client(&names::ARM).unwrap();
    let pictures = onlooker.service_client(&names::TAKE_PICTURE).unwrap();
    let mut node = HardwareNode::new(&bus, &mock()).unwrap();
    assert!(node.world().is_none());
    assert!(!pictures.server_available(), "there is nothing to take pictures of");
    assert_eq!((detections.publishers(), clock.publishers()), (0, 0));

    let mut newest = None;
    until(&mut node, "ticks come", &mut || {
        newest = ticks.take_newest().map(|received| received.message);
        newest.is_some()
    });
    assert!(newest.unwrap().joints_valid);
    let mut mode = None;
    until(&mut node, "the mode is told", &mut || {
        mode = safety.take_newest().map(|received| received.message.mode);
        mode.is_some()
    });
    assert_eq!(mode, Some(SafetyState::MODE_DISARMED), "nobody has armed it");
    let mut call = arm.call(&TriggerRequest::default());
    let mut answer = None;
    until(&mut node, "it is armed", &mut || {
        answer = call.poll();
        answer.is_some()
    });
    assert!(answer.unwrap().unwrap().success);
    let mut told = None;
    until(&mut node, "its health is told", &mut || {
        told = diagnostics.take_newest().map(|received| received.message);
        told.is_some()
    });
    let told = told.unwrap();
    let control = status(&told, "control loop");
    assert_eq!(value(control, "clock"), Some("monotonic"));
    for key in ["lateness_p50_us", "lateness_p99_us", "lateness_max_us", "work_p99_us"] {
        assert!(value(control, key).unwrap().parse::<f64>().unwrap() >= 0.0, "{key}");
    }
    node.shutdown(monotonic_now());
    let ended = node.step(monotonic_now()).unwrap_err().to_string();
    assert!(ended.contains("control thread has ended"), "{ended}");
}

#[test]
fn a_remote_emergency_stop_must_be_heard_and_stops_the_robot_when_pressed_or_silent() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root().join("urdf/mobi.robot.yaml")).unwrap();
    let urdf = format!("urdf: {}/", root().join("urdf").display());
    let text = text.replacen("urdf: ", &urdf, 1) + "\nremote_e_stop_timeout_s: 0.5\n";
    let robot = folder.path().join("remote.robot.yaml");
    std::fs::write(&robot, text).unwrap();

    let bus = Bus::in_process();
    let onlooker = bus.node("onlooker", "/mobi").unwrap();
    let safety = onlooker.subscription(&names::SAFETY_STATE).unwrap();
    let device = onlooker.publisher(&names::E_STOP_HEARTBEAT).unwrap();
    let parameters = arguments(json!({"driver": "mock", "robot": robot}));
    let mut node = HardwareNode::new(&bus, &parameters).unwrap();
    let beat = |pressed| device.publish(&Bool { data: pressed }).unwrap();
    // Asks an operator's service while the device says what it has to.
    let ask = |node: &mut HardwareNode, name: &names::ServiceName<Trigger>, says: Option<bool>| {
        let mut call = onlooker.service_client(name).unwrap().call(&TriggerRequest::default());
        let mut answer = None;
        until(node, "it is answered", &mut || {
            says.into_iter().for_each(beat);
            answer = call.poll();
            answer.is_some()
        });
        answer.unwrap().unwrap()
    };
    let reaches = |node: &mut HardwareNode, mode: u8, says: Option<bool>| {
        until(node, "the mode is reached", &mut || {
            says.into_iter().for_each(beat);
            safety.take_newest().is_some_and(|received| received.message.mode == mode)
        });
    };

    let refused = ask(&mut node, &names::ARM, None);
    assert!(!refused.success && refused.message.contains("emergency stop"), "{refused:?}");
    assert!(ask(&mut node, &names::ARM, Some(false)).success);
    reaches(&mut node, SafetyState::MODE_READY, Some(false));

    reaches(&mut node, SafetyState::MODE_ESTOP, Some(true));
    assert!(!ask(&mut node, &names::E_STOP_RESET, Some(true)).success, "it is still pressed");
    assert!(ask(&mut node, &names::E_STOP_RESET, Some(false)).success);
    reaches(&mut node, SafetyState::MODE_DISARMED, Some(false));
    assert!(ask(&mut node, &names::ARM, Some(false)).success);

    reaches(&mut node, SafetyState::MODE_ESTOP, None);
    node.shutdown(monotonic_now());
}

#[test]
fn a_flood_of_messages_while_simulated_time_stands_still_does_not_end_the_node() {
    let bus = Bus::in_process();
    let onlooker = bus.node("onlooker", "/mobi").unwrap();
    let heartbeat = onlooker.publisher(&names::heartbeat("skills")).unwrap();
    let resume = onlooker.service_client(&names::RESUME).unwrap();
    let world = root().join("worlds/minimal.yaml");
    let parameters = json!({"world": world, "lock_step_with": ["skills"]});
    let mut node = HardwareNode::new(&bus, &arguments(parameters)).unwrap();
    let beat = |tick_ack| {
        let beat = Heartbeat { node: "skills".into(), boot_id: 7, tick_ack, ..Default::default() };
        heartbeat.publish(&beat).unwrap();
    };
    let mut now = sinew_types::Time::ZERO;
    let mut step = |node: &mut HardwareNode| {
        now += node.period();
        node.step(now).unwrap()
    };
    beat(1);
    while step(&mut node) != Progress::WaitsOutside {}
    let mut calls = Vec::new();
    for _ in 0..600 {
        beat(1);
        calls.push(resume.call(&TriggerRequest::default()));
        assert_eq!(step(&mut node), Progress::WaitsOutside);
    }
    beat(u64::MAX);
    for _ in 0..20 {
        assert_eq!(step(&mut node), Progress::Done);
    }
    let answers: Vec<_> = calls.iter_mut().map(|call| call.poll().unwrap().unwrap()).collect();
    let served = answers.iter().filter(|answer| answer.success).count();
    assert!((200..=256).contains(&served), "{served}");
    let refused = answers.iter().find(|answer| !answer.success).unwrap();
    assert!(refused.message.contains("queue of 256 is full"), "{}", refused.message);
    node.shutdown(now);
}

#[test]
fn a_launch_file_with_a_driver_in_real_time_is_not_composed_into_virtual_time() {
    let file = root().join("launch/mock.launch.yaml");
    let description = expand(&file, &[], &root()).unwrap();
    let error = compose(&description, Pace::Fastest).err().unwrap().to_string();
    assert!(error.contains("--processes"), "{error}");
}
