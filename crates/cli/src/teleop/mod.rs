//! Devices that a person moves the robot with, and what they are shown.

pub(crate) mod joystick;
pub(crate) mod keyboard;
mod screen;

use std::sync::mpsc::{Receiver, TryRecvError};

use anyhow::Result;
use sinew_bus::Bus;
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::{Pads, TeleopMonitor, TeleopNode, run_teleop};
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

    /// Runs the node until `stop` says so.
    fn run(&self, node: TeleopNode, stop: impl Fn() -> bool) -> Result<()> {
        Ok(run_teleop(node, &self.bus, &self.arguments, stop)?)
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
