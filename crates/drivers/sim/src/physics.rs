//! One simulation: the engine's state, the drives, and where things are in it.

use mujoco_rs::prelude::*;
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};
use sinew_robot::{BaseConfig, RobotModel};
use sinew_types::{
    ActuatorCommand, BaseState, BaseTwist, GripperState, ImuState, JointState, RobotState, Time,
};

use crate::SimError;
use crate::compile::{Compiled, Index, JointIndex, compile};
use crate::drive::{Drive, DriveTuning};
use crate::snapshot::Snapshot;
use crate::world::{Scene, World};

/// Fingers of a gripper.
#[derive(Clone, Debug)]
struct Gripper {
    joints: Vec<usize>,
    max_force_n: f64,
}

/// Joints of the wheels and their measures.
#[derive(Clone, Copy, Debug)]
struct Wheels {
    left: usize,
    right: usize,
    radius_m: f64,
    separation_m: f64,
}

pub(crate) struct Physics {
    data: MjData<Box<MjModel>>,
    index: Index,
    drives: Vec<Drive>,
    grippers: Vec<Gripper>,
    wheels: Option<Wheels>,
    /// A base that balances must not be braked: its joints give way slowly instead.
    is_floating: bool,
    time_step_s: f64,
    pub(crate) time_step_ns: u64,
}

impl Physics {
    /// Compiles a scene and puts everything where it starts.
    pub(crate) fn new(world: &World, scene: &Scene) -> Result<Self, SimError> {
        let robot = world.robot();
        let Compiled { model, index, start } = compile(world, scene)?;
        let time_step_s = model.opt().timestep;
        let mut data = MjData::try_new(Box::new(model)).map_err(|error| SimError::Model {
            path: world.path().to_owned(),
            problem: error.to_string(),
        })?;
        for (joint, position) in index.joints.iter().zip(&start) {
            data.qpos_mut()[joint.qpos] = *position;
        }
        data.forward();
        let drives = tune_drives(robot, &data, &index, &start);
        let grippers = robot
            .groups()
            .iter()
            .filter_map(|group| {
                let gripper = group.gripper?;
                Some(Gripper { joints: group.joints.clone(), max_force_n: gripper.max_force_n })
            })
            .collect();
        let joint = |name: &String| robot.joints().iter().position(|joint| joint.name == *name);
        let wheels = match robot.base() {
            BaseConfig::PlanarDiffDrive(drive) => joint(&drive.left_wheel_joint)
                .zip(joint(&drive.right_wheel_joint))
                .map(|(left, right)| Wheels {
                    left,
                    right,
                    radius_m: drive.wheel_radius_m,
                    separation_m: drive.wheel_separation_m,
                }),
            _ => None,
        };
        Ok(Self {
            data,
            index,
            drives,
            grippers,
            wheels,
            is_floating: matches!(robot.base(), BaseConfig::Floating),
            time_step_s,
            time_step_ns: (time_step_s * 1e9).round() as u64,
        })
    }

    /// A copy of the model, for drawing.
    pub(crate) fn clone_model(&self) -> MjModel {
        self.data.model().clone()
    }

    /// Brakes, or damping for a base that balances.
    pub(crate) fn power_off(&mut self) {
        for (drive, joint) in self.drives.iter_mut().zip(&self.index.joints) {
            if self.is_floating {
                drive.damp();
            } else {
                drive.hold(self.data.qpos()[joint.qpos]);
            }
        }
    }

    /// Every drive holds its joint where it is.
    pub(crate) fn hold(&mut self) {
        for (drive, joint) in self.drives.iter_mut().zip(&self.index.joints) {
            drive.hold(self.data.qpos()[joint.qpos]);
        }
    }

    /// Takes set-points. Real-time safe.
    pub(crate) fn command(&mut self, command: &ActuatorCommand, period_s: f64) {
        let positions = self.data.qpos();
        for ((drive, joint), set_point) in
            self.drives.iter_mut().zip(&self.index.joints).zip(&command.joints)
        {
            drive.command(set_point, positions[joint.qpos], period_s);
        }
        if let Some(wheels) = self.wheels {
            // Without a twist the base stands.
            let BaseTwist { linear_x, angular_z, .. } = command.base.unwrap_or_default();
            let turn = angular_z * wheels.separation_m / 2.0;
            for (joint, speed) in [(wheels.left, linear_x - turn), (wheels.right, linear_x + turn)]
            {
                let position = positions[self.index.joints[joint].qpos];
                self.drives[joint].set_velocity(position, speed / wheels.radius_m);
            }
        }
        for (gripper, set_point) in self.grippers.iter().zip(&command.grippers) {
            let fingers = gripper.joints.len() as f64;
            if !set_point.width_m.is_nan() {
                for joint in &gripper.joints {
                    let command = sinew_types::JointCommand::position(set_point.width_m / fingers);
                    let position = self.data.qpos()[self.index.joints[*joint].qpos];
                    self.drives[*joint].command(&command, position, period_s);
                }
            }
            let force = if set_point.max_force_n.is_nan() {
                gripper.max_force_n
            } else {
                set_point.max_force_n.clamp(0.0, gripper.max_force_n)
            };
            for joint in &gripper.joints {
                set_force_limit(&mut self.data, *joint, force);
            }
        }
    }

    /// Advances by one time step. Real-time safe.
    pub(crate) fn step(&mut self) {
        for (actuator, (drive, joint)) in self.drives.iter_mut().zip(&self.index.joints).enumerate()
        {
            let position = self.data.qpos()[joint.qpos];
            let passive = self.data.qfrc_bias()[joint.dof];
            let action = drive.step(position, passive, self.time_step_s);
            self.data.ctrl_mut()[actuator] = action.control;
            set_bias(&mut self.data, actuator, action.bias);
        }
        self.data.step();
    }

    /// Fills in what is measured. Real-time safe.
    pub(crate) fn read(&self, now: Time, state: &mut RobotState) {
        let (qpos, qvel) = (self.data.qpos(), self.data.qvel());
        let efforts = self.data.actuator_force();
        state.stamp = now;
        for ((measured, joint), effort) in
            state.joints.iter_mut().zip(&self.index.joints).zip(efforts)
        {
            *measured = JointState {
                position: qpos[joint.qpos],
                velocity: qvel[joint.dof],
                effort: *effort,
                stamp: now,
                valid: true,
            };
        }
        for (measured, gripper) in state.grippers.iter_mut().zip(&self.grippers) {
            let sum = |values: &[f64], at: fn(&JointIndex) -> usize| -> f64 {
                gripper.joints.iter().map(|joint| values[at(&self.index.joints[*joint])]).sum()
            };
            let effort: f64 = gripper.joints.iter().map(|joint| efforts[*joint]).sum();
            *measured = GripperState {
                width_m: sum(qpos, |joint| joint.qpos),
                velocity_m_s: sum(qvel, |joint| joint.dof),
                // Closing is the negative direction of the fingers.
                force_n: (-effort / gripper.joints.len() as f64).max(0.0),
                stamp: now,
                valid: true,
            };
        }
        state.base = self.index.base.map(|joint| {
            let (map_from_base, linear, angular) = free_joint(qpos, qvel, joint);
            BaseState {
                map_from_base,
                linear_velocity: map_from_base.rotation.inverse() * linear,
                angular_velocity: angular,
                stamp: now,
                valid: true,
            }
        });
        state.imu = self.index.imu.map(|imu| {
            let sensors = self.data.sensordata();
            let vector = |at: usize| Vector3::new(sensors[at], sensors[at + 1], sensors[at + 2]);
            let q = &sensors[imu.quaternion..imu.quaternion + 4];
            ImuState {
                orientation: UnitQuaternion::from_quaternion(Quaternion::new(
                    q[0], q[1], q[2], q[3],
                )),
                angular_velocity: vector(imu.gyroscope),
                linear_acceleration: vector(imu.accelerometer),
                stamp: now,
                valid: true,
            }
        });
    }

    /// Fills in what an onlooker sees. Real-time safe.
    pub(crate) fn view(&self, now: Time, view: &mut Snapshot) {
        let (qpos, qvel) = (self.data.qpos(), self.data.qvel());
        view.stamp = now;
        view.map_from_base = self.index.base.map(|joint| free_joint(qpos, qvel, joint).0);
        for (seen, joint) in view.objects.iter_mut().zip(&self.index.objects) {
            let (map_from_object, linear, angular) = free_joint(qpos, qvel, *joint);
            seen.map_from_object = map_from_object;
            seen.linear_velocity = linear;
            seen.angular_velocity = angular;
        }
        view.qpos.copy_from_slice(qpos);
    }

    /// Length of the engine's position vector.
    pub(crate) fn position_len(&self) -> usize {
        self.data.qpos().len()
    }
}

fn tune_drives(
    robot: &RobotModel,
    data: &MjData<Box<MjModel>>,
    index: &Index,
    start: &[f64],
) -> Vec<Drive> {
    // The diagonal of the inertia matrix where the arm is stretched: the largest that a drive has to move.
    let mut stretched = data.clone();
    for joint in &index.joints {
        stretched.qpos_mut()[joint.qpos] = 0.0;
    }
    stretched.forward();
    let size = stretched.qvel().len();
    let mut inertia = vec![0.0; size * size];
    if stretched.full_m(&mut inertia).is_err() {
        // The buffer has the size that is asked for.
        inertia.fill(1.0);
    }
    let compensates = !matches!(robot.base(), BaseConfig::Floating);
    robot
        .joints()
        .iter()
        .zip(&index.joints)
        .zip(start)
        .map(|((joint, at), position)| {
            let tuning = DriveTuning {
                max_velocity: joint.limits.max_velocity,
                max_effort: joint.limits.max_effort,
                inertia: inertia[at.dof * size + at.dof],
                is_rotary: joint.kind.is_rotary(),
                compensates,
            };
            Drive::new(tuning, *position)
        })
        .collect()
}

/// Pose, linear velocity in `map`, and angular velocity in the body's own frame.
fn free_joint(
    qpos: &[f64],
    qvel: &[f64],
    joint: JointIndex,
) -> (Isometry3<f64>, Vector3<f64>, Vector3<f64>) {
    let p = &qpos[joint.qpos..joint.qpos + 7];
    let v = &qvel[joint.dof..joint.dof + 6];
    let rotation = UnitQuaternion::from_quaternion(Quaternion::new(p[3], p[4], p[5], p[6]));
    (
        Isometry3::from_parts(Translation3::new(p[0], p[1], p[2]), rotation),
        Vector3::new(v[0], v[1], v[2]),
        Vector3::new(v[3], v[4], v[5]),
    )
}

fn set_bias(data: &mut MjData<Box<MjModel>>, actuator: usize, bias: [f64; 3]) {
    // SAFETY: a value is changed in place; sizes, indices and addresses of the model stay.
    #[allow(unsafe_code)]
    let model = unsafe { data.model_mut() };
    model.actuator_biasprm_mut()[actuator][..3].copy_from_slice(&bias);
}

fn set_force_limit(data: &mut MjData<Box<MjModel>>, actuator: usize, force: f64) {
    // SAFETY: a value is changed in place; sizes, indices and addresses of the model stay.
    #[allow(unsafe_code)]
    let model = unsafe { data.model_mut() };
    model.actuator_forcerange_mut()[actuator] = [-force, force];
}
