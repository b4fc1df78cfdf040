//! Serial ports and joysticks.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Check;

pub(super) fn serial_ports() -> Vec<Check> {
    const NAME: &str = "serial port";
    // Opening one would set its control lines, which resets some boards: only the permission is tried.
    let ports = under("/dev", |name| name.starts_with("ttyUSB") || name.starts_with("ttyACM"));
    if ports.is_empty() {
        let mend = "for a robot on a servo bus: plug in its adapter (/dev/ttyUSB*, /dev/ttyACM*)";
        return Check::warning(NAME, "none", mend);
    }
    let judge = |port: &PathBuf| {
        let named = match by_id(port) {
            Some(id) => format!("{} ({id})", port.display()),
            None => port.display().to_string(),
        };
        if access(port, Access::READ_OK | Access::WRITE_OK).is_ok() {
            return Check::ok(NAME, named);
        }
        let mend = "sudo usermod -aG dialout $USER; then log in again";
        Check::warning(NAME, format!("{named}: no permission"), mend)
    };
    ports.iter().flat_map(judge).collect()
}

pub(super) fn joysticks() -> Vec<Check> {
    const NAME: &str = "joystick";
    let joysticks = under("/dev/input/by-id", |name| name.ends_with("-event-joystick"));
    if joysticks.is_empty() {
        return Check::warning(NAME, "none", "for teleop by joystick: plug one in");
    }
    let judge = |joystick: &PathBuf| {
        let name = joystick.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if access(joystick, Access::READ_OK).is_ok() {
            return Check::ok(NAME, name);
        }
        let mend = "sudo usermod -aG input $USER; then log in again";
        Check::warning(NAME, format!("{name}: no permission"), mend)
    };
    joysticks.iter().flat_map(judge).collect()
}

/// Files of a folder whose names are wanted, in order.
fn under(folder: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let wanted = entries.filter(|entry| is_wanted(&entry.file_name().to_string_lossy()));
    let mut paths: Vec<PathBuf> = wanted.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The name of a port that stays the same in any socket.
fn by_id(port: &Path) -> Option<String> {
    let links = under("/dev/serial/by-id", |_| true);
    let link = links
        .into_iter()
        .find(|link| std::fs::canonicalize(link).is_ok_and(|target| target == port))?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}
