//! Random faults, stops and activations: always a defined state, no write after a stop, every fault counted.

use std::time::Duration;

use rand::Rng;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use sinew_driver_servo::emulator::{Fault, Written};
use sinew_hardware::HardwareInterface;
use sinew_robot::ServoProtocol;
use sinew_types::JointCommand;

use crate::rig::Rig;
use crate::robots::servos;

const SEQUENCES: u64 = 1000;
const TICKS: usize = 150;

struct Sequence {
    rig: Rig,
    random: ChaCha8Rng,
    is_active: bool,
    /// Writes up to here were looked at.
    seen: usize,
    /// Whether goals may be on the bus now.
    may_move: bool,
}

impl Sequence {
    fn new(protocol: ServoProtocol, seed: u64) -> Self {
        let rig = Rig::new(protocol);
        let seen = rig.servo().write_count();
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { rig, random, is_active: false, seen, may_move: false }
    }

    fn any_id(&mut self) -> u8 {
        *self.rig.servo().ids().choose(&mut self.random).unwrap()
    }

    fn any_fault(&mut self) -> Fault {
        let random = &mut self.random;
        match random.random_range(0..4) {
            0 => Fault::LostBytes {
                first: random.random_range(0..12),
                count: random.random_range(1..6),
            },
            1 => Fault::BadChecksum,
            // Later than the driver waits, but not than it throws late answers away.
            2 => Fault::SlowReply(Duration::from_micros(random.random_range(31_000..38_000))),
            _ => Fault::WrongId(random.random_range(100..120)),
        }
    }

    fn step(&mut self) {
        let id = self.any_id();
        let fault = self.any_fault();
        match self.random.random_range(0..100) {
            0..25 => self.rig.servo().inject(id, fault),
            25..27 => self.rig.servo().unplug(),
            27..32 => self.rig.servo().replug_if_unplugged(),
            32..34 => self.rig.servo().overheat(id),
            34..38 => self.rig.servo().cool(id),
            38..40 => self.rig.servo().stick_encoder(id, true),
            40..43 => self.rig.servo().stick_encoder(id, false),
            43..45 => self.rig.servo().restart(id),
            45..48 => {
                self.rig.stop.stop();
                self.check_writes();
                self.may_move = false;
            }
            48..58 if !self.is_active => {
                self.check_writes();
                self.may_move = true;
                self.is_active = self.rig.activate().is_ok();
                if !self.is_active {
                    self.seen = self.rig.servo().write_count();
                    self.may_move = false;
                }
            }
            58..63 if self.is_active => {
                self.check_writes();
                self.rig.driver.deactivate();
                (self.is_active, self.may_move) = (false, false);
            }
            _ => {}
        }
    }

    fn tick(&mut self) {
        let read = self.rig.read();
        // The gate would be in FAULT now; what is commanded then is still written, or refused.
        let mut command = self.rig.hold();
        for joint in &mut command.joints {
            *joint = match self.random.random_range(0..20) {
                0 => JointCommand::UNUSED,
                _ => JointCommand::position(joint.position + self.random.random_range(-0.3..0.3)),
            };
        }
        let written = self.rig.write(&command);
        assert!(self.is_active || written.is_err());
        if read.is_ok() && self.is_active && self.may_move {
            assert!(written.is_ok());
        }
        self.check_writes();
    }

    /// Nothing but "torque off" while nothing may move.
    fn check_writes(&mut self) {
        let records = self.rig.servo().writes().split_off(self.seen);
        self.seen += records.len();
        if self.may_move {
            return;
        }
        for record in records {
            let is_motion = record.is_set_point() || record.written == Written::Torque(true);
            assert!(!is_motion, "{record:?}");
        }
    }

    /// All faults gone: the driver gets well by itself, and can be switched on and off.
    fn end(mut self) {
        self.rig.servo().clear_faults();
        self.rig.servo().replug_if_unplugged();
        for id in self.rig.servo().ids() {
            self.rig.servo().cool(id);
            self.rig.servo().stick_encoder(id, false);
            let range = servos(&self.rig.robot).joints.values().find(|j| j.id == id);
            let [low, high] = range.unwrap().range_ticks;
            self.rig.servo().place(id, i32::midpoint(low, high));
        }
        self.rig.driver.deactivate();
        let hold = self.rig.hold();
        self.rig.run(60, &hold).unwrap();
        let injected = self.rig.servo().injected();
        let counted = self.rig.counters();
        assert_eq!(counted.truncated, injected.lost_bytes, "{counted:?} {injected:?}");
        assert_eq!(counted.bad_checksum, injected.bad_checksums, "{counted:?} {injected:?}");
        assert_eq!(counted.wrong_id, injected.wrong_ids, "{counted:?} {injected:?}");
        assert_eq!(counted.no_reply, injected.missing, "{counted:?} {injected:?}");
        assert_eq!(counted.disconnects, injected.unplugs, "{counted:?} {injected:?}");
        for id in self.rig.servo().ids() {
            assert!(!self.rig.servo().servo(id).has_torque);
        }
        self.rig.activate().unwrap();
        let hold = self.rig.hold();
        self.rig.run(3, &hold).unwrap();
        for id in self.rig.servo().ids() {
            assert!(self.rig.servo().servo(id).has_torque);
        }
        self.rig.driver.deactivate();
        for id in self.rig.servo().ids() {
            assert!(!self.rig.servo().servo(id).has_torque);
        }
    }
}

fn run(protocol: ServoProtocol) {
    let mut faults = 0;
    for seed in 0..SEQUENCES {
        let ended = std::panic::catch_unwind(|| {
            let mut sequence = Sequence::new(protocol, seed);
            for _ in 0..TICKS {
                sequence.step();
                sequence.tick();
            }
            let injected = sequence.rig.servo().injected();
            sequence.end();
            injected
        });
        let injected = ended.unwrap_or_else(|_| panic!("sequence {seed} of {protocol:?}"));
        faults += injected.lost_bytes + injected.bad_checksums + injected.wrong_ids;
        faults += injected.missing + injected.unplugs;
    }
    assert!(faults > 20 * SEQUENCES, "only {faults}");
}

#[test]
fn random_fault_sequences_end_in_a_defined_state_dynamixel() {
    run(ServoProtocol::Dynamixel);
}

#[test]
fn random_fault_sequences_end_in_a_defined_state_feetech_sts() {
    run(ServoProtocol::FeetechSts);
}

#[test]
fn random_fault_sequences_end_in_a_defined_state_feetech_scs() {
    run(ServoProtocol::FeetechScs);
}
