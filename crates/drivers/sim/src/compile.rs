//! From a world, a scene and a robot to a model of the physics engine.

use mujoco_rs::prelude::*;
use mujoco_rs::wrappers::mj_editing::{MjsBody, MjsGeom, MjtBuiltin, MjtLimited};
use nalgebra::{Isometry3, Matrix3, Rotation3, UnitQuaternion, Vector3};
use sinew_robot::{BaseConfig, RobotModel};

use crate::SimError;
use crate::body_xml;
use crate::world::config::WorldCameraConfig;
use crate::world::{ObjectShape, Part, Scene, World, rgba};

/// Inertia of a drive's rotor as seen at a rotary joint, kg m², where the robot's file says none.
const ROTARY_ARMATURE_KG_M2: f64 = 0.02;
/// Inertia of a drive's rotor as seen at a prismatic joint, kg, where the robot's file says none.
const PRISMATIC_ARMATURE_KG: f64 = 0.2;
/// Arena of the engine: far more than the contacts of a tabletop need.
const ARENA_BYTES: i64 = 8 << 20;
/// Group of geoms that are not drawn.
const HIDDEN_GROUP: i32 = 3;
const VISIBLE_GROUP: i32 = 1;
/// Largest edge of a picture, pixels.
pub(crate) const MAX_PICTURE_PX: u32 = 1920;

/// Where a joint is in the engine's vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JointIndex {
    pub(crate) qpos: usize,
    pub(crate) dof: usize,
}

/// Where the inertial sensor is in the engine's vector of sensor values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImuIndex {
    pub(crate) quaternion: usize,
    pub(crate) gyroscope: usize,
    pub(crate) accelerometer: usize,
}

/// Where everything is in the engine's vectors.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// In the order of the robot's joints; the actuators have the same order.
    pub(crate) joints: Vec<JointIndex>,
    /// The free joint of a base that moves.
    pub(crate) base: Option<JointIndex>,
    /// The free joints of the objects, in the order of the world file.
    pub(crate) objects: Vec<JointIndex>,
    pub(crate) imu: Option<ImuIndex>,
}

pub(crate) struct Compiled {
    pub(crate) model: MjModel,
    pub(crate) index: Index,
    /// Start positions of the robot's joints.
    pub(crate) start: Vec<f64>,
}

/// Builds the model of a scene. Models of two scenes of one world differ in values only, not in sizes.
pub(crate) fn compile(world: &World, scene: &Scene) -> Result<Compiled, SimError> {
    let robot = world.robot();
    let mut spec = body_xml::parse(robot)?;
    set_options(&mut spec, world);
    add_materials(&mut spec);
    let base_joint = place_robot(&mut spec, world, scene)?;
    add_drives(&mut spec, robot);
    let has_imu = add_imu(&mut spec, robot)?;
    add_surroundings(&mut spec, world, scene)?;
    add_cameras(&mut spec, world)?;

    let refuse = |problem: String| SimError::Model { path: robot.body_path().to_owned(), problem };
    let model = spec.compile().map_err(|error| refuse(error.to_string()))?;
    let joint = |name: &str| {
        let id = model
            .name_to_id(MjtObjBase::mjOBJ_JOINT, name)
            .ok_or_else(|| refuse(format!("no joint `{name}`")))?;
        Ok::<_, SimError>(JointIndex {
            qpos: model.jnt_qposadr()[id] as usize,
            dof: model.jnt_dofadr()[id] as usize,
        })
    };
    let sensor = |name: &str| {
        let id = model.name_to_id(MjtObjBase::mjOBJ_SENSOR, name);
        id.map(|id| model.sensor_adr()[id] as usize)
            .ok_or_else(|| refuse(format!("no sensor `{name}`")))
    };
    let imu = if has_imu {
        Some(ImuIndex {
            quaternion: sensor("imu_quaternion")?,
            gyroscope: sensor("imu_gyroscope")?,
            accelerometer: sensor("imu_accelerometer")?,
        })
    } else {
        None
    };
    let index = Index {
        joints: robot.joints().iter().map(|j| joint(&j.name)).collect::<Result<_, _>>()?,
        base: base_joint.as_deref().map(joint).transpose()?,
        objects: scene
            .objects
            .iter()
            .map(|object| joint(&object_name(&object.id)))
            .collect::<Result<_, _>>()?,
        imu,
    };
    let start = start_positions(world);
    Ok(Compiled { model, index, start })
}

/// Positions in which the robot's joints start.
fn start_positions(world: &World) -> Vec<f64> {
    let robot = world.robot();
    let mut positions: Vec<f64> =
        robot.joints().iter().map(|joint| joint.limits.clamp(joint.zero)).collect();
    for group in robot.groups() {
        let chosen = world.config().robot.configurations.get(&group.name);
        if let Some(values) = chosen.and_then(|name| group.configurations.get(name)) {
            for (joint, value) in group.joints.iter().zip(values) {
                positions[*joint] = *value;
            }
        }
    }
    positions
}

fn object_name(id: &str) -> String {
    format!("object:{id}")
}

fn set_options(spec: &mut MjSpec, world: &World) {
    let physics = world.config().physics;
    spec.set_memory(ARENA_BYTES);
    let option = spec.option_mut();
    option.timestep = physics.timestep_s;
    option.gravity = [0.0, 0.0, -physics.gravity_m_s2];
    option.integrator = MjtIntegrator::mjINT_IMPLICITFAST as i32;
    option.cone = MjtCone::mjCONE_ELLIPTIC as i32;
    option.solver = MjtSolver::mjSOL_NEWTON as i32;
    option.impratio = physics.impratio;
    option.noslip_iterations = physics.noslip_iterations as i32;
    option.iterations = physics.solver_iterations as i32;

    let stat = spec.stat_mut();
    stat.extent = 3.0;
    stat.center = [0.6, -0.4, 0.3];
    let visual = spec.visual_mut();
    visual.map.znear = 0.005;
    visual.map.zfar = 20.0;
    visual.global.offwidth = MAX_PICTURE_PX as i32;
    visual.global.offheight = MAX_PICTURE_PX as i32;
    visual.headlight.ambient = [0.40, 0.40, 0.41];
    visual.headlight.diffuse = [0.30, 0.30, 0.30];
    visual.headlight.specular = [0.0, 0.0, 0.0];
    visual.rgba.haze = [0.86, 0.90, 0.94, 1.0];
    // The floor fades into the haze at this multiple of the extent.
    visual.map.haze = 0.3;
}

fn add_materials(spec: &mut MjSpec) {
    spec.add_texture()
        .with_name("sinew_sky")
        .with_type(MjtTexture::mjTEXTURE_SKYBOX)
        .with_builtin(MjtBuiltin::mjBUILTIN_GRADIENT)
        .with_rgb1([0.86, 0.90, 0.94])
        .with_rgb2([0.52, 0.64, 0.78])
        .with_width(64)
        .with_height(64);
    spec.add_texture()
        .with_name("sinew_floor")
        .with_type(MjtTexture::mjTEXTURE_2D)
        .with_builtin(MjtBuiltin::mjBUILTIN_CHECKER)
        .with_rgb1([0.83, 0.82, 0.80])
        .with_rgb2([0.76, 0.75, 0.73])
        .with_width(128)
        .with_height(128);
    let floor = spec.add_material().with_name("sinew_floor");
    floor.set_texture(MjtTextureRoleBase::mjTEXROLE_RGB, "sinew_floor");
    floor.set_texuniform(true);
    *floor.texrepeat_mut() = [2.0, 2.0];
    floor.set_reflectance(0.0);
    floor.set_specular(0.1);
    let plain = spec.add_material().with_name("sinew_plain");
    plain.set_specular(0.25);
    plain.set_shininess(0.4);
    plain.set_reflectance(0.0);
}

/// Puts the robot where it starts; gives the name of the free joint of a base that moves.
fn place_robot(
    spec: &mut MjSpec,
    world: &World,
    scene: &Scene,
) -> Result<Option<String>, SimError> {
    let robot = world.robot();
    let refuse = |problem: String| SimError::Model { path: robot.body_path().to_owned(), problem };
    let root_name = &robot.links()[0].name;
    let root = spec
        .world_body_mut()
        .child_mut(root_name)
        .ok_or_else(|| refuse(format!("no body `{root_name}`")))?;
    dress(root, robot);

    let start = scene.robot_start;
    let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), start.yaw_rad);
    // A legged robot's file says how high its base stands.
    let [x, y, z] = *root.pos();
    let moved = turn * Vector3::new(x, y, 0.0);
    *root.pos_mut() = [start.x_m + moved.x, start.y_m + moved.y, z];
    let [w, i, j, k] = *root.quat();
    let own = UnitQuaternion::from_quaternion(nalgebra::Quaternion::new(w, i, j, k));
    *root.quat_mut() = wxyz(&(turn * own));

    let own_joint = root
        .joint_iter(false)
        .find(|joint| joint.type_() == MjtJoint::mjJNT_FREE)
        .map(|joint| joint.name().to_owned());
    match (robot.base(), own_joint) {
        (BaseConfig::Fixed, None) => Ok(None),
        (BaseConfig::Fixed, Some(joint)) => Err(refuse(format!(
            "the base is fixed in {}, but `{root_name}` has the free joint `{joint}`",
            robot.path().display()
        ))),
        (_, Some(joint)) if !joint.is_empty() => Ok(Some(joint)),
        (_, Some(_)) => Err(refuse(format!("the free joint of `{root_name}` needs a name"))),
        (_, None) => {
            add_free_joint(root, "sinew_base").map_err(refuse)?;
            Ok(Some("sinew_base".to_owned()))
        }
    }
}

/// Contact and display settings of a link and those below it.
fn dress(body: &mut MjsBody, robot: &RobotModel) {
    let name = body.name().to_owned();
    let slides = robot.config().frictionless_links.contains(&name);
    let is_wheel = match robot.base() {
        BaseConfig::PlanarDiffDrive(drive) => robot.joints().iter().any(|joint| {
            robot.links()[joint.link].name == name
                && (joint.name == drive.left_wheel_joint || joint.name == drive.right_wheel_joint)
        }),
        _ => false,
    };
    let is_visual = |geom: &MjsGeom| geom.contype() == 0 && geom.conaffinity() == 0;
    let has_visual = body.geom_iter(false).any(&is_visual);
    for geom in body.geom_iter_mut(false) {
        if is_visual(geom) {
            geom.set_group(VISIBLE_GROUP);
            geom.set_material("sinew_plain");
            continue;
        }
        geom.set_group(if has_visual { HIDDEN_GROUP } else { VISIBLE_GROUP });
        if slides {
            geom.set_condim(1);
            geom.set_priority(2);
        }
        if is_wheel && geom.type_() == MjtGeomBase::mjGEOM_CYLINDER {
            // The tread touches the floor in its middle only, so that wheels do not scrub when the robot turns.
            let [radius, half_width, _] = *geom.size();
            geom.set_type(MjtGeomBase::mjGEOM_ELLIPSOID);
            *geom.size_mut() = [radius, radius, half_width];
        }
    }
    for joint in body.joint_iter_mut(false) {
        if joint.armature() == 0.0 {
            match joint.type_() {
                MjtJoint::mjJNT_HINGE => joint.set_armature(ROTARY_ARMATURE_KG_M2),
                MjtJoint::mjJNT_SLIDE => joint.set_armature(PRISMATIC_ARMATURE_KG),
                _ => {}
            }
        }
    }
    for child in body.body_iter_mut() {
        dress(child, robot);
    }
}

/// One actuator per joint, of gain 1 and affine bias: [`crate::drive`] says what it does.
fn add_drives(spec: &mut MjSpec, robot: &RobotModel) {
    for joint in robot.joints() {
        let actuator = spec.add_actuator().with_name(&format!("drive:{}", joint.name));
        actuator.set_trntype(MjtTrn::mjTRN_JOINT);
        actuator.set_target(&joint.name);
        actuator.set_gaintype(MjtGain::mjGAIN_FIXED);
        actuator.gainprm_mut()[0] = 1.0;
        actuator.set_biastype(MjtBias::mjBIAS_AFFINE);
        *actuator.biasprm_mut() = Default::default();
        let limit = joint.limits.max_effort;
        if limit.is_finite() {
            actuator.set_forcelimited(MjtLimited::mjLIMITED_TRUE);
            *actuator.forcerange_mut() = [-limit, limit];
        }
    }
    // Coupled fingers are geared to each other: far stiffer than the engine's default.
    for equality in spec.equality_iter_mut() {
        *equality.solref_mut() = [0.002, 1.0];
        equality.solimp_mut()[..3].copy_from_slice(&[0.99, 0.999, 0.0005]);
    }
}

fn add_imu(spec: &mut MjSpec, robot: &RobotModel) -> Result<bool, SimError> {
    let Some(imu) = &robot.sensors().imu else { return Ok(false) };
    let world = spec.world_body_mut();
    let has_site = world.site_iter(true).any(|site| site.name() == imu.frame);
    let site = if has_site {
        imu.frame.clone()
    } else {
        let body = world.child_mut(&imu.frame).ok_or_else(|| SimError::Model {
            path: robot.path().to_owned(),
            problem: format!("sensors.imu.frame: no link or site `{}`", imu.frame),
        })?;
        body.add_site().with_name("sinew_imu").set_group(HIDDEN_GROUP);
        "sinew_imu".to_owned()
    };
    for (name, kind) in [
        ("imu_quaternion", MjtSensor::mjSENS_FRAMEQUAT),
        ("imu_gyroscope", MjtSensor::mjSENS_GYRO),
        ("imu_accelerometer", MjtSensor::mjSENS_ACCELEROMETER),
    ] {
        let sensor = spec.add_sensor().with_name(name);
        sensor.set_type(kind);
        sensor.set_objtype(MjtObjBase::mjOBJ_SITE);
        sensor.set_objname(&site);
    }
    Ok(true)
}

fn add_surroundings(spec: &mut MjSpec, world: &World, scene: &Scene) -> Result<(), SimError> {
    let map = spec.world_body_mut();
    // An MJCF may bring a floor of its own.
    if !map.geom_iter(false).any(|geom| geom.type_() == MjtGeomBase::mjGEOM_PLANE) {
        let floor = map.add_geom().with_name("floor").with_type(MjtGeomBase::mjGEOM_PLANE);
        *floor.size_mut() = [0.0, 0.0, 0.05];
        floor.set_material("sinew_floor");
        floor.friction_mut()[0] = 0.9;
    }
    let light = map.add_light().with_name("sinew_sun");
    light.set_type(MjtLightType::mjLIGHT_DIRECTIONAL);
    *light.pos_mut() = [-1.0, -2.0, 4.0];
    *light.dir_mut() = [0.35, 0.45, -1.0];
    *light.diffuse_mut() = [0.48, 0.47, 0.45];
    *light.specular_mut() = [0.25, 0.25, 0.25];
    light.set_castshadow(true);

    for (fixture, placed) in world.config().fixtures.iter().zip(&scene.fixtures) {
        let body = map.add_body().with_name(&format!("fixture:{}", fixture.id));
        set_pose(body, &placed.map_from_fixture);
        let color = color_of(&fixture.color, fixture.rgba);
        for part in fixture.shape.parts() {
            add_part(body, &part, color);
        }
    }
    for (object, placed) in world.config().objects.iter().zip(&scene.objects) {
        let body = map.add_body().with_name(&object_name(&object.id));
        set_pose(body, &placed.map_from_object);
        add_free_joint(body, &object_name(&object.id))
            .map_err(|problem| SimError::Model { path: world.path().to_owned(), problem })?;
        let geom = body.add_geom();
        let half = object.shape.size_m().map(|edge| edge / 2.0);
        let (kind, size) = match object.shape {
            ObjectShape::Box { .. } => (MjtGeomBase::mjGEOM_BOX, half),
            ObjectShape::Cylinder { .. } => (MjtGeomBase::mjGEOM_CYLINDER, [half[0], half[2], 0.0]),
            ObjectShape::Sphere { .. } => (MjtGeomBase::mjGEOM_SPHERE, [half[0], 0.0, 0.0]),
        };
        geom.set_type(kind);
        *geom.size_mut() = size;
        geom.set_mass(placed.mass_kg);
        geom.set_group(VISIBLE_GROUP);
        geom.set_material("sinew_plain");
        *geom.rgba_mut() = color_of(&object.color, object.rgba);
        // The object's surface decides about its contacts, whatever it touches.
        geom.set_priority(1);
        geom.set_condim(4);
        *geom.friction_mut() = [placed.friction, 0.005, 0.0001];
        // The stiffest that a step of 1 ms allows. The engine's friction leaves out the centripetal acceleration of what is
        // held, so that it creeps outwards at (turning rate)² x (distance from the axis) x (half of this time constant).
        let time_constant_s = (2.0 * world.config().physics.timestep_s).max(0.001);
        *geom.solref_mut() = [time_constant_s, 1.0];
        geom.solimp_mut()[..3].copy_from_slice(&[0.95, 0.99, 0.001]);
    }
    Ok(())
}

fn add_free_joint(body: &mut MjsBody, name: &str) -> Result<(), String> {
    body.add_free_joint().set_name(name).map_err(|error| error.to_string())
}

fn add_part(body: &mut MjsBody, part: &Part, color: [f32; 4]) {
    let geom = body.add_geom().with_type(MjtGeomBase::mjGEOM_BOX);
    *geom.pos_mut() = part.centre_m;
    *geom.size_mut() = part.size_m.map(|edge| edge / 2.0);
    geom.set_group(VISIBLE_GROUP);
    geom.set_material("sinew_plain");
    let shade = if part.is_support { 0.8 } else { 1.0 };
    *geom.rgba_mut() = [color[0] * shade, color[1] * shade, color[2] * shade, color[3]];
}

fn add_cameras(spec: &mut MjSpec, world: &World) -> Result<(), SimError> {
    for camera in &world.config().cameras {
        let made = spec.world_body_mut().add_camera().with_name(&camera.name);
        *made.pos_mut() = camera.position_m;
        *made.quat_mut() = wxyz(&map_from_camera(camera));
        made.set_fovy(camera.fov_y_rad.to_degrees());
    }
    let robot = world.robot();
    for camera in &robot.sensors().cameras {
        let frame = &camera.optical_frame;
        let body = spec.world_body_mut().child_mut(frame).ok_or_else(|| SimError::Model {
            path: robot.path().to_owned(),
            problem: format!("sensors.cameras.{}.optical_frame: no link `{frame}`", camera.name),
        })?;
        let made = body.add_camera().with_name(&camera.name);
        // The engine's cameras look along -z with y up, optical frames along z with y down.
        *made.quat_mut() = [0.0, 1.0, 0.0, 0.0];
        made.set_fovy(camera.fov_y_rad.to_degrees());
    }
    Ok(())
}

/// Rotation of a camera that looks along its -z axis with y up.
fn map_from_camera(camera: &WorldCameraConfig) -> UnitQuaternion<f64> {
    let ahead = (Vector3::from(camera.look_at_m) - Vector3::from(camera.position_m)).normalize();
    let right = ahead.cross(&Vector3::z()).normalize();
    let up = right.cross(&ahead);
    let axes = Matrix3::from_columns(&[right, up, -ahead]);
    UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes))
}

fn color_of(name: &str, given: Option<[f32; 4]>) -> [f32; 4] {
    given.or_else(|| rgba(name)).unwrap_or([0.5, 0.5, 0.5, 1.0])
}

fn set_pose(body: &mut MjsBody, pose: &Isometry3<f64>) {
    *body.pos_mut() = pose.translation.vector.into();
    *body.quat_mut() = wxyz(&pose.rotation);
}

fn wxyz(rotation: &UnitQuaternion<f64>) -> [f64; 4] {
    [rotation.w, rotation.i, rotation.j, rotation.k]
}
