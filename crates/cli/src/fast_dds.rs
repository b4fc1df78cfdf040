//! What Fast DDS, ROS 2's usual middleware, is told by a file, since rcl has no words for it: `launch/fast_dds.xml` says
//! what and why.

use std::path::PathBuf;
use std::process::Command;

use crate::share::share;

/// Where Fast DDS 3 looks for the file.
const VARIABLE: &str = "FASTDDS_DEFAULT_PROFILES_FILE";

pub(crate) fn shipped_profiles() -> PathBuf {
    share().join("launch/fast_dds.xml")
}

/// Has this process use the shipped file, unless the user named another.
///
/// To be called first in `main`.
#[allow(unsafe_code)]
pub(crate) fn use_shipped_profiles() {
    let file = shipped_profiles();
    if std::env::var_os(VARIABLE).is_none() && file.is_file() {
        // SAFETY: this program has started no thread yet. One that a library brought may read the environment meanwhile;
        // the first change of it does not free what such a thread reads.
        unsafe { std::env::set_var(VARIABLE, file) };
    }
}

/// The file that the user named, if it does not say how types are told, as the shipped one does.
pub(crate) fn unsuited_profiles() -> Option<PathBuf> {
    let file = PathBuf::from(std::env::var_os(VARIABLE)?);
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    (!text.contains("fastdds.type_propagation")).then_some(file)
}

/// Leaves the shipped file out of what a program of somebody else's inherits.
pub(crate) fn withhold_shipped_profiles(command: &mut Command) {
    if std::env::var_os(VARIABLE).is_some_and(|named| named == shipped_profiles()) {
        command.env_remove(VARIABLE);
    }
}
