use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nalgebra::{Isometry3, Matrix3, Point3, Rotation3, Translation3, UnitQuaternion, Vector3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use sinew_driver_sim::{Renderer, World};
use sinew_policy::{Embodiment, ToolError, tool_error};
use sinew_robot::{Chain, IkOptions, IkSolver, RobotModel};
use sinew_types::{ActuatorCommand, GripperCommand, JointCommand, RobotState, Time};

use super::{GraspExpert, GraspTask, GraspView};
use crate::{Plant, ReachExpert, RecordError, SimPlant};

/// A table with cubes, where the robot picks one up or puts it down.
pub struct GraspBench {
    world: World,
    robot: Arc<RobotModel>,
    chain: Chain,
    solver: IkSolver,
    ready: Vec<f64>,
    roll_limits_rad: [f64; 2],
    max_width_m: f64,
    period: Duration,
    /// Size of pictures of the wrist camera, if there are to be any.
    pictures_px: Option<[u32; 2]>,
    is_covered: bool,
}

/// How an episode begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GraspStart {
    /// Largest distance of the tool beside the place over which it begins, m.
    pub aside_m: f64,
    /// Largest turn of the tool from how it will grasp, rad.
    pub turn_rad: f64,
    /// Height of the tool over the grasp, m.
    pub height_m: [f64; 2],
}

impl GraspStart {
    /// As the skill `reach` leaves it, and worse.
    pub const OVER: Self = Self { aside_m: 0.03, turn_rad: 0.4, height_m: [0.07, 0.15] };
}

/// One robot before one table.
pub struct GraspScene<'a> {
    bench: &'a mut GraspBench,
    plant: SimPlant,
    pictures: Option<Renderer>,
    rng: ChaCha8Rng,
    task: GraspTask,
    command: ActuatorCommand,
    /// Indices into the layout.
    joints: Vec<usize>,
    object: String,
    object_size_m: f64,
    /// Where the object was, in the map.
    first: Isometry3<f64>,
    /// Where it is to be put.
    place: Point3<f64>,
    /// Of the tool, in the map.
    goal: Isometry3<f64>,
    approach_height_m: f64,
    started: Time,
    done_ticks: u32,
}

/// The tool is brought to where an episode begins within this.
const SET_UP: Duration = Duration::from_secs(8);
/// From so high over it the expert comes down to a grasp, m.
const PICK_APPROACH_M: f64 = 0.06;
/// As in the skill `place`, on a surface.
const PLACE_APPROACH_M: f64 = 0.08;
/// The object is let go this high over where it is to stand, m.
const DROP_M: f64 = 0.003;
/// As in the skills: the tool stays so much over what the object lies on.
const LOWEST_OVER_BOTTOM_M: f64 = 0.02;
/// What perception is off by, m and rad, each episode anew: the skills average over a dozen sights.
const SIGHT_STD: [f64; 2] = [0.0012, 0.006];
/// An object is picked when it is so high over where it was, m.
const PICKED_M: f64 = 0.09;
/// An object is placed when it stands within this of where it should, m.
const PLACED_M: f64 = 0.015;
/// And the tool is so high over it, m.
const RISEN_M: f64 = 0.08;
/// Success must last.
const STAY_TICKS: u32 = 10;
/// A gripper that holds nothing shows less, N.
const HELD_N: f64 = 3.0;

impl GraspBench {
    /// A bench in the world of a file.
    ///
    /// # Errors
    /// [`RecordError::Plant`] if the world cannot be loaded; [`RecordError::Unsuitable`] for a robot without arm and
    /// gripper.
    pub fn new(
        world: &Path,
        period: Duration,
        pictures_px: Option<[u32; 2]>,
    ) -> Result<Self, RecordError> {
        let failed = |doing, reason: String| RecordError::Plant { doing, reason };
        let world = World::load(world).map_err(|e| failed("load the world", e.to_string()))?;
        let robot = Arc::new(world.robot().clone());
        let chain = robot.chain("arm")?;
        let ready = robot.group("arm")?.configuration("ready")?.to_vec();
        let roll = chain.limits().last();
        let roll =
            roll.ok_or(RecordError::Unsuitable { task: "grasp", needed: "an arm with joints" })?;
        let gripper = robot.group("gripper")?.gripper;
        let gripper =
            gripper.ok_or(RecordError::Unsuitable { task: "grasp", needed: "a gripper" })?;
        let options =
            IkOptions { preferred: Some(ready.clone()), max_attempts: 2, ..IkOptions::default() };
        Ok(Self {
            solver: IkSolver::new(chain.clone(), options),
            chain,
            ready,
            roll_limits_rad: [roll.lower, roll.upper],
            max_width_m: gripper.max_width_m,
            world,
            robot,
            period,
            pictures_px,
            is_covered: false,
        })
    }

    /// The robot, for a policy.
    pub fn embodiment(&self) -> Result<Embodiment, RecordError> {
        let layout = sinew_hardware::layout_of(&self.robot).map_err(|error| {
            RecordError::Plant { doing: "order its joints", reason: error.to_string() }
        })?;
        Ok(Embodiment::new(&layout, Arc::clone(&self.robot)))
    }

    /// Covers the wrist camera: all its pictures are grey from now on.
    pub fn cover(&mut self) {
        self.is_covered = true;
    }

    /// The rules that a policy is taught by.
    pub fn expert(&self, task: GraspTask) -> GraspExpert {
        GraspExpert::new(task, self.max_width_m)
    }

    /// A scene drawn with this seed, the robot where the task begins.
    ///
    /// # Errors
    /// [`RecordError::NoGoal`] where the arm reaches none of the cubes; those of the simulated robot.
    pub fn scene(
        &mut self,
        task: GraspTask,
        start: GraspStart,
        seed: u64,
    ) -> Result<GraspScene<'_>, RecordError> {
        let failed = |doing, reason: String| RecordError::Plant { doing, reason };
        let scene = self.world.sample(seed);
        let scene = scene.map_err(|e| failed("place the world's content", e.to_string()))?;
        let groups = ["arm", "gripper"];
        let plant = SimPlant::in_scene(self.world.clone(), &scene, &groups, self.period)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        let truth = plant.seen().truth();
        let cubes: Vec<_> = truth.objects.iter().filter(|o| !o.info.is_fixture).collect();
        let object = cubes[rng.random_range(0..cubes.len())];
        let joints = self.chain.joints().collect();
        let command = ActuatorCommand::unused(plant.layout());
        let pictures = self.pictures_px.map(|_| plant.seen().renderer());
        let mut made = GraspScene {
            object: object.info.id.clone(),
            object_size_m: object.info.size_m[0],
            first: object.map_from_object,
            place: Point3::origin(),
            goal: Isometry3::identity(),
            approach_height_m: PICK_APPROACH_M,
            started: Time::ZERO,
            done_ticks: 0,
            bench: self,
            pictures,
            plant,
            rng,
            task: GraspTask::Pick,
            command,
            joints,
        };
        made.begin_pick(start)?;
        if task == GraspTask::Place {
            made.begin_place(start)?;
        }
        made.started = made.plant.state().stamp;
        Ok(made)
    }
}

impl GraspScene<'_> {
    /// As measured last.
    pub fn state(&self) -> &RobotState {
        self.plant.state()
    }

    /// Since the task began.
    pub fn elapsed(&self) -> Duration {
        self.state().stamp.since(self.started)
    }

    /// What expert and policy go by.
    pub fn view(&self) -> Result<GraspView, RecordError> {
        let gripper = self.state().grippers[0];
        Ok(GraspView {
            error: self.error(&self.goal)?,
            approach_height_m: self.approach_height_m,
            object_width_m: self.object_size_m,
            gripper_width_m: gripper.width_m,
            gripper_force_n: gripper.force_n,
        })
    }

    /// What the wrist camera sees, red, green and blue of each pixel; none if the bench takes no pictures.
    pub fn picture(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        let failed = |reason: String| RecordError::Plant { doing: "take a picture", reason };
        let (Some(pictures), Some([width, height])) = (&mut self.pictures, self.bench.pictures_px)
        else {
            return Ok(None);
        };
        if self.bench.is_covered {
            return Ok(Some(vec![128; 3 * (width * height) as usize]));
        }
        let png = pictures.picture("wrist", width, height).map_err(|e| failed(e.to_string()))?;
        let mut reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .map_err(|e| failed(e.to_string()))?;
        let mut rgb = vec![0; 3 * (width * height) as usize];
        reader.next_frame(&mut rgb).map_err(|e| failed(e.to_string()))?;
        Ok(Some(rgb))
    }

    /// Follows a command for one tick of the policy.
    ///
    /// # Errors
    /// [`RecordError::Plant`] when the gate stops the robot.
    pub fn advance(&mut self, command: &ActuatorCommand) -> Result<(), RecordError> {
        self.plant.advance(command, self.bench.period)?;
        self.done_ticks = if self.is_done()? { self.done_ticks + 1 } else { 0 };
        Ok(())
    }

    /// Whether the task is done, by what is really so, and has been for a while.
    pub fn has_succeeded(&self) -> bool {
        self.done_ticks >= STAY_TICKS
    }

    /// In which a command of this scene starts: all joints where they are.
    pub fn first_command(&self) -> ActuatorCommand {
        self.command.clone()
    }

    fn is_done(&self) -> Result<bool, RecordError> {
        let truth = self.plant.seen().truth();
        let Some(object) = truth.object(&self.object) else { return Ok(false) };
        let at = object.map_from_object.translation.vector;
        let gripper = self.state().grippers[0];
        Ok(match self.task {
            GraspTask::Pick => {
                at.z > self.first.translation.z + PICKED_M && gripper.force_n > HELD_N
            }
            GraspTask::Place => {
                let risen = self.map_from_tool()?.translation.z - at.z;
                (at - self.place.coords).norm() < PLACED_M
                    && object.linear_velocity.norm() < 0.02
                    && risen > RISEN_M
            }
        })
    }

    fn map_from_base(&self) -> Isometry3<f64> {
        self.plant.seen().truth().map_from_base.unwrap_or_else(Isometry3::identity)
    }

    fn positions(&self) -> Vec<f64> {
        self.joints.iter().map(|joint| self.state().joints[*joint].position).collect()
    }

    fn map_from_tool(&self) -> Result<Isometry3<f64>, RecordError> {
        Ok(self.map_from_base() * self.bench.chain.base_from_tool(&self.positions())?)
    }

    fn error(&self, map_from_target: &Isometry3<f64>) -> Result<ToolError, RecordError> {
        let positions = self.positions();
        let base_from_tool = self.bench.chain.base_from_tool(&positions)?;
        let base_from_target = self.map_from_base().inv_mul(map_from_target);
        let roll = positions.last().copied().unwrap_or_default();
        Ok(tool_error(&base_from_tool, &base_from_target, roll, self.bench.roll_limits_rad))
    }

    /// Whether the arm gets there without folding over.
    fn reaches(&mut self, map_from_tool: &Isometry3<f64>) -> bool {
        let target = self.map_from_base().inv_mul(map_from_tool);
        let mut start = self.bench.ready.clone();
        start[0] = target.translation.y.atan2(target.translation.x);
        let solution = self.bench.solver.solve(&target, &start);
        solution.is_ok_and(|s| s.positions[2] > 0.3 && s.positions[3].abs() < 0.8)
    }

    /// The pose beside and over a goal in which an episode begins.
    fn draw_start(&mut self, goal: &Isometry3<f64>, start: GraspStart) -> Option<Isometry3<f64>> {
        for _ in 0..40 {
            let mut within = |most: f64| match most > 0.0 {
                true => self.rng.random_range(-most..most),
                false => 0.0,
            };
            let (x, y, turn) =
                (within(start.aside_m), within(start.aside_m), within(start.turn_rad));
            let [low, high] = start.height_m;
            let up = self.rng.random_range(low..high);
            let turned = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), turn);
            let place = Translation3::from(goal.translation.vector + Vector3::new(x, y, up));
            let pose = Isometry3::from_parts(place, turned * goal.rotation);
            if self.reaches(&pose) {
                return Some(pose);
            }
        }
        None
    }

    /// A pose as a person's or a camera's eye would have it.
    fn seen(&mut self, pose: &Isometry3<f64>) -> Isometry3<f64> {
        let [position, angle] = SIGHT_STD.map(|std| Normal::new(0.0, std));
        let (Ok(position), Ok(angle)) = (position, angle) else { return *pose };
        let off = Vector3::from_fn(|_, _| position.sample(&mut self.rng));
        let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), angle.sample(&mut self.rng));
        Isometry3::from_parts(
            Translation3::from(pose.translation.vector + off),
            turn * pose.rotation,
        )
    }

    /// Over the object, the gripper open or not.
    fn begin_pick(&mut self, start: GraspStart) -> Result<(), RecordError> {
        let mut center = Point3::from(self.first.translation.vector);
        center.z = center.z.max(center.z - self.object_size_m / 2.0 + LOWEST_OVER_BOTTOM_M);
        self.goal = self.choose_goal(center, self.first.rotation)?;
        let over = self.draw_start(&self.goal.clone(), start);
        let over = over.ok_or(RecordError::NoGoal { task: "pick", attempts: 40 })?;
        let width_m = if self.rng.random_bool(0.5) { 0.08 } else { 0.02 };
        self.bring(&over, width_m)?;
        self.goal = self.seen(&self.goal.clone());
        Ok(())
    }

    /// The cube in the hand, at home or near the place where it is to go.
    fn begin_place(&mut self, start: GraspStart) -> Result<(), RecordError> {
        let expert = self.bench.expert(GraspTask::Pick);
        let until = self.elapsed() + SET_UP;
        while !self.has_succeeded() {
            if self.elapsed() > until {
                return Err(RecordError::NoGoal { task: "place", attempts: 1 });
            }
            let action = expert.act(&self.view()?);
            let velocity = self.tool_velocity_command(&action.linear, &action.angular)?;
            let command = self.commanding(velocity, action.gripper_width_m);
            self.advance(&command)?;
        }
        (self.task, self.done_ticks) = (GraspTask::Place, 0);
        self.approach_height_m = PLACE_APPROACH_M;
        let hangs = self.map_from_tool()?.inv_mul(
            &self
                .plant
                .seen()
                .truth()
                .object(&self.object)
                .map_or(self.first, |o| o.map_from_object),
        );
        self.choose_place()?;
        let yaw = self.rng.random_range(-3.1..3.1);
        let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw);
        let release = self.choose_goal(self.place, turn)?;
        // The object, not the tool, comes to the place.
        let offset = release.rotation * hangs.translation.vector;
        self.goal = Isometry3::from_parts(
            Translation3::from(self.place.coords - offset + Vector3::z() * DROP_M),
            release.rotation,
        );
        if !self.reaches(&self.goal.clone()) {
            return Err(RecordError::NoGoal { task: "place", attempts: 1 });
        }
        let home = self.rng.random_bool(0.5);
        if home {
            let home = self.bench.robot.group("arm")?.configuration("home")?.to_vec();
            let home = self.map_from_base() * self.bench.chain.base_from_tool(&home)?;
            self.bring(&home, 0.0)?;
        } else {
            let wide = GraspStart { aside_m: 0.15, height_m: [0.10, 0.25], ..start };
            let over = self.draw_start(&self.goal.clone(), wide);
            let over = over.ok_or(RecordError::NoGoal { task: "place", attempts: 40 })?;
            self.bring(&over, 0.0)?;
        }
        Ok(())
    }

    /// A free place for the object's centre: on the table or on the tray.
    fn choose_place(&mut self) -> Result<(), RecordError> {
        const ATTEMPTS: u32 = 60;
        let truth = self.plant.seen().truth();
        let half = self.object_size_m / 2.0;
        let on_tray = self.rng.random_bool(0.3);
        for _ in 0..ATTEMPTS {
            let fixture = if on_tray { "tray" } else { "table" };
            let Some(fixture) = truth.object(fixture) else { break };
            let Some(surface) = fixture.info.surfaces.first() else { break };
            let [wide, deep] = surface.size_m.map(|size| size / 2.0 - 0.05);
            let (x, y) = (self.rng.random_range(-wide..wide), self.rng.random_range(-deep..deep));
            let [cx, cy, cz] = surface.centre_m;
            let mut at = fixture.map_from_object * Point3::new(cx + x, cy + y, cz);
            at.z += half;
            let is_free = truth.objects.iter().all(|other| {
                let way = other.map_from_object.translation.vector - at.coords;
                let room = if other.info.is_fixture { 0.13 } else { 0.10 };
                other.info.id == self.object
                    || other.info.id == fixture.info.id
                    || (fixture.info.id == "tray" && other.info.id == "table")
                    || way.xy().norm() > room
            });
            let over = top_down(at, 0.0);
            if is_free && self.reaches(&over) {
                self.place = at;
                return Ok(());
            }
        }
        Err(RecordError::NoGoal { task: "place", attempts: ATTEMPTS })
    }

    /// The tool pointing down at a cube's centre, the fingers along one of its sides: the one that the wrist turns
    /// least to.
    fn choose_goal(
        &mut self,
        center: Point3<f64>,
        rotation: UnitQuaternion<f64>,
    ) -> Result<Isometry3<f64>, RecordError> {
        let yaw = rotation.euler_angles().2;
        let mut best: Option<(f64, Isometry3<f64>)> = None;
        for quarter in 0..4 {
            let pose = top_down(center, yaw + f64::from(quarter) * std::f64::consts::FRAC_PI_2);
            let turn = self.error(&pose)?.angle_rad();
            if self.reaches(&pose) && best.is_none_or(|(least, _)| turn < least) {
                best = Some((turn, pose));
            }
        }
        best.map(|(_, pose)| pose).ok_or(RecordError::NoGoal { task: "pick", attempts: 4 })
    }

    /// Joint targets for the next tick, by the rules' velocity.
    fn tool_velocity_command(
        &mut self,
        linear: &Vector3<f64>,
        angular: &Vector3<f64>,
    ) -> Result<Vec<f64>, RecordError> {
        let targets: Vec<f64> = self.joints.iter().map(|j| self.target(*j)).collect();
        let mut ik = sinew_robot::DifferentialIk::new(self.bench.chain.clone(), 1.0);
        let velocities = ik.velocities_in_tool(&targets, *linear, *angular)?;
        let period_s = self.bench.period.as_secs_f64();
        Ok(targets.iter().zip(velocities).map(|(t, v)| t + v * period_s).collect())
    }

    fn target(&self, joint: usize) -> f64 {
        let commanded = self.command.joints[joint].position;
        if commanded.is_finite() { commanded } else { self.state().joints[joint].position }
    }

    fn commanding(&mut self, targets: Vec<f64>, width_m: f64) -> ActuatorCommand {
        for (joint, target) in self.joints.iter().zip(targets) {
            self.command.joints[*joint] = JointCommand::position(target);
        }
        self.command.grippers[0] = GripperCommand { width_m, max_force_n: 25.0 };
        self.command.clone()
    }

    /// Brings the tool to a pose by the reach expert.
    fn bring(&mut self, map_from_tool: &Isometry3<f64>, width_m: f64) -> Result<(), RecordError> {
        let period_s = self.bench.period.as_secs_f64();
        let mut expert = ReachExpert::new(self.bench.chain.clone(), period_s)?;
        let began = self.state().stamp;
        loop {
            let error = self.error(map_from_tool)?;
            if error.distance_m() < 0.006 && error.angle_rad() < 0.04 {
                return Ok(());
            }
            if self.state().stamp.since(began) > SET_UP {
                return Err(RecordError::NoGoal { task: "set-up", attempts: 1 });
            }
            let positions = self.positions();
            let delta = expert.delta(&positions, &error)?;
            let targets = self.joints.iter().zip(delta).map(|(j, d)| self.target(*j) + d).collect();
            let command = self.commanding(targets, width_m);
            self.plant.advance(&command, self.bench.period)?;
        }
    }
}

/// The tool pointing straight down at a point of the map, its fingers opening along `yaw`, as the skills have it.
fn top_down(point: Point3<f64>, yaw_rad: f64) -> Isometry3<f64> {
    let across = Vector3::new(yaw_rad.cos(), yaw_rad.sin(), 0.0);
    let down = -Vector3::z();
    let axes = Matrix3::from_columns(&[down, across, down.cross(&across)]);
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes));
    Isometry3::from_parts(Translation3::from(point.coords), rotation)
}
