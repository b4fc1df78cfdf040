//! A person takes the base of a composed system in the middle of a task, over the bus.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sinew_bus::{Bus, Call, Message, Publisher, ServiceClient, Subscription, names};
use sinew_hardware::layout_of;
use sinew_log::{Intervention, Log, LogWriter, Logged, interventions};
use sinew_msgs::sinew_msgs::srv::AcquireLease;
use sinew_msgs::sinew_msgs::{
    AcquireLeaseRequest, AcquireLeaseResponse, ActuatorCommand as CommandMsg, ExecuteTaskGoal,
    ExecuteTaskResult, GroupProvenance, Heartbeat, Provenance, SkillResult, SkillStatus,
};
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_msgs::std_srvs::{TriggerRequest, TriggerResponse};
use sinew_nodes::convert::{command_to_msg, duration_to_msg};
use sinew_nodes::launch::expand;
use sinew_nodes::{Node, NodeError, Pace, Progress, TaskClient, TaskEvent, compose};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BaseTwist, BootId, ErrorCode, Layout, LeaseId, Time};

const PERIOD: Duration = Duration::from_millis(20);
const BOOT_ID: u64 = 77;
const NAMESPACE: &str = "/mobi";
/// The skill drives, the person drives, the robot stands.
const SKILL_FIRST: Duration = Duration::from_secs(1);
const DRIVES: Duration = Duration::from_secs(1);
const HESITATES: Duration = Duration::from_millis(500);

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All that was said on a topic.
type Heard<M> = Arc<Mutex<Vec<M>>>;

fn all<M: Clone>(heard: &Heard<M>) -> Vec<M> {
    heard.lock().unwrap().clone()
}

#[derive(Clone, Default)]
struct Record {
    provenance: Heard<Provenance>,
    status: Heard<SkillStatus>,
    results: Heard<SkillResult>,
    /// When the person said resume.
    resumed: Arc<Mutex<Option<Time>>>,
}

/// A joystick and the one who holds it.
struct Person {
    resumes: bool,
    stage: Stage,
    layout: Layout,
    acquire: ServiceClient<AcquireLease>,
    resume: ServiceClient<Trigger>,
    command: Publisher<CommandMsg>,
    heartbeat: Publisher<Heartbeat>,
    provenance: Subscription<Provenance>,
    status: Subscription<SkillStatus>,
    results: Subscription<SkillResult>,
    seq: u64,
    record: Record,
}

enum Stage {
    Watches(Option<Time>),
    Asks(Call<AcquireLeaseResponse>),
    Drives { lease: u64, since: Time },
    Hesitates { since: Time },
    Resumes(Call<TriggerResponse>),
    Done,
}

impl Person {
    fn new(bus: &Bus, resumes: bool) -> (Self, Record) {
        let node = bus.node("teleop", NAMESPACE).unwrap();
        let robot = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
        let record = Record::default();
        let person = Self {
            resumes,
            stage: Stage::Watches(None),
            layout: layout_of(&robot).unwrap(),
            acquire: node.service_client(&names::ACQUIRE_LEASE).unwrap(),
            resume: node.service_client(&names::RESUME).unwrap(),
            command: node.publisher(&names::COMMAND).unwrap(),
            heartbeat: node.publisher(&names::heartbeat("teleop")).unwrap(),
            provenance: node.subscription(&names::PROVENANCE).unwrap(),
            status: node.subscription(&names::SKILL_STATUS).unwrap(),
            results: node.subscription(&names::SKILL_RESULTS).unwrap(),
            seq: 0,
            record: record.clone(),
        };
        (person, record)
    }

    fn listen(&self) {
        fn hear<M: Message>(subscription: &Subscription<M>, heard: &Heard<M>) {
            while let Some(received) = subscription.take() {
                heard.lock().unwrap().push(received.message);
            }
        }
        hear(&self.provenance, &self.record.provenance);
        hear(&self.status, &self.record.status);
        hear(&self.results, &self.record.results);
    }

    fn drive(&mut self, lease: u64, dead_man: bool) {
        self.seq += 1;
        let mut command = ActuatorCommand::unused(&self.layout);
        (command.lease, command.boot_id, command.seq) = (LeaseId(lease), BootId(BOOT_ID), self.seq);
        (command.dead_man, command.valid_for) = (dead_man, Duration::from_millis(100));
        command.base = Some(BaseTwist { linear_x: -0.3, angular_z: 0.8, ..BaseTwist::default() });
        self.command.publish(&command_to_msg(&command, &self.layout)).unwrap();
    }
}

impl Node for Person {
    fn name(&self) -> &str {
        "teleop"
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        self.listen();
        self.seq += 1;
        let heartbeat = Heartbeat { boot_id: BOOT_ID, seq: self.seq, ..Heartbeat::default() };
        self.heartbeat.publish(&heartbeat).unwrap();
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        self.stage = match stage {
            Stage::Watches(since) => {
                let drives = all(&self.record.status).last().is_some_and(|s| s.phase == "driving");
                match since {
                    None => Stage::Watches(drives.then_some(now)),
                    Some(since) if now.since(since) < SKILL_FIRST => Stage::Watches(Some(since)),
                    Some(_) => Stage::Asks(self.acquire.call(&AcquireLeaseRequest {
                        source: AcquireLeaseRequest::SOURCE_TELEOP,
                        groups: vec!["base".into()],
                        boot_id: BOOT_ID,
                        holder: "teleop".into(),
                        command_period: duration_to_msg(PERIOD),
                        ..AcquireLeaseRequest::default()
                    })),
                }
            }
            Stage::Asks(mut call) => match call.poll() {
                None => Stage::Asks(call),
                Some(answer) => {
                    let answer = answer.unwrap();
                    assert!(answer.granted, "{}", answer.error_msg);
                    Stage::Drives { lease: answer.lease_id, since: now }
                }
            },
            Stage::Drives { lease, since } => {
                let holds = now.since(since) < DRIVES;
                self.drive(lease, holds);
                if holds { Stage::Drives { lease, since } } else { Stage::Hesitates { since: now } }
            }
            Stage::Hesitates { since } if now.since(since) < HESITATES => {
                Stage::Hesitates { since }
            }
            Stage::Hesitates { .. } if self.resumes => {
                *self.record.resumed.lock().unwrap() = Some(now);
                Stage::Resumes(self.resume.call(&TriggerRequest::default()))
            }
            Stage::Resumes(mut call) => match call.poll() {
                None => Stage::Resumes(call),
                Some(answer) => {
                    assert!(answer.unwrap().success);
                    Stage::Done
                }
            },
            Stage::Hesitates { .. } | Stage::Done => Stage::Done,
        };
        Ok(Progress::Done)
    }
}

/// "Go to the bin", with a person who takes the base on the way.
fn go_to_the_bin(resumes: bool) -> (ExecuteTaskResult, Record) {
    let launch = root().join("launch/tabletop.launch.yaml");
    let description = expand(&launch, &[], &root()).unwrap();
    let mut composed = compose(&description, Pace::Fastest).unwrap();
    let goal =
        ExecuteTaskGoal { instruction: "go to the bin".into(), ..ExecuteTaskGoal::default() };
    let settled = Time::ZERO + Duration::from_millis(400);
    let (client, monitor) = TaskClient::new(&composed.bus, NAMESPACE, goal, settled).unwrap();
    composed.executor.add(Box::new(client));
    let (person, record) = Person::new(&composed.bus, resumes);
    composed.executor.add(Box::new(person));
    let mut result = None;
    let late = Time::ZERO + Duration::from_secs(120);
    let run = composed.executor.run(|now| {
        while let Some((_, event)) = monitor.take() {
            match event {
                TaskEvent::Finished(end) => result = Some(*end),
                TaskEvent::Lost(reason) => panic!("{reason}"),
                _ => {}
            }
        }
        // One more round, so that all that was said is heard.
        result.is_some() && record.results.lock().unwrap().len() == 1 || now > late
    });
    run.unwrap();
    composed.executor.shutdown();
    (result.expect("the task ends within 120 s"), record)
}

fn base(message: &Provenance) -> &GroupProvenance {
    message.groups.iter().find(|group| group.group == "base").unwrap()
}

/// As a learner finds them: from the log.
fn logged_interventions(provenance: &[Provenance]) -> Vec<Intervention> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.mcap");
    let mut writer = LogWriter::create(&file).unwrap();
    for message in provenance {
        writer.write("/mobi/provenance", Time::ZERO, message).unwrap();
    }
    writer.finish().unwrap();
    let log: Vec<Logged<Provenance>> =
        Log::open(&file).unwrap().messages("/mobi/provenance").unwrap();
    interventions(log.iter().map(|logged| &logged.message), 0)
}

#[test]
fn a_task_whose_base_was_taken_and_resumed_is_done_and_the_log_tells_who_commanded() {
    let (task, record) = go_to_the_bin(true);
    assert!(task.goal_met, "{}", task.error_msg);
    let results = all(&record.results);
    let [drive] = &results[..] else { panic!("{results:#?}") };
    assert_eq!((drive.skill_id.as_str(), drive.error_code), ("drive_to", 0), "{drive:#?}");
    assert_eq!(drive.interventions, 1);

    let status = all(&record.status);
    let said: Vec<(&str, &str)> =
        status.iter().map(|s| (s.phase.as_str(), s.control_source.as_str())).collect();
    for wanted in [("driving", "policy"), ("paused", "teleop"), ("paused", "hold")] {
        assert!(said.contains(&wanted), "no {wanted:?}");
    }

    let provenance = all(&record.provenance);
    let mut owners: Vec<(u8, u64)> =
        provenance.iter().map(|message| (base(message).source, base(message).lease_id)).collect();
    owners.dedup();
    let sources: Vec<u8> = owners.iter().map(|(source, _)| *source).collect();
    let (skill, teleop) = (AcquireLeaseRequest::SOURCE_SKILL, AcquireLeaseRequest::SOURCE_TELEOP);
    assert_eq!(sources, [0, skill, teleop, 0, skill, 0], "{owners:?}");
    for pair in provenance.windows(2) {
        let told = pair.iter().map(|message| format!("{:?}", message.groups)).collect::<Vec<_>>();
        assert_ne!(told[0], told[1], "only changes are told");
        assert!(pair[0].tick < pair[1].tick);
    }
    for message in provenance.iter().filter(|message| base(message).source == skill) {
        assert_eq!(base(message).goal_id, drive.goal_id);
        assert_eq!(base(message).correlation_id, drive.correlation_id);
        // A lease under which the skill says that it commands.
        assert!(status.iter().any(|s| s.lease_id == base(message).lease_id));
    }

    let found = logged_interventions(&provenance);
    let [intervention] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(
        (&intervention.groups[..], intervention.lease_id),
        (&["base".into()][..], owners[2].1)
    );
    assert_eq!(intervention.interrupted.len(), 1);
    assert_eq!(intervention.interrupted[0].correlation_id, drive.correlation_id);
    let took = intervention.end_s.unwrap() - intervention.start_s;
    assert!((took - DRIVES.as_secs_f64()).abs() < 0.1, "{took} s");
    // Authority did not come back before the person said so.
    let resumed = record.resumed.lock().unwrap().unwrap();
    let back = provenance.iter().rfind(|m| base(m).lease_id == owners[4].1).unwrap();
    let back_at = Duration::new(u64::try_from(back.stamp.sec).unwrap(), back.stamp.nanosec);
    assert!(Time::ZERO + back_at > resumed);
}

#[test]
fn a_task_whose_base_was_taken_and_not_resumed_ends_as_overridden() {
    let (task, record) = go_to_the_bin(false);
    assert_eq!(task.error_code, ErrorCode::LeaseRevoked.as_u16(), "{}", task.error_msg);
    assert!(task.error_msg.contains("nobody resumed"), "{}", task.error_msg);
    let results = all(&record.results);
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].interventions, 1);
    let skill = AcquireLeaseRequest::SOURCE_SKILL;
    let provenance = all(&record.provenance);
    let teleop = provenance.iter().position(|m| base(m).source > skill).unwrap();
    assert!(provenance[teleop..].iter().all(|message| base(message).source != skill));
}
