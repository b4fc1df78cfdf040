//! A composed robot whose skills are carried out by a peer that speaks the actions of Nav2 or MoveIt, in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sinew_bus::{
    ActionClient, Bus, BusNode, GoalCall, GoalEvent, GoalStatus, Publisher, Subscription, names,
};
use sinew_hardware::layout_of;
use sinew_msgs::sinew_msgs::action::ExecuteSkill;
use sinew_msgs::sinew_msgs::{
    AcquireLeaseRequest, ActuatorCommand as CommandMsg, ExecuteSkillFeedback, ExecuteSkillGoal,
    ExecuteSkillResult, GroupOwner, Heartbeat, RobotTick, SafetyState, SkillResult,
};
use sinew_msgs::std_srvs::TriggerRequest;
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::convert::{command_to_msg, duration_to_msg};
use sinew_nodes::{
    ConnectorNode, HardwareNode, Node, NodeError, Pace, SkillsNode, VirtualExecutor,
};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BootId, Layout, LeaseId, Time};

use crate::external_rig::root;

pub(super) const TICK: Duration = Duration::from_millis(20);
pub(super) const NAMESPACE: &str = "/mobi";
/// Of the person.
const BOOT_ID: u64 = 41;

pub(super) struct Rig {
    pub(super) node: BusNode,
    executor: VirtualExecutor,
    layout: Layout,
    skills: ActionClient<ExecuteSkill>,
    ticks: Subscription<RobotTick>,
    safety: Subscription<SafetyState>,
    results: Subscription<SkillResult>,
    command: Publisher<CommandMsg>,
    heartbeat: Publisher<Heartbeat>,
    hand: Option<ActuatorCommand>,
    seq: u64,
    pub(super) tick: RobotTick,
    pub(super) newest: SafetyState,
    /// Sources that held a group, each once, in their order.
    pub(super) sources: Vec<(String, u8)>,
    pub(super) rejections: Vec<SkillResult>,
}

/// A call of a skill, and what was said of it.
pub(super) struct Skill {
    call: GoalCall<ExecuteSkill>,
    pub(super) feedback: Vec<ExecuteSkillFeedback>,
    pub(super) end: Option<(GoalStatus, ExecuteSkillResult)>,
    rejected: bool,
}

fn arguments(name: &str, parameters: Value) -> NodeArguments {
    let Value::Object(parameters) = parameters else { panic!("parameters are a map") };
    NodeArguments { name: name.into(), namespace: NAMESPACE.into(), parameters, remaps: Vec::new() }
}

/// A skills node with these parameters, over those that it needs.
pub(super) fn skills_node(bus: &Bus, more: Value) -> Result<SkillsNode, NodeError> {
    let mut parameters =
        json!({"robot": root().join("urdf/mobi.robot.yaml"), "policies": root().join("policies")});
    let (Value::Object(all), Value::Object(more)) = (&mut parameters, more) else {
        panic!("parameters are a map")
    };
    all.extend(more);
    SkillsNode::new(bus, &arguments("skills", parameters))
}

impl Rig {
    /// `peer` makes the other system out of a node of its own.
    pub(super) fn new<P: Node + 'static>(
        skills: Value,
        peer: impl FnOnce(&BusNode) -> Option<P>,
    ) -> Self {
        let bus = Bus::in_process();
        let node = bus.node("test", NAMESPACE).unwrap();
        let robot = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
        let world = json!({"world": root().join("worlds/tabletop.yaml"), "seed": 1});
        let connector = json!({"robot": root().join("urdf/mobi.robot.yaml")});
        let mut executor = VirtualExecutor::new(Pace::Fastest);
        executor.add(Box::new(HardwareNode::new(&bus, &arguments("hardware", world)).unwrap()));
        executor.add(Box::new(skills_node(&bus, skills).unwrap()));
        executor
            .add(Box::new(ConnectorNode::new(&bus, &arguments("connector", connector)).unwrap()));
        if let Some(peer) = peer(&bus.node("peer", NAMESPACE).unwrap()) {
            executor.add(Box::new(peer));
        }
        let mut rig = Self {
            executor,
            layout: layout_of(&robot).unwrap(),
            skills: node.action_client(&names::EXECUTE_SKILL).unwrap(),
            ticks: node.subscription(&names::ROBOT_TICK).unwrap(),
            safety: node.subscription(&names::SAFETY_STATE).unwrap(),
            results: node.subscription(&names::SKILL_RESULTS).unwrap(),
            command: node.publisher(&names::COMMAND).unwrap(),
            heartbeat: node.publisher(&names::heartbeat("teleop")).unwrap(),
            node,
            hand: None,
            seq: 0,
            tick: RobotTick::default(),
            newest: SafetyState::default(),
            sources: Vec::new(),
            rejections: Vec::new(),
        };
        rig.run(1.0);
        assert_eq!(rig.newest.mode, SafetyState::MODE_READY);
        rig
    }

    pub(super) fn now(&self) -> Time {
        self.executor.now()
    }

    pub(super) fn step(&mut self) {
        self.seq += 1;
        let beat = Heartbeat { boot_id: BOOT_ID, seq: self.seq, ..Heartbeat::default() };
        self.heartbeat.publish(&beat).unwrap();
        if let Some(command) = &mut self.hand {
            command.seq = self.seq;
            self.command.publish(&command_to_msg(command, &self.layout)).unwrap();
        }
        let until = self.executor.now() + TICK;
        self.executor.run(|now| now >= until).unwrap();
        if let Some(tick) = self.ticks.take_newest() {
            self.tick = tick.message;
        }
        while let Some(safety) = self.safety.take() {
            self.newest = safety.message;
            for owner in self.newest.owners.iter().filter(|owner| owner.lease_id != 0) {
                let held = (owner.group.clone(), owner.source);
                if self.sources.last() != Some(&held) {
                    self.sources.push(held);
                }
            }
        }
        while let Some(result) = self.results.take() {
            if !result.message.accepted {
                self.rejections.push(result.message);
            }
        }
    }

    pub(super) fn run(&mut self, seconds: f64) {
        let until = self.executor.now() + Duration::from_secs_f64(seconds);
        while self.executor.now() < until {
            self.step();
        }
    }

    pub(super) fn send(&self, mut goal: ExecuteSkillGoal, max_s: f64) -> Skill {
        goal.max_duration = duration_to_msg(Duration::from_secs_f64(max_s));
        let call = self.skills.send_goal(goal);
        Skill { call, feedback: Vec::new(), end: None, rejected: false }
    }

    pub(super) fn drive(&self, max_s: f64) -> Skill {
        self.send(ExecuteSkillGoal::new("drive_to", r#"{"target": "bin"}"#), max_s)
    }

    /// Runs until something holds, 60 s at most.
    #[track_caller]
    pub(super) fn until(
        &mut self,
        skill: &mut Skill,
        mut holds: impl FnMut(&Self, &Skill) -> bool,
    ) {
        let late = self.now() + Duration::from_secs(60);
        while self.now() < late {
            self.step();
            skill.poll();
            if holds(self, skill) {
                return;
            }
        }
        panic!("not within 60 s: {:?} {:?}", self.newest.owners, skill.feedback.last());
    }

    /// Runs until a goal has ended.
    #[track_caller]
    pub(super) fn finish(&mut self, skill: &mut Skill) -> (GoalStatus, ExecuteSkillResult) {
        self.until(skill, |rig, skill| {
            assert!(!skill.rejected, "{:?}", rig.rejections);
            skill.end.is_some()
        });
        skill.end.clone().unwrap()
    }

    /// Runs until a goal was rejected; why.
    #[track_caller]
    pub(super) fn rejected(&mut self, skill: &mut Skill) -> SkillResult {
        self.until(skill, |rig, skill| skill.rejected && !rig.rejections.is_empty());
        self.rejections.pop().unwrap()
    }

    pub(super) fn owner(&self, group: &str) -> &GroupOwner {
        self.newest.owners.iter().find(|owner| owner.group == group).unwrap()
    }

    /// Of the base, m/s and rad/s together.
    pub(super) fn speed(&self) -> f64 {
        let twist = &self.tick.base_twist;
        twist.linear.x.abs() + twist.linear.y.abs() + twist.angular.z.abs()
    }

    pub(super) fn place(&self) -> (f64, f64) {
        (self.tick.base_pose.position.x, self.tick.base_pose.position.y)
    }

    /// Measured position of a joint, rad.
    pub(super) fn joint(&self, name: &str) -> f64 {
        self.tick.joint_state.position[self.layout.joint_index(name).unwrap()]
    }

    pub(super) fn held_by(&self, group: &str, source: u8) -> bool {
        self.sources.iter().any(|(held, by)| held == group && *by == source)
    }

    /// A person takes the base, and holds it still with the dead-man button held.
    pub(super) fn take_base(&mut self) -> LeaseId {
        let client = self.node.service_client(&names::ACQUIRE_LEASE).unwrap();
        let mut call = client.call(&AcquireLeaseRequest {
            source: AcquireLeaseRequest::SOURCE_TELEOP,
            groups: vec!["base".into()],
            boot_id: BOOT_ID,
            holder: "test".into(),
            command_period: duration_to_msg(TICK),
            ..AcquireLeaseRequest::default()
        });
        self.step();
        let answer = call.poll().unwrap().unwrap();
        assert!(answer.granted, "{}", answer.error_msg);
        let mut command = ActuatorCommand::unused(&self.layout);
        (command.lease, command.boot_id) = (LeaseId(answer.lease_id), BootId(BOOT_ID));
        (command.dead_man, command.valid_for) = (true, Duration::from_millis(100));
        command.base = Some(Default::default());
        self.hand = Some(command);
        LeaseId(answer.lease_id)
    }

    pub(super) fn let_go(&mut self) {
        self.hand = None;
    }

    pub(super) fn operator(&mut self, name: &names::ServiceName<Trigger>) {
        let client = self.node.service_client(name).unwrap();
        let mut call = client.call(&TriggerRequest::default());
        self.step();
        let answer = call.poll().unwrap().unwrap();
        assert!(answer.success, "{}", answer.message);
    }
}

impl Skill {
    pub(super) fn cancel(&mut self) {
        self.call.cancel();
    }

    fn poll(&mut self) {
        while let Some(event) = self.call.poll() {
            match event {
                GoalEvent::Accepted => {}
                GoalEvent::Rejected => self.rejected = true,
                GoalEvent::Feedback(feedback) => self.feedback.push(feedback),
                GoalEvent::CancelAnswered { accepted } => assert!(accepted),
                GoalEvent::Result { status, result } => self.end = Some((status, result)),
                GoalEvent::Lost { error } => panic!("{error}"),
            }
        }
    }
}

/// The value of a key in an outcome's evidence.
pub(super) fn evidence<'a>(result: &'a ExecuteSkillResult, key: &str) -> Option<&'a str> {
    let found = result.evidence.iter().find(|evidence| evidence.key == key);
    found.map(|evidence| evidence.value.as_str())
}

/// What a peer was told.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<(u32, u32)>>);

impl Told {
    pub(super) fn goal(&self) {
        self.0.lock().unwrap().0 += 1;
    }

    pub(super) fn cancel(&self) {
        self.0.lock().unwrap().1 += 1;
    }

    pub(super) fn goals(&self) -> u32 {
        self.0.lock().unwrap().0
    }

    pub(super) fn cancels(&self) -> u32 {
        self.0.lock().unwrap().1
    }
}
