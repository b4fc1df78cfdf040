//! A hardware node in virtual time, another system that sends it goals, and a person.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sinew_bus::{
    Action, Bus, BusNode, GoalCall, GoalEvent, GoalStatus, Publisher, Subscription, names,
};
use sinew_hardware::layout_of;
use sinew_msgs::diagnostic_msgs::DiagnosticArray;
use sinew_msgs::sinew_msgs::{
    AcquireLeaseRequest, AcquireLeaseResponse, ActuatorCommand as CommandMsg, GroupOwner,
    Heartbeat, RobotTick, SafetyState,
};
use sinew_msgs::std_srvs::TriggerRequest;
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::convert::{command_to_msg, duration_to_msg, time_from_msg};
use sinew_nodes::{HardwareNode, Pace, VirtualExecutor};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BootId, Layout, LeaseId, Time};

pub(crate) const TICK: Duration = Duration::from_millis(20);
const NAMESPACE: &str = "/mobi";
/// Of the one who asks for leases by hand.
const BOOT_ID: u64 = 99;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) struct Rig {
    pub(crate) node: BusNode,
    pub(crate) layout: Layout,
    executor: VirtualExecutor,
    command: Publisher<CommandMsg>,
    heartbeat: Publisher<Heartbeat>,
    ticks: Subscription<RobotTick>,
    safety: Subscription<SafetyState>,
    diagnostics: Subscription<DiagnosticArray>,
    /// All that was measured, 50 times a second.
    pub(crate) seen: Vec<(Time, RobotTick)>,
    pub(crate) newest: SafetyState,
    told: DiagnosticArray,
    /// What a person commands in each tick.
    hand: Option<ActuatorCommand>,
    seq: u64,
}

/// How a goal ended, and with what.
pub(crate) type End<A> = (GoalStatus, <A as Action>::Result);

/// A goal, and all that was said of it.
pub(crate) struct Sent<A: Action> {
    pub(crate) call: GoalCall<A>,
    pub(crate) accepted: bool,
    pub(crate) rejected: bool,
    pub(crate) feedback: Vec<<A as Action>::Feedback>,
    pub(crate) end: Option<End<A>>,
}

impl<A: Action> Sent<A> {
    pub(crate) fn poll(&mut self) {
        while let Some(event) = self.call.poll() {
            match event {
                GoalEvent::Accepted => self.accepted = true,
                GoalEvent::Rejected => self.rejected = true,
                GoalEvent::Feedback(feedback) => self.feedback.push(feedback),
                GoalEvent::CancelAnswered { accepted } => assert!(accepted),
                GoalEvent::Result { status, result } => self.end = Some((status, result)),
                GoalEvent::Lost { error } => panic!("{error}"),
            }
        }
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(json!({"world": root().join("worlds/tabletop.yaml")}))
    }

    /// With these parameters of the hardware node.
    pub(crate) fn with(parameters: Value) -> Self {
        let Value::Object(parameters) = parameters else { panic!("parameters are a map") };
        let bus = Bus::in_process();
        let arguments = NodeArguments {
            name: "hardware".into(),
            namespace: NAMESPACE.into(),
            parameters,
            remaps: Vec::new(),
        };
        let node = bus.node("other", NAMESPACE).unwrap();
        let robot = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
        let mut executor = VirtualExecutor::new(Pace::Fastest);
        let mut rig = Self {
            layout: layout_of(&robot).unwrap(),
            command: node.publisher(&names::COMMAND).unwrap(),
            heartbeat: node.publisher(&names::heartbeat("teleop")).unwrap(),
            ticks: node.subscription(&names::ROBOT_TICK).unwrap(),
            safety: node.subscription(&names::SAFETY_STATE).unwrap(),
            diagnostics: node.subscription(&names::DIAGNOSTICS).unwrap(),
            node,
            executor: {
                executor.add(Box::new(HardwareNode::new(&bus, &arguments).unwrap()));
                executor
            },
            seen: Vec::new(),
            newest: SafetyState::default(),
            told: DiagnosticArray::default(),
            hand: None,
            seq: 0,
        };
        rig.run(0.5);
        assert_eq!(rig.newest.mode, SafetyState::MODE_READY);
        rig
    }

    /// The node ends in order, as by Ctrl-C.
    pub(crate) fn shut_down(&mut self) {
        self.executor.shutdown();
    }

    pub(crate) fn now(&self) -> Time {
        self.executor.now()
    }

    pub(crate) fn run(&mut self, seconds: f64) {
        let until = self.executor.now() + Duration::from_secs_f64(seconds);
        while self.executor.now() < until {
            self.tick();
        }
    }

    /// To the next 50th of a second.
    fn tick(&mut self) {
        self.seq += 1;
        let beat = Heartbeat { boot_id: BOOT_ID, seq: self.seq, ..Heartbeat::default() };
        self.heartbeat.publish(&beat).unwrap();
        if let Some(command) = &mut self.hand {
            command.seq = self.seq;
            self.command.publish(&command_to_msg(command, &self.layout)).unwrap();
        }
        let until = self.executor.now() + TICK;
        self.executor.run(|now| now >= until).unwrap();
        while let Some(tick) = self.ticks.take() {
            self.seen.push((time_from_msg(&tick.message.stamp), tick.message));
        }
        if let Some(safety) = self.safety.take_newest() {
            self.newest = safety.message;
        }
        if let Some(told) = self.diagnostics.take_newest() {
            self.told = told.message;
        }
    }

    pub(crate) fn send<A: Action>(
        &self,
        action: &names::ActionName<A>,
        goal: <A as Action>::Goal,
    ) -> Sent<A> {
        let call = self.node.action_client(action).unwrap().send_goal(goal);
        Sent { call, accepted: false, rejected: false, feedback: Vec::new(), end: None }
    }

    /// Runs until a goal has ended; fails if it has not within ten seconds.
    #[track_caller]
    pub(crate) fn finish<A: Action>(&mut self, sent: &mut Sent<A>) -> End<A> {
        let late = self.executor.now() + Duration::from_secs(10);
        while self.executor.now() < late {
            self.tick();
            sent.poll();
            assert!(!sent.rejected, "rejected: {}", self.trouble());
            if let Some(end) = sent.end.clone() {
                return end;
            }
        }
        panic!("not ended within ten seconds: {:?}", self.newest.owners);
    }

    pub(crate) fn owner(&self, group: &str) -> &GroupOwner {
        self.newest.owners.iter().find(|owner| owner.group == group).unwrap()
    }

    /// Measured position and velocity.
    pub(crate) fn joint(&self, name: &str) -> (f64, f64) {
        let index = self.layout.joint_index(name).unwrap();
        let state = &self.seen.last().unwrap().1.joint_state;
        (state.position[index], state.velocity[index])
    }

    /// The largest change of any of these joints' measured speed from tick to tick since `from`.
    pub(crate) fn largest_step(&self, joints: &[&str], from: Time) -> f64 {
        let since: Vec<_> = self.seen.iter().filter(|(at, _)| *at >= from).collect();
        let mut largest: f64 = 0.0;
        for joint in joints {
            let index = self.layout.joint_index(joint).unwrap();
            let speed = |tick: &RobotTick| tick.joint_state.velocity[index];
            for pair in since.windows(2) {
                largest = largest.max((speed(&pair[1].1) - speed(&pair[0].1)).abs());
            }
        }
        largest
    }

    /// The newest trouble with a goal that the diagnostics tell, once they have been told anew.
    pub(crate) fn trouble(&mut self) -> String {
        let said = |told: &DiagnosticArray| {
            told.status.iter().filter(|status| status.name.contains(": action ")).find_map(
                |status| {
                    let newest = status.level > 0;
                    newest.then(|| format!("{}: {}", status.name, status.message))
                },
            )
        };
        self.told = DiagnosticArray::default();
        while self.told.status.is_empty() {
            self.tick();
        }
        said(&self.told).unwrap_or_default()
    }

    /// Asks for a lease as a skill or a person does.
    pub(crate) fn acquire(&mut self, source: u8, groups: &[&str]) -> AcquireLeaseResponse {
        let client = self.node.service_client(&names::ACQUIRE_LEASE).unwrap();
        let mut call = client.call(&AcquireLeaseRequest {
            source,
            groups: groups.iter().map(ToString::to_string).collect(),
            boot_id: BOOT_ID,
            holder: "test".into(),
            command_period: duration_to_msg(TICK),
            ..AcquireLeaseRequest::default()
        });
        self.tick();
        call.poll().unwrap().unwrap()
    }

    /// Commands under a lease from now on, with the dead-man button held.
    pub(crate) fn command(&mut self, lease: u64, say: impl FnOnce(&mut ActuatorCommand)) {
        let mut command = ActuatorCommand::unused(&self.layout);
        (command.lease, command.boot_id) = (LeaseId(lease), BootId(BOOT_ID));
        (command.dead_man, command.valid_for) = (true, Duration::from_millis(100));
        say(&mut command);
        self.hand = Some(command);
    }

    pub(crate) fn command_nothing(&mut self) {
        self.hand = None;
    }

    pub(crate) fn operator(&mut self, name: &names::ServiceName<Trigger>) {
        let client = self.node.service_client(name).unwrap();
        let mut call = client.call(&TriggerRequest::default());
        self.tick();
        let answer = call.poll().unwrap().unwrap();
        assert!(answer.success, "{}", answer.message);
    }
}
