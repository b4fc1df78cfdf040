//! Where the files that come with the program lie.

use std::path::{Path, PathBuf};

/// A file that the folder is known by.
const MARK: &str = "launch/tabletop.launch.yaml";

/// What `$(find-pkg-share sinew)` stands for: SINEW_SHARE; else the `share/sinew` beside an
/// installed program's folder; else the repository that the program lies in or was built from.
pub(crate) fn share() -> PathBuf {
    if let Some(folder) = std::env::var_os("SINEW_SHARE") {
        return folder.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let installed = program.ancestors().nth(2).map(|prefix| prefix.join("share/sinew"));
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built_from = repository.canonicalize().unwrap_or(repository);
    installed
        .into_iter()
        .chain(program.ancestors().map(Path::to_path_buf))
        .find(|folder| folder.join(MARK).is_file())
        .unwrap_or(built_from)
}

/// The launch file that commands use when none is named.
pub(crate) fn default_launch() -> PathBuf {
    share().join(MARK)
}
