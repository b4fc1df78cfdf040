//! From dead-man button to commands, and every loss, in virtual time.

use sinew_teleop::{LOST_AFTER, OperatorCall, Phase, Stop};
use sinew_types::{BaseTwist, LeaseId};

use crate::rig::{HOLD, LEFT_X, LEFT_Y, Rig, TICK, shipped};

fn driving() -> Rig {
    let mut rig = Rig::new(&shipped("xbox"));
    rig.pad().axes[LEFT_Y] = 1.0;
    rig.take_over();
    for _ in 0..100 {
        let command = rig.tick().unwrap();
        rig.follow(&command);
    }
    rig
}

#[test]
fn nothing_is_sent_and_nothing_asked_for_until_the_dead_man_button_is_pressed() {
    let mut rig = Rig::new(&shipped("xbox"));
    rig.pad().axes[LEFT_Y] = 1.0;
    assert_eq!(rig.ticks(50), []);
    assert!(rig.acquired.is_empty());
    rig.take_over();
    assert_eq!(rig.acquired, [["base"]]);
}

#[test]
fn a_dead_man_button_that_is_pressed_from_the_start_counts_only_once_it_was_let_go() {
    let mut rig = Rig::new(&shipped("xbox"));
    rig.pad().buttons[HOLD] = true;
    assert_eq!(rig.ticks(50), []);
    rig.pad().buttons[HOLD] = false;
    rig.take_over();
}

#[test]
fn the_first_command_is_what_the_base_does_and_the_next_ones_are_within_its_acceleration() {
    let mut rig = Rig::new(&shipped("xbox"));
    let base = rig.state.base.as_mut().unwrap();
    base.linear_velocity.x = 0.42;
    base.angular_velocity.z = -0.3;
    rig.pad().axes[LEFT_X] = 1.0;
    let dt = TICK.as_secs_f64();
    let mut last = BaseTwist { linear_x: 0.42, linear_y: 0.0, angular_z: -0.3 };
    let mut command = rig.take_over();
    for _ in 0..100 {
        let twist = command.base.unwrap();
        assert!((twist.linear_x - last.linear_x).abs() <= 0.8 * dt + 1e-9, "{twist:?} {last:?}");
        assert!((twist.angular_z - last.angular_z).abs() <= 2.0 * dt + 1e-9, "{twist:?} {last:?}");
        assert!(command.dead_man && command.lease == LeaseId(1));
        last = twist;
        command = rig.tick().unwrap();
    }
    assert_eq!(last, BaseTwist { linear_x: 0.0, linear_y: 0.0, angular_z: 1.0 });
}

/// Each way to lose the device, and what is told then.
#[test]
fn each_loss_ends_with_one_command_that_nobody_holds_and_moves_nothing_until_pressed_anew() {
    type Break = fn(&mut Rig);
    let losses: [(Stop, Break); 5] = [
        (Stop::Silent, |rig| rig.pad = None),
        (Stop::Frozen, |rig| rig.frozen = true),
        (Stop::Unplugged, |rig| rig.pad().connected = false),
        (Stop::NotFinite, |rig| rig.pad().axes[3] = f64::NAN),
        (Stop::DoesNotFit { axes: 8, buttons: 11 }, |rig| rig.pad().axes.truncate(2)),
    ];
    for (stop, break_it) in losses {
        let mut rig = driving();
        let good = rig.pad.clone().unwrap();
        break_it(&mut rig);
        let broken_at = rig.now;
        let mut commands = Vec::new();
        while rig.stopped().is_none() {
            commands.extend(rig.tick());
        }
        assert_eq!(rig.stopped(), Some(stop.clone()));
        let waits = matches!(stop, Stop::Silent | Stop::Frozen);
        let within = if waits { LOST_AFTER + TICK } else { TICK };
        assert_eq!(rig.now.since(broken_at), within, "{stop:?}");
        let (last, before) = commands.split_last().unwrap();
        assert!(before.iter().all(|command| command.dead_man));
        assert!(!last.dead_man && last.base.is_none(), "{last:?}");
        assert_eq!(last.lease, LeaseId(1));
        assert_eq!(rig.released, [LeaseId(1)]);
        // The device comes back with the button held: it must be let go and pressed anew.
        assert_eq!(rig.ticks(20), [], "{stop:?}");
        (rig.pad, rig.frozen) = (Some(good), false);
        assert_eq!(rig.ticks(20), [], "{stop:?}");
        assert_eq!(rig.acquired.len(), 1);
        rig.pad().buttons[HOLD] = false;
        rig.take_over();
        assert_eq!(rig.acquired.len(), 2);
    }
}

#[test]
fn letting_the_dead_man_button_go_ends_in_the_same_step() {
    let mut rig = driving();
    rig.pad().buttons[HOLD] = false;
    let last = rig.tick().unwrap();
    assert!(!last.dead_man && last.base.is_none());
    assert_eq!(rig.stopped(), Some(Stop::Released));
    assert_eq!(rig.released, [LeaseId(1)]);
    assert_eq!(rig.ticks(20), []);
    rig.take_over();
}

#[test]
fn a_device_on_which_nothing_changes_while_it_moves_the_robot_is_lost_after_the_mappings_limit() {
    let mut rig = driving();
    let more = rig.ticks(500);
    assert!(rig.stopped() == Some(Stop::Unchanged) && more.len() < 500, "{:?}", rig.stopped());
    assert!(!more.last().unwrap().dead_man);
    // A hand that trembles keeps it up.
    let mut rig = driving();
    for tick in 0..1000 {
        rig.pad().axes[LEFT_X] = f64::from(tick % 7) * 0.004;
        assert!(rig.tick().is_some());
    }
}

#[test]
fn a_lease_that_the_gate_takes_back_is_not_asked_for_again_while_the_button_stays_held() {
    let mut rig = driving();
    rig.live.clear();
    let last = rig.tick().unwrap();
    assert!(!last.dead_man);
    assert_eq!(rig.stopped(), Some(Stop::Revoked));
    assert_eq!(rig.ticks(50), []);
    assert_eq!(rig.acquired.len(), 1);
}

#[test]
fn a_refusal_is_told_and_not_asked_again_until_pressed_anew() {
    let mut rig = Rig::new(&shipped("xbox"));
    rig.grants = false;
    rig.ticks(2);
    rig.pad().buttons[HOLD] = true;
    rig.tick();
    rig.session.lease_refused(1, "the robot is Disarmed".into());
    assert_eq!(rig.ticks(20), []);
    assert_eq!(rig.session.phase().to_string(), "refused: the robot is Disarmed");
    assert_eq!(rig.acquired.len(), 1);
    // No answer at all is a refusal too.
    rig.pad().buttons[HOLD] = false;
    rig.ticks(2);
    rig.pad().buttons[HOLD] = true;
    assert_eq!(rig.ticks(100), []);
    assert!(matches!(rig.stopped(), Some(Stop::Refused(_))));
}

#[test]
fn a_grant_that_comes_after_the_button_was_let_go_is_given_back() {
    let mut rig = Rig::new(&shipped("xbox"));
    rig.grants = false;
    rig.ticks(2);
    rig.pad().buttons[HOLD] = true;
    rig.tick();
    rig.pad().buttons[HOLD] = false;
    rig.tick();
    rig.session.lease_granted(rig.now, 1, LeaseId(9));
    assert_eq!(rig.ticks(5), []);
    assert_eq!(rig.released, [LeaseId(9)]);
}

#[test]
fn a_program_that_stood_still_does_not_go_on_where_it_was() {
    let mut rig = driving();
    rig.now += LOST_AFTER;
    let last = rig.tick().unwrap();
    assert!(!last.dead_man);
    assert_eq!(rig.ticks(20), []);
}

#[test]
fn another_mode_ends_the_motion_and_takes_its_own_groups_when_pressed_anew() {
    let mut rig = driving();
    rig.pad().buttons[2] = true;
    let last = rig.tick().unwrap();
    assert!(!last.dead_man);
    assert_eq!(rig.session.mode(), "tool");
    assert_eq!(rig.stopped(), Some(Stop::ModeChanged));
    rig.pad().buttons[2] = false;
    assert_eq!(rig.ticks(20), []);
    rig.pad().buttons[HOLD] = false;
    rig.take_over();
    assert_eq!(rig.acquired[1], ["arm", "gripper"]);
}

#[test]
fn the_operators_buttons_act_once_per_press_and_while_moving_only_the_stop_does() {
    let mut rig = driving();
    let press = |rig: &mut Rig, button: usize| {
        rig.pad().buttons[button] = true;
        rig.ticks(5);
        rig.pad().buttons[button] = false;
        rig.tick();
        std::mem::take(&mut rig.operator)
    };
    assert_eq!(press(&mut rig, 7), [], "resume while the dead-man button is held");
    assert_eq!(press(&mut rig, 1), [OperatorCall::EStop]);
    rig.pad().buttons[HOLD] = false;
    rig.tick();
    assert_eq!(press(&mut rig, 6), [OperatorCall::Reset]);
    assert_eq!(press(&mut rig, 8), [OperatorCall::Arm]);
    assert_eq!(press(&mut rig, 7), [OperatorCall::Resume]);
    assert_eq!(*rig.session.phase(), Phase::Ready);
}

#[test]
fn joints_that_are_not_measured_are_not_moved() {
    let mut rig = Rig::new(&shipped("xbox"));
    rig.tick();
    rig.pad().buttons[2] = true;
    rig.ticks(2);
    rig.pad().buttons[2] = false;
    rig.take_over();
    let arm = rig.robot.group("arm").unwrap().joints[2];
    rig.state.joints[arm].valid = false;
    assert!(!rig.tick().unwrap().dead_man);
    assert_eq!(rig.stopped(), Some(Stop::NotMeasured("arm".into())));
}
