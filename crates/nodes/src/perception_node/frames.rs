//! Where frames were in the world at the moment of a stamp.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use nalgebra::{Isometry3, Translation3};
use sinew_msgs::geometry_msgs::{Point, Pose};
use sinew_msgs::sinew_msgs::RobotTick;
use sinew_msgs::tf2_msgs::TFMessage;
use sinew_robot::{BaseConfig, Kinematics, RobotModel};
use sinew_types::{Layout, RobotState, Time};

use crate::convert::{ConvertError, pose_from_msg, tick_from_msg};

/// How far back the robot's motion is remembered.
pub(super) const HISTORY: Duration = Duration::from_secs(10);
/// How far ahead of the robot's newest state a stamp may be; that moment is then waited for.
pub(super) const AHEAD: Duration = Duration::from_millis(200);
/// Fixed frames that are remembered at most.
const MAX_FIXED: usize = 1000;
/// Between states that are further apart the robot's motion is not guessed.
const LONGEST_GAP: Duration = Duration::from_millis(500);

/// Why it is not known where a frame was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("frame `{frame}` is not known; known: {known}")]
    Unknown { frame: String, known: String },
    #[error("no state of the robot has been heard yet")]
    NoState,
    #[error(
        "stamp {stamp}, {by_s:.3} s before what is remembered of the robot's motion; allowed: the last {} s \
         (does use_sim_time fit the robot?)",
        HISTORY.as_secs()
    )]
    TooOld { stamp: Time, by_s: f64 },
    #[error(
        "stamp {stamp}, {by_s:.3} s ahead of the robot's newest state; allowed: {} s (does use_sim_time fit the \
         robot?)",
        AHEAD.as_secs_f64()
    )]
    TooNew { stamp: Time, by_s: f64 },
    #[error("stamp {stamp}: the robot's joints or base were not measured then")]
    NotMeasured { stamp: Time },
}

/// The robot at one moment.
struct Moment {
    stamp: Time,
    positions: Vec<f64>,
    world_from_base: Isometry3<f64>,
}

/// The frames of the world, of the robot's links, and those that `tf_static` hangs below them.
pub(super) struct Frames {
    kinematics: Kinematics,
    links: BTreeMap<String, usize>,
    layout: Layout,
    /// Whether the base is bolted down: then it is the world's origin where nothing else is measured.
    is_bolted: bool,
    /// In which the base's pose is measured, and the base's own; empty until they are known.
    world: String,
    base: String,
    state: RobotState,
    /// Oldest first.
    moments: VecDeque<Moment>,
    /// By child: its parent, and its pose in there.
    fixed: BTreeMap<String, (String, Isometry3<f64>)>,
}

impl Frames {
    pub(super) fn new(robot: &RobotModel, layout: Layout) -> Self {
        let links = robot.links().iter().enumerate();
        Self {
            kinematics: Kinematics::new(robot),
            links: links.map(|(index, link)| (link.name.clone(), index)).collect(),
            is_bolted: *robot.base() == BaseConfig::Fixed,
            world: String::new(),
            base: String::new(),
            state: RobotState::invalid(&layout),
            layout,
            moments: VecDeque::new(),
            fixed: BTreeMap::new(),
        }
    }

    /// Takes a state of the robot.
    ///
    /// # Errors
    /// One of another robot.
    pub(super) fn observe(&mut self, tick: &RobotTick) -> Result<(), ConvertError> {
        tick_from_msg(tick, &self.layout, &mut self.state)?;
        self.world.clone_from(&tick.base_frame_id);
        self.base.clone_from(&tick.base_child_frame_id);
        let base = self.state.base.filter(|base| base.valid).map(|base| base.map_from_base);
        let base = base.or(self.is_bolted.then(Isometry3::identity));
        let are_joints_valid = self.state.joints.iter().all(|joint| joint.valid);
        let (Some(world_from_base), true) = (base, are_joints_valid) else { return Ok(()) };
        let stamp = self.state.stamp;
        match self.moments.back().map(|last| stamp.cmp(&last.stamp)) {
            Some(Ordering::Equal) => return Ok(()),
            // A hardware process that was started anew, whose time begins anew.
            Some(Ordering::Less) => self.moments.clear(),
            Some(Ordering::Greater) | None => {}
        }
        let positions = self.state.joints.iter().map(|joint| joint.position).collect();
        self.moments.push_back(Moment { stamp, positions, world_from_base });
        while self.moments.front().is_some_and(|first| stamp.since(first.stamp) > HISTORY) {
            self.moments.pop_front();
        }
        Ok(())
    }

    /// Takes fixed frames; links of the robot stay where its own kinematics says.
    ///
    /// # Errors
    /// The first that is none; the others are taken.
    pub(super) fn observe_fixed(&mut self, message: &TFMessage) -> Result<(), ConvertError> {
        let mut result = Ok(());
        for transform in &message.transforms {
            let p = &transform.transform.translation;
            let pose = Pose {
                position: Point { x: p.x, y: p.y, z: p.z },
                orientation: transform.transform.rotation,
            };
            match pose_from_msg("geometry_msgs/TransformStamped", "transform", &pose) {
                Ok(pose) => {
                    let child = &transform.child_frame_id;
                    if self.fixed.len() >= MAX_FIXED && !self.fixed.contains_key(child) {
                        result = result.and(Err(ConvertError {
                            message: "geometry_msgs/TransformStamped",
                            field: "child_frame_id",
                            reason: format!(
                                "`{child}`: {MAX_FIXED} frames are known; allowed: no more"
                            ),
                        }));
                        continue;
                    }
                    let parent = transform.header.frame_id.clone();
                    self.fixed.insert(transform.child_frame_id.clone(), (parent, pose));
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// The time of the newest state.
    pub(super) fn newest(&self) -> Option<Time> {
        self.moments.back().map(|moment| moment.stamp)
    }

    /// Whether the robot's state at this time is still to come, so that it can be waited for.
    pub(super) fn is_to_come(&self, stamp: Time) -> bool {
        self.newest().is_some_and(|newest| stamp > newest && stamp <= newest + AHEAD)
    }

    /// The pose of a frame in the world at the time of `stamp`.
    ///
    /// # Errors
    /// A frame that is not known, a time that is not remembered or that has not come yet.
    pub(super) fn world_from(
        &mut self,
        frame: &str,
        stamp: Time,
    ) -> Result<Isometry3<f64>, FrameError> {
        let (positions, world_from_base) = self.at(stamp)?;
        let (root, root_from_frame) = self.root_of(frame)?;
        Ok(match root {
            Root::World => root_from_frame,
            Root::Base => world_from_base * root_from_frame,
            Root::Link(link) => {
                self.kinematics.update(&positions).expect("as many as the layout has joints");
                world_from_base * self.kinematics.base_from_link()[link] * root_from_frame
            }
        })
    }

    /// Joint positions and base as they were, between two states in proportion.
    fn at(&self, stamp: Time) -> Result<(Vec<f64>, Isometry3<f64>), FrameError> {
        let (Some(first), Some(last)) = (self.moments.front(), self.moments.back()) else {
            return Err(FrameError::NoState);
        };
        if stamp < first.stamp {
            let by_s = first.stamp.since(stamp).as_secs_f64();
            return Err(FrameError::TooOld { stamp, by_s });
        }
        if stamp > last.stamp {
            let by_s = stamp.since(last.stamp).as_secs_f64();
            return Err(FrameError::TooNew { stamp, by_s });
        }
        let next = self.moments.partition_point(|moment| moment.stamp < stamp);
        let after = &self.moments[next];
        if after.stamp == stamp {
            return Ok((after.positions.clone(), after.world_from_base));
        }
        let before = &self.moments[next - 1];
        let gap = after.stamp.since(before.stamp);
        if gap > LONGEST_GAP {
            return Err(FrameError::NotMeasured { stamp });
        }
        let share = stamp.since(before.stamp).as_secs_f64() / gap.as_secs_f64();
        let positions = before.positions.iter().zip(&after.positions);
        let positions = positions.map(|(a, b)| a + (b - a) * share).collect();
        let (a, b) = (&before.world_from_base, &after.world_from_base);
        let translation = a.translation.vector.lerp(&b.translation.vector, share);
        // Half a turn between two states has no way that is shorter than the other.
        let rotation = a.rotation.try_slerp(&b.rotation, share, 1e-9).unwrap_or(a.rotation);
        Ok((positions, Isometry3::from_parts(Translation3::from(translation), rotation)))
    }

    /// What a frame hangs on without moving against it, and its pose there.
    fn root_of(&self, frame: &str) -> Result<(Root, Isometry3<f64>), FrameError> {
        let (mut at, mut at_from_frame) = (frame, Isometry3::identity());
        // More steps than frames would be a circle.
        for _ in 0..=self.fixed.len() {
            if at == self.world {
                return Ok((Root::World, at_from_frame));
            }
            if let Some(link) = self.links.get(at) {
                return Ok((Root::Link(*link), at_from_frame));
            }
            if at == self.base {
                return Ok((Root::Base, at_from_frame));
            }
            let Some((parent, parent_from_at)) = self.fixed.get(at) else { break };
            (at, at_from_frame) = (parent, parent_from_at * at_from_frame);
        }
        let own = [&self.world, &self.base].into_iter().filter(|name| !name.is_empty());
        let mut known: Vec<_> = own.chain(self.links.keys()).chain(self.fixed.keys()).collect();
        known.sort();
        known.dedup();
        let known: Vec<_> = known.into_iter().map(String::as_str).collect();
        Err(FrameError::Unknown { frame: frame.to_owned(), known: known.join(", ") })
    }
}

/// What frames hang on.
enum Root {
    World,
    Base,
    Link(usize),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::f64::consts::FRAC_PI_2;

    use nalgebra::{UnitQuaternion, Vector3};
    use sinew_hardware::layout_of;
    use sinew_msgs::geometry_msgs::{Transform, TransformStamped, Vector3 as VectorMsg};
    use sinew_msgs::std_msgs::Header;
    use sinew_types::BaseState;

    use super::*;
    use crate::convert::{pose_to_msg, tick_to_msg};

    const CAMERA: &str = "head_camera_optical_frame";

    struct Rig {
        frames: Frames,
        state: RobotState,
        pan: usize,
    }

    fn at_ms(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    impl Rig {
        fn new() -> Self {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/mobi.robot.yaml");
            let robot = RobotModel::load(file).unwrap();
            let layout = layout_of(&robot).unwrap();
            let mut state = RobotState::invalid(&layout);
            for joint in &mut state.joints {
                joint.valid = true;
            }
            let pan = robot.joint_index("head_pan_joint").unwrap();
            Self { frames: Frames::new(&robot, layout), state, pan }
        }

        /// The robot at a place, turned, with its head turned.
        fn tick(&mut self, ms: u64, x: f64, yaw: f64, pan: f64) {
            self.state.stamp = at_ms(ms);
            self.state.joints[self.pan].position = pan;
            self.state.base = Some(BaseState {
                map_from_base: Isometry3::new(Vector3::new(x, 0.0, 0.0), Vector3::z() * yaw),
                linear_velocity: Vector3::zeros(),
                angular_velocity: Vector3::zeros(),
                stamp: self.state.stamp,
                valid: true,
            });
            self.frames.observe(&tick_to_msg(&self.state, &self.frames.layout)).unwrap();
        }

        fn hang(&mut self, child: &str, parent: &str, pose: &Isometry3<f64>) {
            let pose = pose_to_msg(pose);
            let (p, rotation) = (pose.position, pose.orientation);
            let transform = TransformStamped {
                header: Header { frame_id: parent.into(), ..Header::default() },
                child_frame_id: child.into(),
                transform: Transform {
                    translation: VectorMsg { x: p.x, y: p.y, z: p.z },
                    rotation,
                },
            };
            self.frames.observe_fixed(&TFMessage { transforms: vec![transform] }).unwrap();
        }
    }

    #[track_caller]
    fn same(a: &Isometry3<f64>, b: &Isometry3<f64>) {
        let (moved, turned) =
            ((a.inverse() * b).translation.vector.norm(), a.rotation.angle_to(&b.rotation));
        assert!(moved < 1e-9 && turned < 1e-9, "{a} {b}");
    }

    #[test]
    fn a_camera_is_where_base_and_head_had_it_at_the_stamp() {
        let mut rig = Rig::new();
        rig.tick(1000, 0.0, 0.0, 0.0);
        rig.tick(1100, 1.0, 0.0, FRAC_PI_2);
        let before = rig.frames.world_from(CAMERA, at_ms(1000)).unwrap();
        let after = rig.frames.world_from(CAMERA, at_ms(1100)).unwrap();
        let between = rig.frames.world_from(CAMERA, at_ms(1025)).unwrap();
        // The optical axis is z: ahead at first, to the left in the end, a quarter of the way between.
        let axis = |pose: &Isometry3<f64>| pose.rotation * Vector3::z();
        let yaw = |v: Vector3<f64>| v.y.atan2(v.x);
        // The URDF's angles have five digits.
        assert!(yaw(axis(&before)).abs() < 1e-5, "{before}");
        assert!((yaw(axis(&after)) - FRAC_PI_2).abs() < 1e-5, "{after}");
        assert!((yaw(axis(&between)) - FRAC_PI_2 / 4.0).abs() < 1e-5, "{between}");
        let base = rig.frames.world_from("base_link", at_ms(1025)).unwrap();
        same(&base, &Isometry3::translation(0.25, 0.0, 0.0));
        same(&rig.frames.world_from("map", at_ms(1025)).unwrap(), &Isometry3::identity());
    }

    #[test]
    fn fixed_frames_hang_below_links_and_the_world_through_others() {
        let mut rig = Rig::new();
        rig.tick(0, 2.0, FRAC_PI_2, 0.3);
        let mount = Isometry3::new(Vector3::new(0.1, 0.2, 0.3), Vector3::new(0.4, 0.5, 0.6));
        rig.hang("mount", "hand_link", &mount);
        rig.hang("depth", "mount", &mount);
        rig.hang("room", "map", &mount);
        let hand = rig.frames.world_from("hand_link", Time::ZERO).unwrap();
        same(&rig.frames.world_from("depth", Time::ZERO).unwrap(), &(hand * mount * mount));
        same(&rig.frames.world_from("room", Time::ZERO).unwrap(), &mount);
        // A link is where the joints say, whatever else is said of it.
        rig.hang("hand_link", "map", &Isometry3::identity());
        same(&rig.frames.world_from("hand_link", Time::ZERO).unwrap(), &hand);
    }

    #[test]
    fn an_unknown_frame_and_a_circle_are_named_with_what_is_known() {
        let mut rig = Rig::new();
        rig.tick(0, 0.0, 0.0, 0.0);
        rig.hang("a", "b", &Isometry3::identity());
        rig.hang("b", "a", &Isometry3::identity());
        for frame in ["camera", "a", ""] {
            let error = rig.frames.world_from(frame, Time::ZERO).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("frame `{frame}` is not known; known: a, ")),
                "{error}"
            );
            assert!(error.contains(CAMERA) && error.contains(", map, "), "{error}");
        }
    }

    #[test]
    fn times_that_are_not_remembered_or_not_measured_are_refused() {
        let mut rig = Rig::new();
        assert_eq!(rig.frames.world_from("map", Time::ZERO), Err(FrameError::NoState));
        for ms in (1000..=12_000).step_by(20) {
            rig.tick(ms, 0.0, 0.0, 0.0);
        }
        rig.frames.world_from("map", at_ms(2000)).unwrap();
        let error = rig.frames.world_from("map", at_ms(1900)).unwrap_err().to_string();
        assert!(error.contains("0.100 s before") && error.contains("the last 10 s"), "{error}");
        let error = rig.frames.world_from("map", at_ms(12_500)).unwrap_err().to_string();
        assert!(error.contains("0.500 s ahead") && error.contains("allowed: 0.2 s"), "{error}");
        assert!(rig.frames.is_to_come(at_ms(12_200)) && !rig.frames.is_to_come(at_ms(12_201)));
        assert!(!rig.frames.is_to_come(at_ms(12_000)));
        rig.tick(13_000, 0.0, 0.0, 0.0);
        let unknown = FrameError::NotMeasured { stamp: at_ms(12_500) };
        assert_eq!(rig.frames.world_from("map", at_ms(12_500)), Err(unknown));
        // Time that begins anew.
        rig.tick(20, 0.0, 0.0, 0.0);
        assert_eq!(rig.frames.newest(), Some(at_ms(20)));
        assert!(rig.frames.world_from("map", at_ms(12_000)).is_err());
    }

    #[test]
    fn a_transform_that_is_none_is_refused_and_the_others_are_taken() {
        let mut rig = Rig::new();
        rig.tick(0, 0.0, 0.0, 0.0);
        let of = |child: &str, w: f64| TransformStamped {
            header: Header { frame_id: "map".into(), ..Header::default() },
            child_frame_id: child.into(),
            transform: Transform {
                rotation: pose_to_msg(&Isometry3::from_parts(
                    Translation3::identity(),
                    UnitQuaternion::new_unchecked(nalgebra::Quaternion::new(w, 0.0, 0.0, 0.0)),
                ))
                .orientation,
                ..Transform::default()
            },
        };
        let message = TFMessage { transforms: vec![of("bad", 0.0), of("good", 1.0)] };
        assert!(rig.frames.observe_fixed(&message).is_err());
        assert!(rig.frames.world_from("bad", Time::ZERO).is_err());
        same(&rig.frames.world_from("good", Time::ZERO).unwrap(), &Isometry3::identity());
    }
}
