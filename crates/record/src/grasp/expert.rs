use nalgebra::{UnitQuaternion, Vector3};
use sinew_policy::ToolError;

/// What the tool is to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraspTask {
    /// Open, go down to it, close, lift it.
    Pick,
    /// Bring it to a place, open, rise.
    Place,
}

/// All that the expert goes by, and what the state-based policies see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GraspView {
    /// Of the tool from the pose of the grasp or the release, which stays where it is.
    pub error: ToolError,
    /// m over that pose, at which it is approached.
    pub approach_height_m: f64,
    /// Of the object between the fingers, m.
    pub object_width_m: f64,
    /// Between the pads, m.
    pub gripper_width_m: f64,
    /// N.
    pub gripper_force_n: f64,
}

/// One tick of an expert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GraspAction {
    /// m/s, in the tool's frame.
    pub linear: Vector3<f64>,
    /// rad/s, in the tool's frame.
    pub angular: Vector3<f64>,
    /// m.
    pub gripper_width_m: f64,
}

/// Picks and places by rules on the measured state alone, so that a network can learn it and it can answer for
/// any state that a policy gets into.
#[derive(Clone, Copy, Debug)]
pub struct GraspExpert {
    task: GraspTask,
    max_width_m: f64,
}

/// Room between the open fingers and the object, both sides together, m.
const FINGER_ROOM_M: f64 = 0.035;
/// An open gripper leaves at least so much of that, m.
const OPEN_ROOM_M: f64 = 0.025;
/// The object is lifted by this, m.
const LIFT_M: f64 = 0.12;
/// After it let go, the tool rises by this, m.
const RISE_M: f64 = 0.12;
/// A firm grip, N.
const FIRM_N: f64 = 4.0;
/// What is between the fingers is as wide as the object within this, m.
const WIDTH_TOLERANCE_M: f64 = 0.012;
/// The tool is at the pose within this, m and rad.
const AT: [f64; 2] = [0.005, 0.05];
/// A tool that has begun to close or open there stays within this, m.
const STAYS_M: f64 = 0.02;
/// Far from the pose, m/s and rad/s.
const FASTEST: [f64; 2] = [0.25, 1.2];
/// How fast a small error shrinks, 1/s.
const GAIN_1_S: f64 = 4.0;
/// The tool goes down inside a funnel this wide above its narrow end, m and rad.
const FUNNEL: [f64; 2] = [0.02, 0.2];
/// The narrow end of it, m and rad.
const FUNNEL_END: [f64; 2] = [0.004, 0.04];
/// Of the fingers, as a plan reckons, m/s.
const GRIPPER_M_S: f64 = 0.12;

impl GraspExpert {
    /// An expert for a gripper that opens so wide.
    pub fn new(task: GraspTask, max_width_m: f64) -> Self {
        Self { task, max_width_m }
    }

    /// What it does in this state.
    pub fn act(&self, view: &GraspView) -> GraspAction {
        let open_m = (view.object_width_m + FINGER_ROOM_M).min(self.max_width_m);
        let is_open =
            view.gripper_width_m >= (view.object_width_m + OPEN_ROOM_M).min(open_m - 0.004);
        let fits = (view.gripper_width_m - view.object_width_m).abs() < WIDTH_TOLERANCE_M;
        let holds = fits && view.gripper_force_n >= FIRM_N;
        let near = self.is_near(view, is_open);
        let up = |height: f64| -height * Vector3::x();
        let error = Vector3::from(view.error.position);
        let (way, width_m) = match self.task {
            GraspTask::Pick if holds => (error + up(LIFT_M), 0.0),
            GraspTask::Pick if near => (error, 0.0),
            GraspTask::Pick => (error + up(self.funnel(view, !is_open)), open_m),
            GraspTask::Place if holds && !near => (error + up(self.funnel(view, false)), 0.0),
            GraspTask::Place if holds || !is_open => (error * 0.0, open_m),
            GraspTask::Place => (error + up(RISE_M), open_m),
        };
        GraspAction {
            linear: towards(way, FASTEST[0]),
            angular: towards(Vector3::from(view.error.rotation), FASTEST[1]),
            gripper_width_m: width_m,
        }
    }

    /// What it would do in this tick and those that follow it, as far as it can foresee them.
    pub fn plan(&self, view: &GraspView, period_s: f64, length: usize) -> Vec<GraspAction> {
        let mut view = *view;
        let mut actions = Vec::with_capacity(length);
        for _ in 0..length {
            let action = self.act(&view);
            actions.push(action);
            let turn = UnitQuaternion::from_scaled_axis(-action.angular * period_s);
            let position = Vector3::from(view.error.position) - action.linear * period_s;
            view.error.position = (turn * position).into();
            let rotation = Vector3::from(view.error.rotation) - action.angular * period_s;
            view.error.rotation = rotation.into();
            let most = GRIPPER_M_S * period_s;
            let change = (action.gripper_width_m - view.gripper_width_m).clamp(-most, most);
            // What is between the fingers stops them; how firm the grip gets, nobody knows before.
            let stops_at = if view.gripper_width_m > view.object_width_m - 0.002 {
                view.object_width_m
            } else {
                0.0
            };
            view.gripper_width_m = (view.gripper_width_m + change).max(stops_at);
            if change > 0.0 {
                view.gripper_force_n = 0.0;
            }
        }
        actions
    }

    fn is_near(&self, view: &GraspView, is_open: bool) -> bool {
        let (distance_m, angle_rad) = (view.error.distance_m(), view.error.angle_rad());
        // Fingers that are neither open nor closed on nothing are on their way.
        let on_their_way = !is_open && view.gripper_width_m > view.object_width_m - 0.006;
        let within_m = if on_their_way && self.task == GraspTask::Pick { STAYS_M } else { AT[0] };
        distance_m < within_m && angle_rad < 2.0 * AT[1]
    }

    /// How high over the pose the tool passes where it is still beside it.
    fn funnel(&self, view: &GraspView, waits: bool) -> f64 {
        let [_, y, z] = view.error.position;
        let out = |off: f64, i: usize| ((off - FUNNEL_END[i]) / FUNNEL[i]).clamp(0.0, 1.0);
        let share = out(y.hypot(z), 0).max(out(view.error.angle_rad(), 1));
        view.approach_height_m * if waits { 1.0 } else { share }
    }
}

/// A velocity along a way, that shrinks as the way does.
fn towards(way: Vector3<f64>, fastest: f64) -> Vector3<f64> {
    let norm = way.norm();
    if norm < 1e-9 {
        return Vector3::zeros();
    }
    way / norm * (fastest * (GAIN_1_S * norm / fastest).tanh())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(position: [f64; 3], width_m: f64, force_n: f64) -> GraspView {
        GraspView {
            error: ToolError { position, rotation: [0.0; 3] },
            approach_height_m: 0.06,
            object_width_m: 0.04,
            gripper_width_m: width_m,
            gripper_force_n: force_n,
        }
    }

    #[test]
    fn a_pick_opens_goes_down_closes_and_lifts() {
        let expert = GraspExpert::new(GraspTask::Pick, 0.08);
        let above = expert.act(&view([0.10, 0.0, 0.0], 0.02, 0.0));
        assert!(above.gripper_width_m > 0.07, "{above:?}");
        let down = expert.act(&view([0.10, 0.0, 0.0], 0.075, 0.0));
        assert!(down.linear.x > 0.1, "{down:?}");
        let beside = expert.act(&view([0.05, 0.03, 0.0], 0.075, 0.0));
        assert!(beside.linear.x < 0.0 && beside.linear.y > 0.1, "{beside:?}");
        let there = expert.act(&view([0.001, 0.001, 0.0], 0.075, 0.0));
        assert!(there.gripper_width_m < 0.01, "{there:?}");
        let closing = expert.act(&view([0.001, 0.008, 0.0], 0.045, 1.0));
        assert!(closing.gripper_width_m < 0.01 && closing.linear.x > -0.01, "{closing:?}");
        let held = expert.act(&view([0.001, 0.001, 0.0], 0.039, 15.0));
        assert!(held.linear.x < -0.1 && held.gripper_width_m < 0.01, "{held:?}");
        let lifted = expert.act(&view([0.12, 0.0, 0.0], 0.039, 15.0));
        assert!(lifted.linear.norm() < 0.01, "{lifted:?}");
    }

    #[test]
    fn a_place_carries_lets_go_and_rises() {
        let expert = GraspExpert::new(GraspTask::Place, 0.08);
        let carry = expert.act(&view([0.0, 0.2, 0.1], 0.04, 15.0));
        assert!(carry.linear.y > 0.1 && carry.gripper_width_m < 0.01, "{carry:?}");
        let there = expert.act(&view([0.001, 0.0, 0.0], 0.04, 15.0));
        assert!(there.gripper_width_m > 0.07 && there.linear.norm() < 0.01, "{there:?}");
        let opening = expert.act(&view([0.001, 0.0, 0.0], 0.05, 0.0));
        assert!(opening.gripper_width_m > 0.07 && opening.linear.norm() < 0.01, "{opening:?}");
        let open = expert.act(&view([0.001, 0.0, 0.0], 0.075, 0.0));
        assert!(open.linear.x < -0.1, "{open:?}");
    }

    #[test]
    fn a_plan_foresees_what_it_will_do() {
        let expert = GraspExpert::new(GraspTask::Pick, 0.08);
        let plan = expert.plan(&view([0.03, 0.0, 0.0], 0.075, 0.0), 0.02, 100);
        let way: f64 = plan.iter().map(|action| action.linear.x * 0.02).sum();
        assert!((way - 0.03).abs() < 0.006, "{way}");
        assert!(plan[99].gripper_width_m < 0.01);
    }
}
