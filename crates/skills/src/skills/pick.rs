use nalgebra::Isometry3;
use serde_json::Value;
use sinew_model::tolerance;
use sinew_types::{ErrorCode, GripperCommand};

use crate::arm::{ArmServo, Tolerance, tool_error_to};
use crate::body::Body;
use crate::builtin::text;
use crate::context::{Context, Skill, Status};
use crate::goal::Rejection;
use crate::grasp::{FINGER_ROOM_M, GraspAxis, choose_axis, grasp_pose, over};
use crate::grasp_policy::{GraspGoal, GraspServo, Grasping};
use crate::io::{ControlSource, Failure, Inputs};
use crate::sight::Sight;
use crate::skills::{object, unreachable};
use crate::tuck::Tuck;

/// Opens the gripper, goes down, grasps, lifts, folds the arm; the tool is moved by the policy `reach`, or all but
/// the folding is left to the policy `pick`.
struct Pick {
    object: String,
    axis: GraspAxis,
    sight: Sight,
    stage: Stage,
    servo: ArmServo,
    grasping: GraspServo,
    tuck: Tuck,
    /// Where the grasp was made.
    grasp: Isometry3<f64>,
    /// Since the stage was entered.
    ticks: u32,
    /// Without a break, in which the grip was firm.
    firm_ticks: u32,
    /// The policy has had a firm grip: from then on the object is not looked for, it moves with the hand.
    gripped: bool,
    /// Of the gripper, one tick ago, m.
    last_width_m: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Open,
    Descend,
    Close,
    Lift,
    /// All of these, by a policy.
    Grasp,
    Tuck,
}

/// The object is lifted by this before the arm is folded, m.
const LIFT_M: f64 = 0.12;
/// A policy has lifted it when the tool is so high over the grasp, m.
const LIFTED_M: f64 = 0.10;
/// Nearer than this to the grasp the hand hides the object, and its pose is not looked for any more, m.
const HIDDEN_M: f64 = 0.03;
/// Closing force, N; the gripper's own limit may be lower.
const GRASP_FORCE_N: f64 = 25.0;
/// Less than this at rest is no grasp, N.
const MIN_FORCE_N: f64 = 3.0;
/// A gripper needs no longer to open or close, ticks.
const GRIPPER_TICKS: u32 = 75;
/// The grip must stand for this long, ticks.
const FIRM_TICKS: u32 = 5;
/// Fingers that move less in one tick stand, m. Their velocity is no measure: pressed on something, they
/// tremble.
const STILL_M: f64 = 3e-4;
/// Widths are met within this, m.
const WIDTH_TOLERANCE_M: f64 = 0.005;

pub(crate) fn make(
    args: &Value,
    body: &mut Body,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    let id = text(args, "object");
    let target = object(inputs.world, id)?;
    let width_m = target.grasp_width_m();
    if width_m > body.limbs().max_width_m - WIDTH_TOLERANCE_M {
        return Err(unreachable(format!(
            "`{id}` is {width_m:.3} m wide; the gripper opens {:.3} m",
            body.limbs().max_width_m
        )));
    }
    let axis = choose_axis(body, inputs.state, inputs.world, target, LIFT_M)?.ok_or_else(|| {
        unreachable(format!("the arm does not reach `{id}` from above from where the base stands"))
    })?;
    Ok(Box::new(Pick {
        object: id.into(),
        axis,
        sight: Sight::new(id),
        stage: if body.limbs().grasp_policies.is_some() { Stage::Grasp } else { Stage::Open },
        servo: ArmServo::default(),
        grasping: GraspServo::default(),
        tuck: Tuck::default(),
        grasp: grasp_pose(target, &target.map_from_object, &axis),
        ticks: 0,
        firm_ticks: 0,
        gripped: false,
        last_width_m: f64::INFINITY,
    }))
}

impl Pick {
    fn enter(&mut self, stage: Stage) {
        (self.stage, self.ticks, self.servo) = (stage, 0, ArmServo::default());
    }

    fn open(&mut self, cx: &mut Context<'_>) {
        let width_m = (self.axis.width_m + FINGER_ROOM_M).min(cx.body.limbs().max_width_m);
        command_gripper(cx, width_m, cx.body.limbs().max_force_n);
        cx.report.phase("opening the gripper", 0.0);
        cx.report.source = ControlSource::Primitive;
        let measured = cx.state.grippers[cx.body.limbs().gripper].width_m;
        if measured >= width_m - WIDTH_TOLERANCE_M || self.ticks > GRIPPER_TICKS {
            self.enter(Stage::Descend);
        }
    }

    fn descend(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let object = cx.object(&self.object)?;
        // The hand hides the object when it is around it: what was seen before counts.
        let seen = self.sight.update(cx.world).unwrap_or(object.map_from_object);
        self.grasp = grasp_pose(object, &seen, &self.axis);
        cx.report.phase("going down", 0.15);
        if self.servo.step(cx, &self.grasp, Tolerance::FINE)? == Status::Done {
            self.enter(Stage::Close);
        }
        Ok(())
    }

    fn close(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        command_gripper(cx, 0.0, GRASP_FORCE_N.min(cx.body.limbs().max_force_n));
        cx.report.phase("closing the gripper", 0.4);
        cx.report.source = ControlSource::Primitive;
        let gripper = cx.state.grippers[cx.body.limbs().gripper];
        cx.report.measure("grip_width_m", gripper.width_m);
        cx.report.measure("grip_force_n", gripper.force_n);
        let moved_m = (gripper.width_m - self.last_width_m).abs();
        self.last_width_m = gripper.width_m;
        let firm = gripper.force_n >= MIN_FORCE_N && moved_m < STILL_M;
        self.firm_ticks = if firm { self.firm_ticks + 1 } else { 0 };
        if self.firm_ticks >= FIRM_TICKS {
            self.check_grip(cx)?;
            self.enter(Stage::Lift);
        } else if self.ticks > GRIPPER_TICKS {
            return Err(no_grip(cx, "nothing firm is between the fingers"));
        }
        Ok(())
    }

    /// Whether what is between the fingers is as wide as the object, and held.
    fn check_grip(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let gripper = cx.state.grippers[cx.body.limbs().gripper];
        if gripper.force_n < MIN_FORCE_N {
            return Err(no_grip(cx, "the grip was lost"));
        }
        if (gripper.width_m - self.axis.width_m).abs() > tolerance::GRIP_WIDTH_M {
            let wide = self.axis.width_m;
            return Err(no_grip(cx, &format!("the object is {wide:.3} m wide")));
        }
        Ok(())
    }

    fn grasp(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let object = cx.object(&self.object)?;
        let far = tool_error_to(cx, &self.grasp)?.distance_m() > HIDDEN_M;
        if far && !self.gripped {
            let seen = self.sight.update(cx.world).unwrap_or(object.map_from_object);
            self.grasp = grasp_pose(object, &seen, &self.axis);
        }
        let goal = GraspGoal {
            map_from_tool: self.grasp,
            approach_height_m: None,
            object_width_m: self.axis.width_m,
        };
        cx.report.phase("grasping", 0.3);
        let error = self.grasping.step(cx, Grasping::Pick, &goal)?;
        let gripper = cx.state.grippers[cx.body.limbs().gripper];
        cx.report.measure("grip_width_m", gripper.width_m);
        cx.report.measure("grip_force_n", gripper.force_n);
        let firm = gripper.force_n >= MIN_FORCE_N;
        self.firm_ticks = if firm { self.firm_ticks + 1 } else { 0 };
        self.gripped |= firm;
        // The tool points down: what it has risen lies along its own x axis.
        if error.position[0] >= LIFTED_M && self.firm_ticks >= FIRM_TICKS {
            self.check_grip(cx)?;
            self.enter(Stage::Tuck);
        }
        Ok(())
    }

    fn lift(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let lifted = over(&self.grasp, self.grasp.translation.z + LIFT_M);
        cx.report.phase("lifting", 0.5);
        if self.servo.step(cx, &lifted, Tolerance::LOOSE)? == Status::Done {
            self.check_grip(cx)?;
            self.enter(Stage::Tuck);
        }
        Ok(())
    }
}

impl Skill for Pick {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        self.ticks += 1;
        match self.stage {
            Stage::Open => {
                self.sight.update(cx.world);
                self.open(cx);
            }
            Stage::Descend => self.descend(cx)?,
            Stage::Close => self.close(cx)?,
            Stage::Grasp => self.grasp(cx)?,
            Stage::Lift => self.lift(cx)?,
            Stage::Tuck => {
                cx.report.phase("folding the arm", 0.7);
                if self.tuck.step(cx)? == Status::Done {
                    self.check_grip(cx)?;
                    let gripper = cx.state.grippers[cx.body.limbs().gripper];
                    cx.report.measure("held_width_m", gripper.width_m);
                    cx.report.measure("held_force_n", gripper.force_n);
                    return Ok(Status::Done);
                }
            }
        }
        Ok(Status::Running)
    }
}

fn no_grip(cx: &Context<'_>, why: &str) -> Failure {
    let gripper = cx.state.grippers[cx.body.limbs().gripper];
    Failure::new(
        ErrorCode::PostconditionFailed,
        format!("no grip: {why}; measured {:.4} m, {:.1} N", gripper.width_m, gripper.force_n),
    )
}

/// Has the gripper go to a width, m, with at most this force, N.
pub(super) fn command_gripper(cx: &mut Context<'_>, width_m: f64, max_force_n: f64) {
    cx.command.grippers[cx.body.limbs().gripper] = GripperCommand { width_m, max_force_n };
}
