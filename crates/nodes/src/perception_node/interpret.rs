//! From what a detector reports to objects in the robot's world.

use nalgebra::{Isometry3, Point3};
use sinew_model::WorldObject;
use sinew_msgs::builtin_interfaces;
use sinew_msgs::vision_msgs::{Detection3D, Detection3DArray, ObjectHypothesisWithPose};
use sinew_types::Time;

use super::classes::{ObjectClass, ObjectClasses};
use super::frames::{FrameError, Frames};
use super::identity::{Identities, Sight, Unidentified};
use super::tally::Tally;
use crate::convert::{ConvertError, pose_from_msg};
use crate::ros_clock::RosClock;

const MESSAGE: &str = "vision_msgs/Detection3D";

/// Why a detection is no object.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{MESSAGE}: `results`: none; wanted: one or more")]
    NoResult,
    #[error("{MESSAGE}: `results.hypothesis.score`: {score}; allowed: 0 to 1")]
    Score { score: f64 },
    #[error(
        "{MESSAGE}: `bbox.size`: {size_m:?}; wanted: finite and above 0, or `size_m` of `{class_id}` in the objects \
         file"
    )]
    Size { class_id: String, size_m: [f64; 3] },
    #[error("{MESSAGE}: `results.pose.covariance`: not finite")]
    Covariance,
    #[error(transparent)]
    Pose(#[from] ConvertError),
    #[error("{MESSAGE}: {0}")]
    Frame(#[from] FrameError),
    #[error("{MESSAGE}: {0}")]
    Identity(#[from] Unidentified),
}

/// A detection that counts, before it is known which object it is.
struct Detected<'a> {
    detection: &'a Detection3D,
    class_id: &'a str,
    class: &'a ObjectClass,
    world_from_object: Isometry3<f64>,
    size_m: [f64; 3],
    position_std_m: f64,
    stamp: Time,
    confidence: f64,
}

/// Makes objects of detections: what they are, where they are, and which of those seen before.
pub(super) struct Interpreter {
    classes: ObjectClasses,
    pub(super) frames: Frames,
    identities: Identities,
    clock: RosClock,
}

impl Interpreter {
    pub(super) fn new(
        classes: ObjectClasses,
        frames: Frames,
        associate_within_m: f64,
        clock: RosClock,
    ) -> Self {
        Self { classes, frames, identities: Identities::new(associate_within_m), clock }
    }

    /// How many objects are known.
    pub(super) fn known(&self) -> usize {
        self.identities.len()
    }

    /// When a message was measured, on the robot's clock.
    pub(super) fn stamp(&self, message: &Detection3DArray) -> Time {
        self.clock.robot_time(&message.header.stamp)
    }

    /// Whether the robot's state at the time of a detection is still to come.
    pub(super) fn is_early(&self, message: &Detection3DArray) -> bool {
        message.detections.iter().any(|detection| {
            let (_, stamp) = origin(detection, message);
            self.frames.is_to_come(self.clock.robot_time(stamp))
        })
    }

    /// The objects of a message; what is none is counted.
    pub(super) fn interpret(
        &mut self,
        message: &Detection3DArray,
        tally: &mut Tally,
    ) -> Vec<WorldObject> {
        let mut detected = Vec::new();
        for detection in &message.detections {
            let (frame, stamp) = origin(detection, message);
            let origin = (frame, self.clock.robot_time(stamp));
            match detect(detection, origin, &self.classes, &mut self.frames, tally) {
                Ok(Some(one)) => detected.push(one),
                Ok(None) => {}
                Err(refusal) => tally.refuse(&refusal),
            }
        }
        let sights: Vec<_> = detected
            .iter()
            .map(|one| Sight {
                class_id: one.class_id,
                tracker_id: &one.detection.id,
                name: one.class.name(one.class_id),
                center: Point3::from(one.world_from_object.translation.vector),
                is_fixed: one.class.fixed,
                stamp: one.stamp,
            })
            .collect();
        let now = self.frames.newest().unwrap_or_else(|| self.stamp(message));
        let mut objects = Vec::new();
        for (one, id) in detected.iter().zip(self.identities.identify(&sights, now)) {
            match id {
                Ok(id) => objects.push(one.object(id)),
                Err(unidentified) => tally.refuse(&unidentified.into()),
            }
        }
        tally.objects += objects.len() as u64;
        objects.sort_by(|a, b| a.id.cmp(&b.id));
        objects
    }
}

impl Detected<'_> {
    fn object(&self, id: String) -> WorldObject {
        WorldObject {
            id,
            class: self.class.class.clone(),
            attributes: self.class.attributes.clone(),
            size_m: self.size_m,
            map_from_object: self.world_from_object,
            position_std_m: self.position_std_m,
            stamp: self.stamp,
            confidence: self.confidence,
            held_by: None,
            fixed: self.class.fixed,
            container: self.class.container,
            support: self.class.support.clone(),
        }
    }
}

/// Frame and stamp of a detection: its own, or those of the list where it has none.
fn origin<'a>(
    detection: &'a Detection3D,
    message: &'a Detection3DArray,
) -> (&'a str, &'a builtin_interfaces::Time) {
    let (own, list) = (&detection.header, &message.header);
    let frame = if own.frame_id.is_empty() { &list.frame_id } else { &own.frame_id };
    let has_stamp = own.stamp.sec != 0 || own.stamp.nanosec != 0;
    (frame, if has_stamp { &own.stamp } else { &list.stamp })
}

/// A detection that counts; none of a class that is not listed, or of too low a score.
fn detect<'a>(
    detection: &'a Detection3D,
    (frame, stamp): (&str, Time),
    classes: &'a ObjectClasses,
    frames: &mut Frames,
    tally: &mut Tally,
) -> Result<Option<Detected<'a>>, Refusal> {
    let best = best(&detection.results)?;
    let (class_id, score) = (best.hypothesis.class_id.as_str(), best.hypothesis.score);
    let Some(class) = classes.classes.get(class_id) else {
        tally.ignore(class_id);
        return Ok(None);
    };
    if score < class.min_score {
        tally.below_min_score += 1;
        return Ok(None);
    }
    let size = &detection.bbox.size;
    let size_m = class.size_m.unwrap_or([size.x, size.y, size.z]);
    if !size_m.iter().all(|edge| edge.is_finite() && *edge > 0.0) {
        return Err(Refusal::Size { class_id: class_id.to_owned(), size_m });
    }
    // Not the pose of the hypothesis, which is that of any point of the object: an object's frame lies at its box's centre.
    let frame_from_object = pose_from_msg(MESSAGE, "bbox.center", &detection.bbox.center)?;
    let world_from_frame = frames.world_from(frame, stamp)?;
    Ok(Some(Detected {
        detection,
        class_id,
        class,
        world_from_object: world_from_frame * frame_from_object,
        size_m,
        position_std_m: position_std_m(&best.pose.covariance)?,
        stamp,
        confidence: score,
    }))
}

/// The hypothesis of the highest score; of equal ones the first.
fn best(results: &[ObjectHypothesisWithPose]) -> Result<&ObjectHypothesisWithPose, Refusal> {
    let mut best: Option<&ObjectHypothesisWithPose> = None;
    for result in results {
        let score = result.hypothesis.score;
        if !(0.0..=1.0).contains(&score) {
            return Err(Refusal::Score { score });
        }
        if best.is_none_or(|best| score > best.hypothesis.score) {
            best = Some(result);
        }
    }
    best.ok_or(Refusal::NoResult)
}

/// The largest standard deviation along an axis, m: which axis it is changes with the frame. Zeros, and the -1 that stands
/// for an unknown one, are 0.
fn position_std_m(covariance: &[f64; 36]) -> Result<f64, Refusal> {
    let variances = [covariance[0], covariance[7], covariance[14]];
    if !variances.iter().all(|variance| variance.is_finite()) {
        return Err(Refusal::Covariance);
    }
    Ok(variances.into_iter().fold(0.0, f64::max).sqrt())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use nalgebra::Vector3;
    use sinew_hardware::layout_of;
    use sinew_msgs::std_msgs::Header;
    use sinew_msgs::vision_msgs::ObjectHypothesis;
    use sinew_robot::RobotModel;
    use sinew_types::{BaseState, RobotState};

    use super::*;
    use crate::convert::{pose_to_msg, tick_to_msg, time_to_msg};

    const CLASSES: &str = "
classes:
  red_cube: {class: cube, attributes: {color: red}, size_m: [0.04, 0.04, 0.04], min_score: 0.6}
  7: {class: mug, attributes: {color: blue}, support: top}
";

    struct Rig {
        interpreter: Interpreter,
        tally: Tally,
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
            state.stamp = Time::from_nanos(2_000_000_000);
            state.base = Some(BaseState {
                map_from_base: Isometry3::translation(1.0, 0.0, 0.0),
                linear_velocity: Vector3::zeros(),
                angular_velocity: Vector3::zeros(),
                stamp: state.stamp,
                valid: true,
            });
            let tick = tick_to_msg(&state, &layout);
            let mut frames = Frames::new(&robot, layout);
            frames.observe(&tick).unwrap();
            let classes = ObjectClasses::from_yaml(CLASSES, Path::new("x.objects.yaml")).unwrap();
            let interpreter = Interpreter::new(classes, frames, 0.15, RosClock::Simulated);
            Self { interpreter, tally: Tally::default() }
        }

        fn see(&mut self, detections: Vec<Detection3D>) -> Vec<WorldObject> {
            let stamp = time_to_msg(Time::from_nanos(2_000_000_000));
            let header = Header { stamp, frame_id: "base_link".into() };
            self.interpreter.interpret(&Detection3DArray { header, detections }, &mut self.tally)
        }

        /// Why a detection was refused.
        fn refused(&mut self, detection: Detection3D) -> String {
            let before = self.tally.refused;
            assert!(self.see(vec![detection]).is_empty());
            assert_eq!(self.tally.refused, before + 1);
            self.tally.last_refusal.clone()
        }
    }

    fn detection(class_id: &str, score: f64, x: f64) -> Detection3D {
        let mut made = Detection3D::default();
        made.results.push(hypothesis(class_id, score));
        made.bbox.center = pose_to_msg(&Isometry3::translation(x, 0.0, 0.5));
        let edge = 0.1;
        (made.bbox.size.x, made.bbox.size.y, made.bbox.size.z) = (edge, edge, edge);
        made
    }

    fn hypothesis(class_id: &str, score: f64) -> ObjectHypothesisWithPose {
        let mut made = ObjectHypothesisWithPose {
            hypothesis: ObjectHypothesis { class_id: class_id.into(), score },
            ..ObjectHypothesisWithPose::default()
        };
        // Another reference point than the centre of the box, which does not count.
        made.pose.pose.position.z = 9.0;
        made.pose.covariance[0] = 0.0001;
        made.pose.covariance[14] = 0.0009;
        made
    }

    #[test]
    fn a_detection_becomes_the_object_that_its_class_says_where_its_box_is() {
        let mut rig = Rig::new();
        let objects = rig.see(vec![detection("red_cube", 0.9, 0.5), detection("7", 0.8, 0.7)]);
        let ids: Vec<_> = objects.iter().map(|object| object.id.as_str()).collect();
        assert_eq!(ids, ["blue_mug", "red_cube"]);
        let (mug, cube) = (&objects[0], &objects[1]);
        assert_eq!((cube.class.as_str(), cube.attributes["color"].as_str()), ("cube", "red"));
        assert_eq!((cube.size_m, mug.size_m), ([0.04; 3], [0.1; 3]));
        assert!((cube.center() - Point3::new(1.5, 0.0, 0.5)).norm() < 1e-12, "{:?}", cube.center());
        assert!((cube.position_std_m - 0.03).abs() < 1e-12);
        assert_eq!((cube.confidence, cube.stamp), (0.9, Time::from_nanos(2_000_000_000)));
        assert!(mug.is_support() && !cube.is_support());
    }

    #[test]
    fn the_hypothesis_of_the_highest_score_counts_and_what_is_not_listed_is_counted() {
        let mut rig = Rig::new();
        let mut unsure = detection("7", 0.5, 0.0);
        unsure.results.insert(0, hypothesis("red_cube", 0.7));
        assert_eq!(rig.see(vec![unsure])[0].id, "red_cube");
        let mut other = detection("red_cube", 0.7, 0.0);
        other.results.push(hypothesis("dog", 0.8));
        assert!(rig.see(vec![other, detection("red_cube", 0.59, 0.0)]).is_empty());
        assert_eq!((rig.tally.ignored, rig.tally.last_ignored.as_str()), (1, "dog"));
        assert_eq!((rig.tally.below_min_score, rig.tally.refused), (1, 0));
    }

    #[test]
    fn a_detections_own_header_comes_before_that_of_the_list() {
        let mut rig = Rig::new();
        let mut own = detection("red_cube", 0.9, 0.5);
        own.header =
            Header { stamp: time_to_msg(Time::from_nanos(2_000_000_000)), frame_id: "map".into() };
        assert!((rig.see(vec![own.clone()])[0].center().x - 0.5).abs() < 1e-12);
        own.header.stamp.sec = 1;
        assert!(rig.refused(own).contains("before what is remembered"));
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused_by_name() {
        let mut rig = Rig::new();
        let good = || detection("7", 0.9, 0.5);
        let with = |change: fn(&mut Detection3D)| {
            let mut made = good();
            change(&mut made);
            made
        };
        for (bad, expected) in [
            (with(|d| d.results.clear()), "`results`: none"),
            (with(|d| d.results[0].hypothesis.score = 87.0), "score`: 87; allowed: 0 to 1"),
            (with(|d| d.results[0].hypothesis.score = f64::NAN), "score`: NaN"),
            (with(|d| d.bbox.size.y = 0.0), "`bbox.size`: [0.1, 0.0, 0.1]"),
            (with(|d| d.bbox.center.orientation.w = 0.0), "`bbox.center`"),
            (with(|d| d.bbox.center.position.x = f64::INFINITY), "`bbox.center`"),
            (with(|d| d.results[0].pose.covariance[7] = f64::NAN), "covariance"),
            (with(|d| d.header.frame_id = "camera".into()), "frame `camera` is not known; known: "),
        ] {
            let told = rig.refused(bad);
            assert!(told.contains(expected), "{expected}: {told}");
        }
        assert_eq!(rig.see(vec![good()]).len(), 1);
        let twice = with(|d| d.id = "4".into());
        assert_eq!(rig.see(vec![twice.clone(), twice]).len(), 1);
        assert!(rig.tally.last_refusal.contains("id `4`: twice"), "{}", rig.tally.last_refusal);
    }
}
