//! The simulated robot behind the real gate, a skill server before it, and virtual time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nalgebra::Isometry3;
use serde_json::Value;
use sinew_driver_sim::{
    ObjectInfo, PerceptionSource, Renderer, SimDriver, SimWorld, Surface, World,
};
use sinew_hardware::{
    Accepted, ControlHandle, ControlLoop, EmergencyStop, GateConfig, GroupLimits, GroupSet,
    LeaseRequest, Mode, Notice, OutputKind, RequestId, Unconfigured,
};
use sinew_model::{
    Container, GripperFacts, Predicate, RobotFacts, SkillRegistry, Support, SupportSurface,
    WorldObject, WorldState,
};
use sinew_robot::{Kinematics, RobotModel};
use sinew_skills::{
    Feedback, GroupAuthority, Inputs, LeaseCall, Manipulation, Motion, Navigation, Picture,
    Rejection, SafetyView, SkillGoal, SkillServer, SkillSetup, builtin_manifests,
};
use sinew_types::{
    ActuatorCommand, BootId, ErrorCode, GoalId, GroupKind, Layout, LeaseId, Outcome, RobotState,
    Source, Time,
};

/// Between two steps of the server.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Edge of the wrist camera's pictures, as the robot file has it.
const PICTURE_PX: u32 = 224;
const BOOT_ID: BootId = BootId(1);

/// See the module's documentation.
pub(crate) struct Rig {
    pub(crate) control: ControlLoop,
    pub(crate) handle: ControlHandle,
    pub(crate) server: SkillServer,
    pub(crate) seen: SimWorld,
    pub(crate) world: WorldState,
    pub(crate) now: Time,
    /// Of the last tick.
    pub(crate) feedback: Vec<(GoalId, Feedback)>,
    pub(crate) ended: Vec<(GoalId, Outcome)>,
    /// Whether heartbeats go out.
    pub(crate) beats: bool,
    /// Whether the server's state grows old.
    pub(crate) is_blind: bool,
    /// The largest change of the base's set-point from one control tick to the next, m/s and rad/s.
    pub(crate) twist_step: [f64; 2],
    /// What the base's limits allow of that.
    pub(crate) twist_step_limit: [f64; 2],
    state: RobotState,
    perception: PerceptionSource,
    /// What draws pictures for the skills, and the camera that they are of.
    eye: Option<(Renderer, String)>,
    facts: Facts,
    layout: Layout,
    acquiring: Vec<(RequestId, u64)>,
    live: Vec<LeaseId>,
    authority: Vec<GroupAuthority>,
    seq: u64,
    goals: u8,
    _stop: Box<dyn EmergencyStop>,
}

/// Of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Rig {
    /// The world `tabletop` as one seed draws it; the robot is armed.
    pub(crate) fn new(seed: u64) -> Self {
        let world = World::load(repository().join("worlds/tabletop.yaml")).unwrap();
        let scene = world.sample(seed).unwrap();
        Self::of(world, &scene, seed)
    }

    /// The same with picking and placing left to policies.
    pub(crate) fn learned(seed: u64) -> Self {
        let world = World::load(repository().join("worlds/tabletop.yaml")).unwrap();
        let scene = world.sample(seed).unwrap();
        Self::made(world, &scene, seed, Manipulation::Learned)
    }

    /// The same with these skills and no others.
    pub(crate) fn with_skills(seed: u64, registry: SkillRegistry) -> Self {
        let world = World::load(repository().join("worlds/tabletop.yaml")).unwrap();
        let scene = world.sample(seed).unwrap();
        Self::serving(world, &scene, seed, Manipulation::default(), registry)
    }

    /// A scene of a world.
    pub(crate) fn of(world: World, scene: &sinew_driver_sim::Scene, seed: u64) -> Self {
        Self::made(world, scene, seed, Manipulation::default())
    }

    fn made(
        world: World,
        scene: &sinew_driver_sim::Scene,
        seed: u64,
        manipulation: Manipulation,
    ) -> Self {
        let registry = SkillRegistry::new(builtin_manifests().unwrap()).unwrap();
        Self::serving(world, scene, seed, manipulation, registry)
    }

    fn serving(
        world: World,
        scene: &sinew_driver_sim::Scene,
        seed: u64,
        manipulation: Manipulation,
        registry: SkillRegistry,
    ) -> Self {
        let robot = Arc::new(world.robot().clone());
        let (driver, seen) = SimDriver::new(world, scene).unwrap();
        let (driver, stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
        let config = GateConfig::from_robot(&robot).unwrap();
        let dt = config.period.as_secs_f64();
        let twist_limits = config.groups.iter().find_map(|group| match group.limits {
            GroupLimits::Twist(limits) => Some(limits),
            _ => None,
        });
        let twist_limits = twist_limits.unwrap();
        let (control, handle) = ControlLoop::new(driver, config).unwrap();
        let layout = control.layout().clone();
        let server = SkillServer::new(SkillSetup {
            robot: Arc::clone(&robot),
            layout: layout.clone(),
            registry: Arc::new(registry),
            policies: repository().join("policies"),
            manipulation,
            navigation: Navigation::Own,
            motion: Motion::Own,
            tick: TICK,
            waits: true,
        })
        .unwrap();
        let mut rig = Self {
            facts: Facts::new(&robot, &layout),
            state: control.state().clone(),
            perception: seen.perception(seed),
            eye: None,
            world: WorldState::default(),
            now: Time::ZERO,
            feedback: Vec::new(),
            ended: Vec::new(),
            beats: true,
            is_blind: false,
            twist_step: [0.0; 2],
            twist_step_limit: [
                twist_limits.max_linear_acceleration_m_s2 * dt,
                twist_limits.max_angular_acceleration_rad_s2 * dt,
            ],
            acquiring: Vec::new(),
            live: Vec::new(),
            authority: Vec::new(),
            seq: 0,
            goals: 0,
            _stop: stop,
            control,
            handle,
            server,
            seen,
            layout,
        };
        rig.control.tick(rig.now);
        rig.handle.arm().unwrap();
        for _ in 0..5 {
            rig.tick();
        }
        assert_eq!(rig.control.safety().mode, Mode::Ready);
        rig
    }

    /// The control loop runs for one server tick, then the server takes its step.
    pub(crate) fn tick(&mut self) {
        let period = self.control.period();
        for _ in 0..(TICK.as_nanos() / period.as_nanos()) {
            if self.beats {
                self.handle.heartbeat(BOOT_ID).unwrap();
            }
            self.now += period;
            let before = self.handle.output().base.unwrap_or_default();
            self.control.tick(self.now);
            let after = self.handle.output().base.unwrap_or_default();
            let steps = [after.linear_x - before.linear_x, after.angular_z - before.angular_z];
            for (largest, step) in self.twist_step.iter_mut().zip(steps) {
                *largest = largest.max(step.abs());
            }
        }
        self.notices();
        self.observe();
        let safety = self.control.safety();
        let mode = format!("{:?}", safety.mode).to_lowercase();
        let safety = SafetyView {
            ready: safety.mode == Mode::Ready,
            mode: &mode,
            stop_epoch: safety.stop_epoch,
            resumes: safety.resumes,
            live_leases: &self.live,
            groups: &self.authority,
        };
        let inputs = Inputs { state: &self.state, world: &self.world, safety };
        let output = self.server.step(self.now, &inputs);
        let commands: Vec<ActuatorCommand> = output.commands.into_iter().cloned().collect();
        self.feedback = output.feedback;
        self.ended.extend(output.ended);
        for mut command in commands {
            self.seq += 1;
            (command.seq, command.boot_id, command.tick) = (self.seq, BOOT_ID, self.state.tick);
            command.valid_for = Duration::from_millis(100);
            // A lease that is gone is what some tests are about.
            let _ = self.handle.command(&command);
        }
        for call in output.lease_calls {
            match call {
                LeaseCall::Acquire { request, groups, .. } => {
                    let names = groups.iter().map(String::as_str);
                    let groups = GroupSet::named(&self.layout, names).unwrap();
                    let asked = LeaseRequest {
                        source: Source::Skill,
                        groups,
                        boot_id: BOOT_ID,
                        command_period: TICK,
                    };
                    self.acquiring.push((self.handle.acquire(asked).unwrap(), request));
                }
                LeaseCall::Release(lease) => {
                    self.handle.release(lease).unwrap();
                }
            }
        }
    }

    fn notices(&mut self) {
        while let Some(notice) = self.handle.poll() {
            let Notice::Reply { request, result } = notice else { continue };
            let Some(index) = self.acquiring.iter().position(|(id, _)| *id == request) else {
                continue;
            };
            let (_, request) = self.acquiring.remove(index);
            match result {
                Ok(Accepted::Granted { lease, .. }) => self.server.lease_granted(request, lease),
                Ok(_) => unreachable!("a lease was asked for"),
                Err(refused) => {
                    self.server.lease_refused(request, ErrorCode::Busy, refused.to_string());
                }
            }
        }
        let groups = &self.control.safety().groups;
        self.live = groups.iter().filter_map(|g| g.owner.map(|(lease, _)| lease)).collect();
        let authority = groups.iter().map(|group| GroupAuthority {
            owner: group.owner,
            needs_resume: group.needs_resume,
            is_fallback: group.output == OutputKind::Fallback,
            clamped_cycles: group.clamps.total(),
        });
        self.authority = authority.collect();
    }

    fn observe(&mut self) {
        if !self.is_blind {
            self.state.copy_from(self.control.state());
        }
        if let Some(observation) = self.perception.poll() {
            for object in observation.objects {
                let std_m = object.position_std_m;
                let pose = object.map_from_object;
                self.world.insert(world_object(&object.info, pose, std_m, observation.stamp));
            }
        }
        if let Some((renderer, camera)) = &mut self.eye {
            let png = renderer.picture(camera, PICTURE_PX, PICTURE_PX).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut rgb).unwrap();
            let (width, height) = (PICTURE_PX as usize, PICTURE_PX as usize);
            self.server.see(camera, Picture { width, height, rgb, stamp: self.state.stamp });
        }
        self.world.robot = self.facts.facts(&self.state);
        self.world.stamp = self.now;
        let held: Vec<bool> = self
            .world
            .objects
            .keys()
            .map(|id| self.world.judge(&Predicate::holding(id.clone())).holds)
            .collect();
        for (object, held) in self.world.objects.values_mut().zip(held) {
            object.held_by = held.then(|| "gripper".to_owned());
        }
    }

    /// From now on skills have the pictures of a camera.
    pub(crate) fn look_through(&mut self, camera: &str) {
        self.eye = Some((self.seen.renderer(), camera.to_owned()));
    }

    /// From now on there are no new pictures.
    pub(crate) fn look_away(&mut self) {
        self.eye = None;
    }

    /// A goal at full speed.
    pub(crate) fn goal(&mut self, skill: &str, args: Value) -> SkillGoal {
        self.goals += 1;
        SkillGoal::new(GoalId([self.goals; 16]), skill, args, self.now)
    }

    /// Gives a goal to the server.
    pub(crate) fn send(&mut self, goal: SkillGoal) -> Result<GoalId, Rejection> {
        let id = goal.id;
        let safety = self.control.safety();
        let mode = format!("{:?}", safety.mode).to_lowercase();
        let safety = SafetyView {
            ready: safety.mode == Mode::Ready,
            mode: &mode,
            stop_epoch: safety.stop_epoch,
            resumes: safety.resumes,
            live_leases: &self.live,
            groups: &self.authority,
        };
        let inputs = Inputs { state: &self.state, world: &self.world, safety };
        self.server.goal(goal, &inputs, self.now).map(|()| id)
    }

    /// Ticks until a goal has ended.
    pub(crate) fn wait(&mut self, id: GoalId) -> Outcome {
        for _ in 0..6000 {
            self.tick();
            if let Some(outcome) = self.outcome(id) {
                return outcome;
            }
        }
        panic!("the goal did not end within 120 s");
    }

    /// How a goal ended, if it has.
    pub(crate) fn outcome(&mut self, id: GoalId) -> Option<Outcome> {
        let index = self.ended.iter().position(|(ended, _)| *ended == id)?;
        Some(self.ended.remove(index).1)
    }

    /// Sends a goal and waits for its end.
    pub(crate) fn run(&mut self, skill: &str, args: Value) -> Outcome {
        let goal = self.goal(skill, args);
        match self.send(goal) {
            Ok(id) => self.wait(id),
            Err(rejection) => Outcome::aborted(rejection.error, rejection.message, Duration::ZERO),
        }
    }

    /// What is measured now of the base's and the arm's speeds, m/s, rad/s, rad/s.
    pub(crate) fn speeds(&self) -> [f64; 3] {
        let facts = &self.world.robot;
        [facts.base_linear_m_s, facts.base_angular_rad_s, facts.max_joint_velocity_rad_s]
    }
}

fn world_object(
    info: &ObjectInfo,
    map_from_object: Isometry3<f64>,
    position_std_m: f64,
    stamp: Time,
) -> WorldObject {
    let surface = |s: &Surface| SupportSurface { center_m: s.centre_m, size_m: s.size_m };
    WorldObject {
        id: info.id.clone(),
        class: info.class.clone(),
        attributes: info.attributes.clone(),
        size_m: info.size_m,
        map_from_object,
        position_std_m,
        stamp,
        confidence: 1.0,
        held_by: None,
        fixed: info.is_fixture,
        container: info
            .interior
            .map(|inner| Container { center_m: inner.centre_m, size_m: inner.size_m }),
        support: match (info.surfaces.is_empty(), info.is_fixture) {
            (true, _) => Support::None,
            (false, false) => Support::Top,
            (false, true) => Support::Surfaces(info.surfaces.iter().map(surface).collect()),
        },
    }
}

/// What predicates are judged on, out of the measured state.
struct Facts {
    kinematics: Kinematics,
    layout: Layout,
    tool: usize,
    camera: usize,
    arm: Vec<usize>,
    configurations: Vec<(String, Vec<f64>)>,
    max_width_m: f64,
}

impl Facts {
    fn new(robot: &RobotModel, layout: &Layout) -> Self {
        let arm = robot.group("arm").unwrap();
        let configurations = arm.configurations.iter().map(|(n, p)| (n.clone(), p.clone()));
        Self {
            kinematics: Kinematics::new(robot),
            layout: layout.clone(),
            tool: robot.link_index("tool_link").unwrap(),
            camera: robot.link_index("head_camera_optical_frame").unwrap(),
            arm: arm.joints.clone(),
            configurations: configurations.collect(),
            max_width_m: robot.group("gripper").unwrap().gripper.unwrap().max_width_m,
        }
    }

    fn facts(&mut self, state: &RobotState) -> RobotFacts {
        let base = state.base.unwrap();
        let positions: Vec<f64> = state.joints.iter().map(|joint| joint.position).collect();
        self.kinematics.update(&positions).unwrap();
        let map_from = |link: usize| base.map_from_base * self.kinematics.base_from_link()[link];
        let at = |goal: &[f64]| {
            self.arm.iter().zip(goal).all(|(joint, goal)| (positions[*joint] - goal).abs() <= 0.03)
        };
        let groups = self.layout.groups().iter();
        let moving = groups.filter(|g| g.kind == GroupKind::Joints).flat_map(|g| &g.joints);
        let speed = moving.map(|joint| state.joints[*joint].velocity.abs()).fold(0.0, f64::max);
        let gripper = GripperFacts {
            width_m: state.grippers[0].width_m,
            force_n: state.grippers[0].force_n,
            max_width_m: self.max_width_m,
        };
        RobotFacts {
            stamp: state.stamp,
            map_from_base: base.map_from_base,
            base_linear_m_s: base.linear_velocity.xy().norm(),
            base_angular_rad_s: base.angular_velocity.z.abs(),
            max_joint_velocity_rad_s: speed,
            map_from_tool: Some(map_from(self.tool)),
            grippers: [("gripper".to_owned(), gripper)].into(),
            arm_configuration: self
                .configurations
                .iter()
                .find(|(_, goal)| at(goal))
                .map(|(name, _)| name.clone()),
            map_from_camera: Some(map_from(self.camera)),
            ..RobotFacts::default()
        }
    }
}
