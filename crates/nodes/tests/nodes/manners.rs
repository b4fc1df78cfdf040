//! What ROS 2's tools ask of every node that is a process of its own: parameters and life cycle.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sinew_bus::names::{self, ServiceName, Topic};
use sinew_bus::{Bus, BusNode, Message, Service, Subscription, ZenohConfig};
use sinew_msgs::lifecycle_msgs::{
    ChangeStateRequest, GetAvailableStatesRequest, GetAvailableTransitionsRequest, GetStateRequest,
    State, Transition, TransitionDescription, TransitionEvent,
};
use sinew_msgs::rcl_interfaces::{
    DescribeParametersRequest, GetParameterTypesRequest, GetParametersRequest,
    ListParametersRequest, Parameter, ParameterEvent, ParameterType, ParameterValue,
    SetParametersAtomicallyRequest, SetParametersRequest,
};
use sinew_msgs::std_srvs::TriggerRequest;
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::launch::expand;
use sinew_nodes::{NodeError, NodeKind, Pace, compose, run_node};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn robot() -> PathBuf {
    root().join("urdf/mobi.robot.yaml")
}

/// Bus of the node, bus of who asks it.
fn in_process() -> (Bus, Bus) {
    let bus = Bus::in_process();
    (bus.clone(), bus)
}

fn zenoh() -> (Bus, Bus) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = vec![format!("tcp/127.0.0.1:{port}")];
    let open = |listen, connect| {
        Bus::zenoh(ZenohConfig { listen, connect, ..ZenohConfig::default() }).unwrap()
    };
    (open(endpoint.clone(), Vec::new()), open(Vec::new(), endpoint))
}

/// A node that runs as a process of its own would, on a thread, and somebody who asks it.
struct Rig {
    name: &'static str,
    onlooker: BusNode,
    stop: Arc<AtomicBool>,
    node: Option<JoinHandle<Result<(), NodeError>>>,
}

impl Rig {
    fn new((own, other): (Bus, Bus), kind: NodeKind, parameters: Value) -> Self {
        let onlooker = other.node("onlooker", "/").unwrap();
        let Value::Object(parameters) = parameters else { panic!("parameters are a map") };
        let arguments = NodeArguments {
            name: kind.name().into(),
            namespace: "/mobi".into(),
            parameters,
            remaps: Vec::new(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = stop.clone();
        let run = move || run_node(kind, &own, &arguments, || is_over.load(Ordering::Relaxed));
        let node = Some(std::thread::spawn(run));
        Self { name: kind.name(), onlooker, stop, node }
    }

    /// A private name of the node, as others call it.
    fn full(&self, name: &str) -> String {
        name.replacen('~', &format!("/mobi/{}", self.name), 1)
    }

    fn ask<S: Service>(&self, service: &ServiceName<S>, request: &S::Request) -> S::Response {
        let service = ServiceName::<S>::named(self.full(&service.name));
        let client = self.onlooker.service_client(&service).unwrap();
        until("a server", || client.server_available().then_some(()));
        let mut call = client.call(request);
        until("an answer", || call.poll()).unwrap()
    }

    fn hear<M: Message>(&self, topic: &Topic<M>) -> Subscription<M> {
        let topic = Topic::named(self.full(&topic.name), topic.qos);
        let subscription = self.onlooker.subscription(&topic).unwrap();
        until("a publisher", || (subscription.publishers() > 0).then_some(()));
        subscription
    }

    fn set(&self, parameters: Vec<Parameter>) -> Vec<(bool, String)> {
        let answer = self.ask(&names::SET_PARAMETERS, &SetParametersRequest { parameters });
        answer.results.into_iter().map(|result| (result.successful, result.reason)).collect()
    }

    fn text(&self, name: &str) -> String {
        let names = vec![name.to_owned()];
        let answer = self.ask(&names::GET_PARAMETERS, &GetParametersRequest { names });
        answer.values[0].string_value.clone()
    }

    fn state(&self) -> State {
        self.ask(&names::GET_STATE, &GetStateRequest {}).current_state
    }

    fn is_in(&self, label: &str) {
        until(label, || (self.state().label == label).then_some(()));
    }

    fn change(&self, label: &str) -> bool {
        let transition = Transition { id: 0, label: label.to_owned() };
        self.ask(&names::CHANGE_STATE, &ChangeStateRequest { transition }).success
    }

    fn offered(&self) -> Vec<(u8, String)> {
        let request = GetAvailableTransitionsRequest {};
        let answer = self.ask(&names::GET_AVAILABLE_TRANSITIONS, &request);
        transitions(&answer.available_transitions)
    }

    /// Waits for the node's own end.
    fn ended(&mut self) -> Result<(), NodeError> {
        let node = self.node.take().unwrap();
        until("the node's end", || node.is_finished().then_some(()));
        node.join().unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(node) = self.node.take() {
            let ended = node.join();
            assert!(std::thread::panicking() || matches!(ended, Ok(Ok(()))), "{ended:?}");
        }
    }
}

fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn transitions(all: &[TransitionDescription]) -> Vec<(u8, String)> {
    all.iter().map(|one| (one.transition.id, one.transition.label.clone())).collect()
}

fn text_parameter(name: &str, text: &str) -> Parameter {
    let value = ParameterValue {
        r#type: ParameterType::PARAMETER_STRING,
        string_value: text.to_owned(),
        ..ParameterValue::default()
    };
    Parameter { name: name.to_owned(), value }
}

fn planner(buses: (Bus, Bus)) -> Rig {
    let llm = json!({"base_url": "http://localhost:1/v1", "seed": u64::MAX});
    Rig::new(buses, NodeKind::Planner, json!({"robot": robot(), "llm": llm}))
}

fn parameters_are_shown_with_defaults_types_and_what_may_be_set(buses: (Bus, Bus)) {
    let rig = planner(buses);
    let request = ListParametersRequest::default();
    let listed = rig.ask(&names::LIST_PARAMETERS, &request).result;
    for name in ["robot", "planner", "llm.base_url", "llm.max_tokens", "llm.temperature"] {
        assert!(listed.names.iter().any(|listed| listed == name), "{name}: {listed:?}");
    }
    assert_eq!(listed.prefixes, ["llm"]);
    assert!(!listed.names.iter().any(|name| name == "llm.api_key_env"), "it has no value");

    let all = ["robot", "planner", "llm.temperature", "llm.max_tokens", "llm.seed", "magic"];
    let all: Vec<_> = all.map(str::to_owned).into();
    let request = DescribeParametersRequest { names: all.clone() };
    let described = rig.ask(&names::DESCRIBE_PARAMETERS, &request).descriptors;
    let types: Vec<_> = described.iter().map(|one| one.r#type).collect();
    let expected = [
        ParameterType::PARAMETER_STRING,
        ParameterType::PARAMETER_STRING,
        ParameterType::PARAMETER_DOUBLE,
        ParameterType::PARAMETER_INTEGER,
        // Beyond what ROS 2's integers hold.
        ParameterType::PARAMETER_STRING,
        ParameterType::PARAMETER_NOT_SET,
    ];
    assert_eq!(types, expected);
    let read_only: Vec<_> = described.iter().map(|one| one.read_only).collect();
    assert_eq!(read_only, [true, false, true, true, true, false]);
    assert_eq!(described[1].additional_constraints, "one of: symbolic, llm");
    assert_eq!(described[0].description, "The robot file.");
    let request = GetParameterTypesRequest { names: all.clone() };
    let got = rig.ask(&names::GET_PARAMETER_TYPES, &request).types;
    assert_eq!(got, expected.to_vec().into());

    let values = rig.ask(&names::GET_PARAMETERS, &GetParametersRequest { names: all }).values;
    assert_eq!(values[0].string_value, robot().display().to_string());
    assert_eq!(values[1].string_value, "symbolic", "the default");
    assert_eq!(values[4].string_value, u64::MAX.to_string());
    assert_eq!(values[5].r#type, ParameterType::PARAMETER_NOT_SET);
}

fn only_what_is_dynamic_can_be_set_and_events_tell_of_it(buses: (Bus, Bus)) {
    let rig = planner(buses);
    let events = rig.hear(&names::PARAMETER_EVENTS);
    let flag = ParameterValue { r#type: ParameterType::PARAMETER_BOOL, ..Default::default() };
    let set = rig.set(vec![
        text_parameter("robot", "another.robot.yaml"),
        text_parameter("magic", "x"),
        text_parameter("planner", "magic"),
        Parameter { name: "planner".into(), value: flag },
        text_parameter("planner", "llm"),
    ]);
    let expected = [
        (false, "`robot` is read-only"),
        (false, "`magic` is not declared; declared: llm.attempt_timeout_s, "),
        (false, "unknown variant `magic`, expected `symbolic` or `llm`"),
        (false, "`planner`: type bool; allowed: string"),
        (true, ""),
    ];
    for ((successful, reason), (expected, part)) in set.iter().zip(expected) {
        assert!(*successful == expected && reason.contains(part), "{reason}");
    }
    assert_eq!(set.len(), expected.len());
    assert_eq!(rig.text("planner"), "llm");
    assert_eq!(rig.text("robot"), robot().display().to_string());

    // All or none.
    let parameters =
        vec![text_parameter("planner", "symbolic"), text_parameter("robot", "other.yaml")];
    let request = SetParametersAtomicallyRequest { parameters };
    let result = rig.ask(&names::SET_PARAMETERS_ATOMICALLY, &request).result;
    assert!(!result.successful && result.reason.contains("read-only"), "{result:?}");
    assert_eq!(rig.text("planner"), "llm");
    let request =
        SetParametersAtomicallyRequest { parameters: vec![text_parameter("planner", "symbolic")] };
    assert!(rig.ask(&names::SET_PARAMETERS_ATOMICALLY, &request).result.successful);

    let changed = |wanted: &str| {
        until(wanted, || {
            let event: ParameterEvent = events.take()?.message;
            assert_eq!(event.node, "/mobi/planner");
            assert!(event.stamp.sec > 0);
            let [changed] = &event.changed_parameters[..] else { return None };
            Some((changed.name.clone(), changed.value.string_value.clone()))
        })
    };
    assert_eq!(changed("a change"), ("planner".into(), "llm".into()));
    assert_eq!(changed("the next"), ("planner".into(), "symbolic".into()));
}

fn a_planner_that_is_not_there_cannot_be_set(buses: (Bus, Bus)) {
    let rig = Rig::new(buses, NodeKind::Planner, json!({"robot": robot()}));
    let set = rig.set(vec![text_parameter("planner", "llm")]);
    assert!(!set[0].0 && set[0].1.contains("llm.base_url"), "{set:?}");
    assert_eq!(rig.text("planner"), "symbolic");
}

fn a_node_that_cannot_be_inactive_offers_only_its_end(buses: (Bus, Bus)) {
    let mut rig = Rig::new(buses, NodeKind::Connector, json!({"robot": robot()}));
    let events = rig.hear(&names::TRANSITION_EVENT);
    assert_eq!(rig.state().id, State::PRIMARY_STATE_ACTIVE);
    let shutdown = (Transition::TRANSITION_ACTIVE_SHUTDOWN, "shutdown".to_owned());
    assert_eq!(rig.offered(), [shutdown]);
    let graph = rig.ask(&names::GET_TRANSITION_GRAPH, &GetAvailableTransitionsRequest {});
    let graph: Vec<_> =
        transitions(&graph.available_transitions).into_iter().map(|(id, _)| id).collect();
    assert_eq!(graph, [7, 50]);
    let states = rig.ask(&names::GET_AVAILABLE_STATES, &GetAvailableStatesRequest {});
    let states: Vec<_> = states.available_states.into_iter().map(|state| state.label).collect();
    assert_eq!(states, ["active", "finalized", "shuttingdown"]);
    for refused in ["deactivate", "activate", "cleanup", "configure", "magic"] {
        assert!(!rig.change(refused), "{refused}");
    }
    assert_eq!(rig.state().id, State::PRIMARY_STATE_ACTIVE);
    assert!(rig.change("shutdown"));
    rig.ended().unwrap();
    let ids: Vec<_> =
        std::iter::from_fn(|| events.take()).map(|e| e.message.transition.id).collect();
    assert_eq!(ids, [7, 50]);
}

fn the_hardware_node_is_active_while_the_robot_is_powered(buses: (Bus, Bus)) {
    let mut rig = Rig::new(buses, NodeKind::Hardware, json!({"driver": "mock", "robot": robot()}));
    let events = rig.hear(&names::TRANSITION_EVENT);
    let event = || {
        let event: TransitionEvent = until("an event", || events.take()).message;
        assert!(event.timestamp > 0);
        event.transition.id
    };
    let next = |expected: &[u8]| {
        for id in expected {
            let mut told = event();
            while *id == 30 && told == 31 {
                // It was asked for again.
                assert_eq!(event(), 3);
                told = event();
            }
            assert_eq!(told, *id);
        }
    };
    // The operator's services are the same thing.
    let operator = |rig: &Rig, service: &ServiceName<Trigger>| {
        let named: ServiceName<Trigger> = ServiceName::named(format!("/mobi/{}", service.name));
        rig.ask(&named, &TriggerRequest::default()).success
    };
    // On a machine so busy that the loop stands still the robot is stopped meanwhile, and not armed.
    let until_armed = |rig: &Rig, arm: &dyn Fn(&Rig) -> bool| {
        until("arming", || {
            let is_armed = arm(rig);
            if !is_armed {
                operator(rig, &names::E_STOP_RESET);
            }
            is_armed.then_some(())
        });
    };
    assert_eq!(rig.state().label, "inactive", "nobody has armed it");
    let labels = |rig: &Rig| rig.offered().into_iter().map(|(_, l)| l).collect::<Vec<_>>();
    assert_eq!(labels(&rig), ["activate", "shutdown"]);
    assert!(!rig.change("deactivate"));

    until_armed(&rig, &|rig| rig.change("activate"));
    assert_eq!(rig.state().label, "active");
    assert_eq!(labels(&rig), ["deactivate", "shutdown"]);
    next(&[3, 30]);
    assert!(rig.change("deactivate"));
    assert_eq!(rig.state().label, "inactive");
    next(&[4, 40]);

    until_armed(&rig, &|rig| operator(rig, &names::ARM));
    rig.is_in("active");
    next(&[3, 30]);
    assert!(operator(&rig, &names::DISARM));
    rig.is_in("inactive");
    next(&[4, 40]);

    // What arming is refused for, activation is.
    assert!(operator(&rig, &names::E_STOP_TRIGGER));
    assert!(!rig.change("activate"));
    assert_eq!(rig.state().label, "inactive");
    next(&[3, 31]);
    assert!(operator(&rig, &names::E_STOP_RESET));
    until_armed(&rig, &|rig| rig.change("activate"));
    assert!(rig.change("shutdown"));
    rig.ended().unwrap();
    next(&[3, 30, 7, 50]);
}

macro_rules! on_each_carrier {
    ($($name:ident),* $(,)?) => {
        mod on_in_process { $(#[test] fn $name() { super::$name(super::in_process()); })* }
        mod on_zenoh { $(#[test] fn $name() { super::$name(super::zenoh()); })* }
    };
}

on_each_carrier!(
    parameters_are_shown_with_defaults_types_and_what_may_be_set,
    only_what_is_dynamic_can_be_set_and_events_tell_of_it,
    a_planner_that_is_not_there_cannot_be_set,
    a_node_that_cannot_be_inactive_offers_only_its_end,
    the_hardware_node_is_active_while_the_robot_is_powered,
);

#[test]
fn every_node_shows_its_parameters() {
    let mapping = root().join("teleop/xbox.teleop.yaml");
    let world = root().join("worlds/minimal.yaml");
    let objects = root().join("launch/tabletop.objects.yaml");
    let cases = [
        (NodeKind::Hardware, json!({"world": world}), "driver", "sim"),
        (
            NodeKind::Perception,
            json!({"robot": robot(), "objects": objects}),
            "objects",
            "tabletop",
        ),
        (NodeKind::Connector, json!({"robot": robot()}), "robot", "mobi.robot.yaml"),
        (NodeKind::Teleop, json!({"robot": robot(), "mapping": mapping}), "mapping", "xbox"),
    ];
    for (kind, parameters, name, expected) in cases {
        let rig = Rig::new(in_process(), kind, parameters);
        assert!(rig.text(name).contains(expected), "{kind:?}: {name}: {}", rig.text(name));
    }
}

#[test]
fn a_simulated_robot_is_armed_at_the_start_and_stopped_at_the_end() {
    let parameters = json!({"world": root().join("worlds/minimal.yaml"), "pace": "fastest"});
    let mut rig = Rig::new(in_process(), NodeKind::Hardware, parameters);
    rig.is_in("active");
    assert!(rig.change("deactivate"), "a controlled stop ends");
    assert_eq!(rig.state().label, "inactive");
    assert!(rig.change("activate"));
    assert!(rig.change("shutdown"));
    rig.ended().unwrap();
}

#[test]
fn composed_nodes_offer_none_of_it() {
    let file = root().join("launch/minimal.launch.yaml");
    let description = expand(&file, &[], &root()).unwrap();
    let composed = compose(&description, Pace::Fastest).unwrap();
    let onlooker = composed.bus.node("onlooker", "/mobi").unwrap();
    for node in ["hardware", "skills", "connector", "planner"] {
        let name = |private: &str| private.replacen('~', &format!("/mobi/{node}"), 1);
        let get = ServiceName::named(name(&names::GET_PARAMETERS.name));
        let get: ServiceName<sinew_msgs::rcl_interfaces::srv::GetParameters> = get;
        assert!(!onlooker.service_client(&get).unwrap().server_available(), "{node}");
        let change = ServiceName::named(name(&names::CHANGE_STATE.name));
        let change: ServiceName<sinew_msgs::lifecycle_msgs::srv::ChangeState> = change;
        assert!(!onlooker.service_client(&change).unwrap().server_available(), "{node}");
    }
}
