//! Mappings: the shipped ones, and what is said of wrong ones.

use sinew_robot::RobotModel;
use sinew_teleop::{MappingConfig, TeleopSession};

use crate::rig::{Rig, inline, root, shipped};

#[test]
fn every_shipped_mapping_fits_the_shipped_robot() {
    for name in ["xbox", "playstation", "keyboard"] {
        let rig = Rig::new(&shipped(name));
        let modes: Vec<_> = rig.session.mode_names().collect();
        assert_eq!(modes, ["drive", "tool", "joints"], "{name}");
    }
}

#[test]
fn xbox_and_playstation_differ_in_buttons_alone() {
    let (mut xbox, mut playstation) =
        (shipped("xbox").config().clone(), shipped("playstation").config().clone());
    for config in [&mut xbox, &mut playstation] {
        config.device.clear();
        config.buttons.clear();
        config.dead_man.clear();
        config.operator = Default::default();
        config.modes.iter_mut().for_each(|mode| mode.select = None);
    }
    assert_eq!(xbox, playstation);
}

/// Sticks and buttons, and the first mode's twist once it is reached.
#[test]
fn the_drive_mode_of_each_shipped_mapping_drives() {
    let golden = [
        ("xbox", 4, vec![(1, 1.0)], vec![], (0.5, 0.0)),
        ("xbox", 4, vec![(1, -0.55), (0, 1.0)], vec![], (-0.19375, 1.0)),
        ("xbox", 4, vec![(1, 0.09), (0, -0.09)], vec![], (0.0, 0.0)),
        ("playstation", 4, vec![(1, 1.0), (0, -1.0)], vec![], (0.5, -1.0)),
        ("keyboard", 0, vec![], vec![1, 3], (0.3, 0.6)),
        ("keyboard", 0, vec![], vec![1, 2, 4], (0.0, -0.6)),
    ];
    for (name, hold, axes, buttons, expected) in golden {
        let mut rig = Rig::new(&shipped(name));
        rig.ticks(2);
        for (axis, value) in &axes {
            rig.pad().axes[*axis] = *value;
        }
        rig.pad().buttons[hold] = true;
        for button in buttons {
            rig.pad().buttons[button] = true;
        }
        let twist = rig.ticks(100).pop().unwrap().base.unwrap();
        let close = (twist.linear_x - expected.0).abs() < 1e-9
            && (twist.angular_z - expected.1).abs() < 1e-9;
        assert!(close, "{name} {axes:?}: {twist:?}, expected {expected:?}");
    }
}

const GOOD: &str = "
device: test
axes: {y: {index: 1}, t: {index: 2, kind: trigger}}
buttons: {hold: 0, one: 1, two: 2, stop: 3}
dead_man: hold
operator: {e_stop: stop}
modes:
  - name: drive
    select: one
    base: {group: base, linear_x: {axis: y, scale: 0.5}}
  - name: hand
    select: two
    cartesian: {group: arm, linear_x: {axis: y, scale: 0.1}}
    gripper: {group: gripper, width: {plus: t, scale: 0.05}}
";

/// A change to the good mapping, and what the error must say.
#[test]
fn each_wrong_mapping_is_refused_with_its_field_and_what_is_allowed() {
    let cases = [
        ("dead_man: hold\n", "", vec!["dead_man", "missing"]),
        ("dead_man: hold", "dead_man: hld", vec!["dead_man: `hld`", "hold, one, stop, two"]),
        ("device: test", "device: test\nspeed: 2", vec!["speed"]),
        ("scale: 0.5", "scale: 0", vec!["modes.drive.base.linear_x.scale: 0", "not 0"]),
        ("scale: 0.5", "scale: .nan", vec!["modes.drive.base.linear_x.scale: NaN", "finite"]),
        ("scale: 0.5", "scale: 0.5, expo: 2", vec!["linear_x.expo: 2", "0 to 1"]),
        ("scale: 0.5", "scale: 0.5, dead_zone: 0.9", vec!["dead_zone: 0.9", "0 to 0.5"]),
        ("{axis: y, scale: 0.5}", "{axis: x, scale: 0.5}", vec!["linear_x.axis: `x`", "t, y"]),
        ("{axis: y, scale: 0.5}", "{scale: 0.5}", vec!["linear_x", "axis alone, or plus"]),
        ("{plus: t,", "{plus: y,", vec!["gripper.width.plus: `y`", "t, hold, one, stop, two"]),
        ("{plus: t,", "{plus: hold,", vec!["gripper.width.plus", "dead-man button"]),
        ("select: two", "select: one", vec!["modes.hand.select", "`modes.drive.select` already"]),
        ("select: two", "select: hold", vec!["modes.hand.select", "`dead_man` already"]),
        ("    select: two\n", "", vec!["modes.hand.select: missing", "two"]),
        ("e_stop: stop", "e_stop: one", vec!["modes.drive.select", "`operator.e_stop` already"]),
        ("name: hand", "name: drive", vec!["modes.drive: named twice"]),
        ("group: gripper,", "group: arm,", vec!["modes.hand.gripper.group", "a group per part"]),
        ("device: test", "device: test\nunchanged_limit_s: 0", vec!["unchanged_limit_s: 0"]),
    ];
    inline(GOOD).unwrap();
    for (from, to, says) in cases {
        let wrong = GOOD.replacen(from, to, 1);
        assert_ne!(wrong, GOOD, "{from}");
        let error = inline(&wrong).expect_err(to).to_string();
        assert!(error.starts_with("x.teleop.yaml"), "{error}");
        for part in says {
            assert!(error.contains(part), "{from} -> {to}: expected `{part}` in: {error}");
        }
    }
}

#[test]
fn a_mapping_that_does_not_fit_the_robot_is_refused_with_its_field_and_what_is_allowed() {
    let cases = [
        ("group: base", "group: wheels", vec!["modes.drive.base.group"]),
        ("group: base", "group: head", vec!["modes.drive.base.group", "commanded by twist"]),
        ("group: arm", "group: base", vec!["modes.hand.cartesian.group", "trajectory"]),
        ("group: arm", "group: arm, frame: nose", vec!["modes.hand.cartesian.frame"]),
        ("group: gripper", "group: head", vec!["modes.hand.gripper.group", "with a gripper"]),
        (
            "linear_x: {axis: y, scale: 0.5}",
            "linear_y: {axis: y, scale: 0.5}",
            vec!["modes.drive.base.linear_y", "sideways"],
        ),
    ];
    let robot = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let layout = sinew_hardware::layout_of(&robot).unwrap();
    for (from, to, says) in cases {
        let mapping = inline(&GOOD.replacen(from, to, 1)).unwrap();
        let error = TeleopSession::new(&mapping, &robot, &layout).err().unwrap();
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text += &format!(": {source}");
        }
        for part in says {
            assert!(text.contains(part), "{to}: expected `{part}` in: {text}");
        }
    }
}

#[test]
fn optional_modes_are_left_out_where_the_robot_lacks_their_groups() {
    let mapping =
        inline(&GOOD.replacen("name: hand", "name: hand\n    optional: true", 1).replacen(
            "group: arm",
            "group: second_arm",
            1,
        ))
        .unwrap();
    let rig = Rig::new(&mapping);
    assert_eq!(rig.session.mode_names().collect::<Vec<_>>(), ["drive"]);
}

#[test]
fn the_committed_schema_is_up_to_date() {
    let path = root().join("docs/schema/teleop.schema.json");
    let schema = schemars::schema_for!(MappingConfig);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("SINEW_UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/schema/teleop.schema.json differs from the code; run SINEW_UPDATE_SCHEMAS=1 \
         cargo test -p sinew-teleop --test teleop, and look at the diff"
    );
}
