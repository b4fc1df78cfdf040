//! Zero and range of each joint, by hand or from LeRobot's file; and how they get into the robot file.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use sinew_robot::{RobotModel, ServoConfig, ServoJointConfig, ServoProtocol};

use crate::bus::Bus;
use crate::counters::Counters;
use crate::error::ServoError;
use crate::plan::Plan;
use crate::port::OpenPort;
use crate::setup::{identify, retry, take_torque_off};

/// What a servo with a turn of 4096 ticks reports in the middle pose.
const MIDDLE_TICKS: i32 = 2048;
/// A range that is smaller was not moved through.
const SMALLEST_RANGE: i32 = 50;

/// Servos without torque whose zeros and ranges are being measured.
pub struct Calibration {
    bus: Bus,
    plan: Plan,
    zeros: Vec<i32>,
    offsets: Vec<i32>,
    ranges: Vec<[i32; 2]>,
}

impl Calibration {
    /// Opens the bus, checks that all servos are there, and takes their torque off.
    ///
    /// # Errors
    /// As [`crate::ServoDriver`]'s `configure`.
    pub fn begin(robot: &RobotModel, opener: &mut dyn OpenPort) -> Result<Self, ServoError> {
        let plan = Plan::from_robot(robot)?;
        let counters = Arc::new(Counters::default());
        let (protocol, baud_rate) = (plan.bus.protocol, plan.bus.baud_rate);
        let allowance = opener.reply_allowance();
        let mut bus = Bus::new(opener.open()?, protocol, baud_rate, allowance, counters);
        for servo in &plan.servos {
            identify(&mut bus, servo)?;
            take_torque_off(&mut bus, servo)?;
        }
        let count = plan.servos.len();
        Ok(Self { bus, plan, zeros: vec![0; count], offsets: vec![0; count], ranges: Vec::new() })
    }

    /// Takes the present pose for the one in which each joint is zero: it is written to the servos as their middle, so
    /// that no joint's range goes over the end of a turn.
    ///
    /// # Errors
    /// [`ServoError`] of the bus.
    pub fn set_zero(&mut self) -> Result<(), ServoError> {
        let table = self.bus.table();
        self.lock(0)?;
        for (index, servo) in self.plan.servos.iter().enumerate() {
            let (bus, id) = (&mut self.bus, servo.config.id);
            let [lowest, highest] = match self.plan.bus.protocol {
                ServoProtocol::FeetechScs => [0, 1023],
                _ => [0, 4095],
            };
            retry(bus, |bus| bus.write(id, table.min_position, lowest, "its lowest position"))?;
            retry(bus, |bus| bus.write(id, table.max_position, highest, "its highest position"))?;
            if let Some(register) = table.homing_offset {
                let offset = retry(bus, |bus| bus.read(id, register))?;
                let ticks = retry(bus, |bus| bus.read(id, table.present_position))?;
                self.offsets[index] = match self.plan.bus.protocol {
                    ServoProtocol::Dynamixel => MIDDLE_TICKS - (ticks - offset),
                    _ => within_half_a_turn(ticks + offset - MIDDLE_TICKS),
                };
                let offset = self.offsets[index];
                retry(bus, |bus| bus.write(id, register, offset, "its homing offset"))?;
            }
            self.zeros[index] = retry(bus, |bus| bus.read(id, table.present_position))?;
        }
        self.lock(1)?;
        self.ranges = self.zeros.iter().map(|zero| [*zero, *zero]).collect();
        Ok(())
    }

    /// Looks where the joints are, and widens their ranges: joint, lowest, present and highest ticks.
    ///
    /// # Errors
    /// [`ServoError`] of the bus.
    pub fn record(&mut self) -> Result<Vec<(&str, [i32; 3])>, ServoError> {
        let register = self.bus.table().present_position;
        let mut seen = Vec::with_capacity(self.ranges.len());
        for (servo, range) in self.plan.servos.iter().zip(&mut self.ranges) {
            let ticks = retry(&mut self.bus, |bus| bus.read(servo.config.id, register))?;
            *range = [range[0].min(ticks), range[1].max(ticks)];
            seen.push((servo.joint.as_str(), [range[0], ticks, range[1]]));
        }
        Ok(seen)
    }

    /// Writes the ranges to the servos as their limits, and gives the entries of the robot file.
    ///
    /// # Errors
    /// [`ServoError::Calibration`] for a joint that was hardly moved; [`ServoError`] of the bus.
    pub fn finish(mut self) -> Result<BTreeMap<String, ServoJointConfig>, ServoError> {
        let mut joints = BTreeMap::new();
        for (index, servo) in self.plan.servos.iter().enumerate() {
            let range = self.ranges.get(index).copied().unwrap_or_default();
            if range[1] - range[0] < SMALLEST_RANGE {
                return Err(ServoError::Calibration {
                    field: format!("servo.joints.{}.range_ticks", servo.joint),
                    actual: format!("[{}, {}]", range[0], range[1]),
                    allowed: format!("a joint that was moved by {SMALLEST_RANGE} ticks or more"),
                });
            }
            let config = ServoJointConfig {
                zero_ticks: self.zeros[index],
                range_ticks: range,
                homing_offset_ticks: self.offsets[index],
                ..servo.config
            };
            joints.insert(servo.joint.clone(), config);
        }
        let table = self.bus.table();
        self.lock(0)?;
        for config in joints.values() {
            let ([low, high], id) = (config.range_ticks, config.id);
            if low < 0 || high > 4095 {
                // Extended position mode, which has no limits in the servo.
                continue;
            }
            let bus = &mut self.bus;
            retry(bus, |bus| bus.write(id, table.min_position, low, "its lowest position"))?;
            retry(bus, |bus| bus.write(id, table.max_position, high, "its highest position"))?;
        }
        self.lock(1)?;
        Ok(joints)
    }

    fn lock(&mut self, locked: i32) -> Result<(), ServoError> {
        let Some(register) = self.bus.table().lock else { return Ok(()) };
        let values: Vec<(u8, i32)> =
            self.plan.servos.iter().map(|servo| (servo.config.id, locked)).collect();
        self.bus.write_each(register, &values)
    }
}

/// Feetech's homing offset goes to 2047 either way.
fn within_half_a_turn(ticks: i32) -> i32 {
    ((ticks + 2047).rem_euclid(4096) - 2047).min(2047)
}

/// One joint of LeRobot's calibration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeRobotJoint {
    id: u8,
    drive_mode: u8,
    homing_offset: i32,
    range_min: i32,
    range_max: i32,
}

/// The entries of the robot file out of LeRobot's calibration file, which is JSON.
///
/// Joints have the same names in both. Zero is the middle of the range, as with LeRobot's degrees; a `drive_mode` of 1 turns
/// `invert` of the robot file round.
///
/// # Errors
/// [`ServoError::Calibration`] names the joint and the field.
pub fn from_lerobot(
    json: &str,
    servos: &ServoConfig,
) -> Result<BTreeMap<String, ServoJointConfig>, ServoError> {
    let wrong = |field: String, actual: String, allowed: String| ServoError::Calibration {
        field,
        actual,
        allowed,
    };
    let file: BTreeMap<String, LeRobotJoint> = serde_json::from_str(json).map_err(|error| {
        let allowed = "joints with id, drive_mode, homing_offset, range_min, range_max";
        wrong("the calibration file".to_owned(), error.to_string(), allowed.to_owned())
    })?;
    let mut joints = BTreeMap::new();
    for (name, config) in &servos.joints {
        let known = || file.keys().cloned().collect::<Vec<_>>().join(", ");
        let joint = file.get(name).ok_or_else(|| {
            wrong(name.clone(), "not in the calibration file".to_owned(), known())
        })?;
        if joint.id != config.id {
            let (actual, allowed) = (joint.id.to_string(), config.id.to_string());
            return Err(wrong(format!("{name}.id"), actual, allowed));
        }
        if joint.range_min >= joint.range_max {
            let actual = format!("{} to {}", joint.range_min, joint.range_max);
            return Err(wrong(
                format!("{name}.range_min"),
                actual,
                "less than range_max".to_owned(),
            ));
        }
        if joint.drive_mode > 1 {
            let actual = joint.drive_mode.to_string();
            return Err(wrong(format!("{name}.drive_mode"), actual, "0, 1".to_owned()));
        }
        let calibrated = ServoJointConfig {
            invert: config.invert != (joint.drive_mode == 1),
            zero_ticks: i32::midpoint(joint.range_min, joint.range_max),
            range_ticks: [joint.range_min, joint.range_max],
            homing_offset_ticks: joint.homing_offset,
            ..*config
        };
        joints.insert(name.clone(), calibrated);
    }
    Ok(joints)
}

/// The text of a robot file with these entries in its `servo.joints`; all else, comments too, stays as it is.
///
/// # Errors
/// [`ServoError::Calibration`] names a joint that has no entry of its own lines.
pub fn edit_robot_yaml(
    text: &str,
    joints: &BTreeMap<String, ServoJointConfig>,
) -> Result<String, ServoError> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (name, config) in joints {
        let (first, end) = entry(&lines, name).ok_or_else(|| ServoError::Calibration {
            field: format!("servo.joints.{name}"),
            actual: "no line that begins with its name".to_owned(),
            allowed: format!("`{name}: {{...}}` on a line of its own"),
        })?;
        let indent = indent(&lines[first]);
        let comment = match lines[first].split_once(" #") {
            Some((_, comment)) => format!("  # {}", comment.trim()),
            None => String::new(),
        };
        let [low, high] = config.range_ticks;
        let line = format!(
            "{:indent$}{name}: {{id: {}, model: {}, invert: {}, zero_ticks: {}, range_ticks: [{low}, {high}], \
             homing_offset_ticks: {}}}{comment}",
            "",
            config.id,
            config.model.as_str(),
            config.invert,
            config.zero_ticks,
            config.homing_offset_ticks,
        );
        lines.splice(first..end, [line]);
    }
    Ok(lines.join("\n") + "\n")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Lines of a joint's entry below `servo:`, from its name to the next line that is not deeper.
fn entry(lines: &[String], name: &str) -> Option<(usize, usize)> {
    let section = lines.iter().position(|line| line.starts_with("servo:"))?;
    let key = format!("{name}:");
    let first = (section + 1..lines.len())
        .take_while(|index| {
            lines[*index].is_empty() || !lines[*index].starts_with(char::is_alphabetic)
        })
        .find(|index| lines[*index].trim_start().starts_with(&key))?;
    let deeper = lines[first + 1..]
        .iter()
        .take_while(|line| !line.trim().is_empty() && indent(line) > indent(&lines[first]));
    Some((first, first + 1 + deeper.count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_replaced_and_comments_stay() {
        let text = "a: 1  # one\nservo:\n  joints:\n    # the first\n    x: {id: 1}  # turns\n    y:\n      id: 2\n    z: {id: 3}\nb: 2\n";
        let config = ServoJointConfig {
            id: 2,
            model: sinew_robot::ServoModel::Sts3215,
            invert: true,
            zero_ticks: 5,
            range_ticks: [1, 9],
            homing_offset_ticks: -3,
        };
        let joints = ["x", "y"].map(|name| (name.to_owned(), config)).into();
        let edited = edit_robot_yaml(text, &joints).expect("entries");
        let entry = "{id: 2, model: sts3215, invert: true, zero_ticks: 5, range_ticks: [1, 9], homing_offset_ticks: -3}";
        let expected = format!(
            "a: 1  # one\nservo:\n  joints:\n    # the first\n    x: {entry}  # turns\n    y: {entry}\n    z: {{id: 3}}\nb: 2\n"
        );
        assert_eq!(edited, expected);
        let joints = [("w".to_owned(), config)].into();
        let error = edit_robot_yaml(text, &joints).expect_err("no entry").to_string();
        assert!(error.contains("servo.joints.w"), "{error}");
    }

    #[test]
    fn homing_offsets_fit_their_register() {
        for ticks in [-4096, -2048, -2047, 0, 2047, 2048, 4095] {
            let offset = within_half_a_turn(ticks);
            assert!((-2047..=2047).contains(&offset), "{ticks}: {offset}");
        }
        assert_eq!((within_half_a_turn(2049), within_half_a_turn(-2049)), (-2047, 2047));
    }
}
