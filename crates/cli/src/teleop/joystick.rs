//! A gamepad or joystick of this machine, by Linux's evdev.
//!
//! The kernel is asked for the state of each axis and button at a fixed rate, rather than for events:
//! an event that does not come says nothing, an answer that does not come says that the device is gone.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use evdev::{AbsoluteAxisCode, AttributeSetRef, Device, KeyCode};
use sinew_teleop::Pad;

use super::{System, line};
use crate::interrupt;

/// Between two polls.
const PERIOD: Duration = Duration::from_millis(10);
/// Between two attempts to find a device that is gone.
const SEARCH_PERIOD: Duration = Duration::from_millis(500);
/// Where event files lie.
const FOLDER: &str = "/dev/input";
/// From this code on, buttons are those of joysticks and gamepads (BTN_JOYSTICK).
const FIRST_BUTTON: u16 = 0x120;
/// Buttons from here on are of other devices (BTN_DIGI).
const END_OF_BUTTONS: u16 = 0x140;
/// The company that makes PlayStations.
const SONY: u16 = 0x054c;

/// An open device.
pub(crate) struct Joystick {
    device: Device,
    path: PathBuf,
    /// As it was asked for; none for the first that is found.
    wanted: Option<PathBuf>,
    buttons: Vec<KeyCode>,
    axes: Vec<AbsoluteAxisCode>,
}

impl Joystick {
    /// Opens this event file, or the first that is a gamepad or joystick.
    pub(crate) fn open(wanted: Option<&Path>) -> Result<Self> {
        if let Some(path) = wanted {
            let device = Device::open(path).with_context(|| path.display().to_string())?;
            if !is_joystick(&device) {
                bail!("{}: neither gamepad nor joystick", path.display());
            }
            return Ok(Self::new(device, path.into(), Some(path.into())));
        }
        let mut closed = Vec::new();
        for path in event_files() {
            match Device::open(&path) {
                Ok(device) if is_joystick(&device) => return Ok(Self::new(device, path, None)),
                Ok(_) => {}
                Err(_) => closed.push(path.display().to_string()),
            }
        }
        let hint = if closed.is_empty() {
            "plug one in, or try `sinew teleop keyboard`".to_owned()
        } else {
            format!("these may not be read, join the group `input`: {}", closed.join(", "))
        };
        bail!("no gamepad or joystick in {FOLDER}; {hint}")
    }

    fn new(device: Device, path: PathBuf, wanted: Option<PathBuf>) -> Self {
        let buttons = device.supported_keys().map(buttons).unwrap_or_default();
        let axes = device.supported_absolute_axes().map(|all| all.iter().collect());
        Self { device, path, wanted, buttons, axes: axes.unwrap_or_default() }
    }

    /// For people.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.device.name().unwrap_or("joystick"), self.path.display())
    }

    /// Whether its buttons are those of a PlayStation's controller.
    pub(crate) fn is_playstation(&self) -> bool {
        self.device.input_id().vendor() == SONY
    }

    /// Maker and product.
    fn kind(&self) -> (u16, u16) {
        let id = self.device.input_id();
        (id.vendor(), id.product())
    }

    /// Its present state, numbered `seq`; an error once it is gone.
    fn read(&self, seq: u64) -> std::io::Result<Pad> {
        let pressed = self.device.get_key_state()?;
        let state = self.device.get_abs_state()?;
        let axes = self.axes.iter().map(|axis| {
            let info = state[usize::from(axis.0)];
            normal(info.value, info.minimum, info.maximum)
        });
        let axes = axes.collect();
        let buttons = self.buttons.iter().map(|button| pressed.contains(*button)).collect();
        Ok(Pad { connected: true, seq, axes, buttons })
    }
}

/// Moves the robot until Ctrl-C.
pub(crate) fn run(joystick: Joystick, system: &System) -> Result<()> {
    let (sender, receiver) = channel();
    let node = system.node(receiver)?;
    let monitor = node.monitor();
    // Not joined: it ends with the channel, or with the program.
    std::thread::spawn(move || poll(joystick, &sender));
    let told = std::cell::RefCell::new(String::new());
    system.run(node, || {
        let now = line(&monitor);
        if now != *told.borrow() {
            outln!("{now}");
            *told.borrow_mut() = now;
        }
        interrupt::is_set()
    })
}

/// Reports the device's state at a fixed rate, and looks for it again when it is gone.
fn poll(mut joystick: Joystick, sender: &Sender<Pad>) {
    let mut seq = 0;
    loop {
        seq += 1;
        let (pad, pause) = match joystick.read(seq) {
            Ok(pad) => (pad, PERIOD),
            Err(_) => {
                // The mapping was chosen for this kind of device: another kind does not take its place.
                let found = Joystick::open(joystick.wanted.as_deref());
                if let Some(found) = found.ok().filter(|found| found.kind() == joystick.kind()) {
                    joystick = found;
                }
                (Pad::default(), SEARCH_PERIOD)
            }
        };
        if sender.send(pad).is_err() {
            return;
        }
        std::thread::sleep(pause);
    }
}

/// Event files in the order of their numbers.
fn event_files() -> Vec<PathBuf> {
    let number = |path: &PathBuf| -> Option<u32> {
        path.file_name()?.to_str()?.strip_prefix("event")?.parse().ok()
    };
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| number(path).is_some()).collect();
    files.sort_by_key(number);
    files
}

fn is_joystick(device: &Device) -> bool {
    let has_axes = device.supported_absolute_axes().is_some_and(|axes| axes.iter().count() > 0);
    let has_buttons = device
        .supported_keys()
        .is_some_and(|keys| keys.iter().any(|key| (FIRST_BUTTON..END_OF_BUTTONS).contains(&key.0)));
    has_axes && has_buttons
}

/// Buttons in the order of Linux's joystick interface: those of joysticks and gamepads first.
fn buttons(keys: &AttributeSetRef<KeyCode>) -> Vec<KeyCode> {
    /// Below this are the keys of keyboards (BTN_MISC).
    const FIRST_KEY: u16 = 0x100;
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for key in keys.iter().filter(|key| key.0 >= FIRST_KEY) {
        if key.0 >= FIRST_BUTTON { first.push(key) } else { others.push(key) }
    }
    first.append(&mut others);
    first
}

/// -1 to 1, with left and up positive as in ROS 2; Linux counts right and down as positive.
fn normal(value: i32, minimum: i32, maximum: i32) -> f64 {
    let (low, high) = (f64::from(minimum), f64::from(maximum));
    if high <= low {
        return 0.0;
    }
    (1.0 - 2.0 * (f64::from(value) - low) / (high - low)).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_and_up_are_positive_and_a_trigger_at_rest_is_one() {
        assert_eq!(normal(-32768, -32768, 32767), 1.0);
        assert_eq!(normal(32767, -32768, 32767), -1.0);
        assert!(normal(0, -32768, 32767).abs() < 1e-4);
        assert_eq!(normal(0, 0, 1023), 1.0);
        assert_eq!(normal(1023, 0, 1023), -1.0);
        assert_eq!(normal(3, 0, 0), 0.0);
    }
}
