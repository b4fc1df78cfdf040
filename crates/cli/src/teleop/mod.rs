//! Devices that a person moves the robot with, and what they are shown.

pub(crate) mod joystick;
pub(crate) mod keyboard;
mod screen;

use std::sync::mpsc::{Receiver, TryRecvError};

use anyhow::Result;
use sinew_bus::{Bus, names};
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::{Pads, TeleopMonitor, TeleopNode, follow};
use sinew_teleop::Pad;

use crate::exit::refused;

/// A running robot, and what the node at it is called.
pub(crate) struct System {
    pub(crate) bus: Bus,
    pub(crate) arguments: NodeArguments,
}

impl System {
    /// A node that moves the robot by this device.
    fn node(&self, pads: Receiver<Pad>) -> Result<TeleopNode> {
        let pads = device(pads);
        TeleopNode::with_device(&self.bus, &self.arguments, pads).map_err(refused)
    }

    /// Steps the node until `stop` says so.
    fn follow(&self, node: &mut TeleopNode, stop: impl Fn() -> bool) -> Result<()> {
        let clock = self.bus.node("teleop_clock", &self.arguments.namespace)?;
        let clock = clock.subscription(&names::ROBOT_TICK)?;
        Ok(follow(node, &self.bus, &clock, stop)?)
    }
}

/// The reports of a device on another thread; one that has ended is unplugged.
fn device(pads: Receiver<Pad>) -> Pads {
    let mut ended = false;
    Box::new(move || match pads.try_recv() {
        Ok(pad) => Some(pad),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => {
            let first = !std::mem::replace(&mut ended, true);
            first.then(Pad::default)
        }
    })
}

/// One line on what the session does, for a terminal without a screen of its own.
fn line(monitor: &TeleopMonitor) -> String {
    let status = monitor.status();
    let mut line = format!("{}: {}", status.mode, status.phase);
    if !status.detail.is_empty() {
        line += &format!(" ({})", status.detail);
    }
    match status.notes.back() {
        Some(note) => format!("{line}; {note}"),
        None => line,
    }
}
