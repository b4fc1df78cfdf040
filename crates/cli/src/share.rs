//! Where the files that come with the program lie.

use std::path::{Path, PathBuf};

/// A file that the folder is known by.
const MARK: &str = "launch/tabletop.launch.yaml";

/// What `$(find-pkg-share sinew)` stands for: SINEW_SHARE; else PREFIX/share/sinew of a program
/// that is installed as PREFIX/bin/sinew or, as ROS 2 does, as PREFIX/lib/sinew/sinew; else the
/// repository that the program lies in or was built from.
pub(crate) fn share() -> PathBuf {
    if let Some(folder) = std::env::var_os("SINEW_SHARE") {
        return folder.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    beside(&program).unwrap_or_else(|| repository.canonicalize().unwrap_or(repository))
}

/// The first folder around `program` that holds the files.
fn beside(program: &Path) -> Option<PathBuf> {
    let prefixes = program.ancestors().skip(2).take(2).map(|prefix| prefix.join("share/sinew"));
    let repositories = program.ancestors().map(Path::to_path_buf);
    prefixes.chain(repositories).find(|folder| folder.join(MARK).is_file())
}

/// The launch file that commands use when none is named.
pub(crate) fn default_launch() -> PathBuf {
    share().join(MARK)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A folder in which `folder` holds the files.
    fn with_files_in(folder: &str) -> tempfile::TempDir {
        let made = tempfile::tempdir().unwrap();
        let mark = made.path().join(folder).join(MARK);
        std::fs::create_dir_all(mark.parent().unwrap()).unwrap();
        std::fs::write(mark, "launch: []").unwrap();
        made
    }

    #[test]
    fn an_installed_program_finds_the_files_of_its_prefix() {
        let prefix = with_files_in("share/sinew");
        let files = Some(prefix.path().join("share/sinew"));
        assert_eq!(beside(&prefix.path().join("bin/sinew")), files);
        assert_eq!(beside(&prefix.path().join("lib/sinew/sinew")), files);
        assert_eq!(beside(&prefix.path().join("opt/a/b/sinew")), None, "another prefix");
    }

    #[test]
    fn a_program_in_a_repository_finds_the_repository() {
        let repository = with_files_in("");
        let found = beside(&repository.path().join("target/release/deps/sinew"));
        assert_eq!(found.as_deref(), Some(repository.path()));
    }
}
