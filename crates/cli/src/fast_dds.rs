//! What Fast DDS, ROS 2's usual middleware, is told by a file, since rcl has no words for it: `launch/fast_dds.xml` says
//! what and why.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::share::share;

/// Where Fast DDS 3 looks for the file.
const VARIABLE: &str = "FASTDDS_DEFAULT_PROFILES_FILE";
/// What it reads besides, in the working directory. Its default profile wins.
const IN_WORKING_DIRECTORY: &str = "DEFAULT_FASTDDS_PROFILES.xml";

/// Whether the variable was set by this process.
static IS_OURS: AtomicBool = AtomicBool::new(false);

pub(crate) fn shipped_profiles() -> PathBuf {
    share().join("launch/fast_dds.xml")
}

fn named() -> Option<OsString> {
    std::env::var_os(VARIABLE).filter(|file| !file.is_empty())
}

/// Has this process use the shipped file, unless the user named another.
///
/// To be called first in `main`.
#[allow(unsafe_code)]
pub(crate) fn use_shipped_profiles() {
    let file = shipped_profiles();
    if named().is_none() && file.is_file() {
        // SAFETY: this program has started no thread yet. One that a library brought may read the environment meanwhile;
        // the first change of it does not free what such a thread reads.
        unsafe { std::env::set_var(VARIABLE, file) };
        IS_OURS.store(true, Ordering::Relaxed);
    }
}

/// Leaves the shipped file out of what a program of somebody else's inherits.
pub(crate) fn withhold_shipped_profiles(command: &mut Command) {
    if IS_OURS.load(Ordering::Relaxed) {
        command.env_remove(VARIABLE);
    }
}

/// What is wrong with the profiles that this process goes by, if they do not keep Fast DDS from looking types up.
pub(crate) fn unsuited_profiles() -> Option<String> {
    let local = Path::new(IN_WORKING_DIRECTORY);
    let named = named().map(PathBuf::from);
    let file = if local.is_file() { Some(local.to_owned()) } else { named };
    let Some(file) = file else {
        return Some(format!("{} is not there", shipped_profiles().display()));
    };
    let name = file.display();
    match std::fs::read_to_string(&file) {
        Err(error) => Some(format!("{name}: cannot be read: {error}")),
        Ok(text) if looks_types_up(&text) => Some(format!("{name} lets Fast DDS 3 look types up")),
        Ok(_) => None,
    }
}

/// Whether a file of profiles lacks the property by which the shipped one keeps Fast DDS from it.
fn looks_types_up(profiles: &str) -> bool {
    let text: String = profiles.split_whitespace().collect();
    !["registration_only", "disabled"].iter().any(|value| {
        text.contains(&format!("<name>fastdds.type_propagation</name><value>{value}</value>"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_shipped_file_keeps_fast_dds_from_looking_types_up_and_another_value_does_not() {
        let shipped = std::fs::read_to_string(shipped_profiles()).unwrap();
        assert!(!looks_types_up(&shipped));
        assert!(looks_types_up(&shipped.replace("registration_only", "enabled")));
        assert!(looks_types_up("<!-- fastdds.type_propagation --><dds/>"));
    }
}
