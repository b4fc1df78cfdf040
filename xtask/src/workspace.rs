//! Where things lie in the workspace.

use std::path::{Path, PathBuf};

/// The workspace that the command was called in, and the folders that set-up fills.
///
/// ```text
/// .native/                                   git-ignored
///   onnxruntime/libonnxruntime.so.1.31.1     found there by the `sinew` binary at run time
///   mujoco/lib/libmujoco.so -> libmujoco.so.3.17.0
///   mujoco/lib/libmujoco.so.3.17.0           found through the rpath in each binary
///   mujoco/include/mujoco/*.h
///   venv/                                    Python peers of the tests
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// `cargo run` names the folder of this package in the environment; the compile-time value
    /// serves a binary that was started by hand.
    pub(crate) fn locate() -> Self {
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package.parent().map_or_else(|| package.clone(), Path::to_path_buf);
        Self { root }
    }

    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The git-ignored folder that holds everything that set-up fetches.
    pub(crate) fn native(&self) -> PathBuf {
        self.root.join(".native")
    }

    /// The virtual environment with the tests' Python peers.
    pub(crate) fn venv(&self) -> PathBuf {
        self.native().join("venv")
    }

    /// The pinned Python packages that the virtual environment holds.
    pub(crate) fn requirements(&self) -> PathBuf {
        self.root.join("tests/requirements.txt")
    }

    /// `path` as a reader in the workspace would name it.
    pub(crate) fn short<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
