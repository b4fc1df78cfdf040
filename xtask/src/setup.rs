//! Set-up: what is missing on the system, then the native libraries.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::fetch;
use crate::library::{Library, MUJOCO, ONNX_RUNTIME};
use crate::python;
use crate::system::{self, Needs};
use crate::workspace::Workspace;

/// Makes the workspace ready to build and run.
pub(crate) fn libraries(workspace: &Workspace) -> Result<()> {
    set_up(workspace, false).map(drop)
}

/// The same, and the Python peers of the tests. Returns their interpreter.
pub(crate) fn libraries_and_test_peers(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = set_up(workspace, true)?;
    let python = python::prepare_venv(workspace)?;
    // Before anything is built, so that a missing package is told at once.
    let script = workspace.root().join("tests/ros2/environment.sh");
    let made = Command::new(&script).stdout(Stdio::null()).status();
    let made = made.with_context(|| format!("cannot start {}", script.display()))?;
    if !made.success() {
        bail!("{} found no ROS 2 to test with, and made none", script.display());
    }
    Ok(python)
}

/// Returns the lock on `.native`, for what else is to be done there.
fn set_up(workspace: &Workspace, test_peers: bool) -> Result<File> {
    let users_own = [
        (&ONNX_RUNTIME, users_onnx_runtime(std::env::var_os(ONNX_RUNTIME.variable))?),
        (&MUJOCO, users_mujoco(workspace, std::env::var_os(MUJOCO.variable))?),
    ];
    fs::create_dir_all(workspace.native())
        .with_context(|| format!("cannot make {}", workspace.native().display()))?;
    let lock = lock(workspace)?;
    fetch::clean_up(workspace)?;

    let to_fetch: Vec<&Library> = users_own
        .iter()
        .filter(|(library, own)| own.is_none() && !fetch::is_fetched(workspace, library))
        .map(|(library, _)| *library)
        .collect();
    system::check(Needs { pip: !to_fetch.is_empty(), venv: test_peers })?;

    for (library, own) in &users_own {
        match own {
            Some(path) => eprintln!(
                "{}: yours is used, {} (from {})",
                library.title,
                path.display(),
                library.variable
            ),
            None if to_fetch.iter().any(|other| other.title == library.title) => {
                fetch::fetch(workspace, library)?;
            }
            None => eprintln!(
                "{}: ready in {}",
                library.name(),
                workspace.short(&workspace.native().join(library.folder))
            ),
        }
    }
    Ok(lock)
}

/// Two set-ups at once would swap folders under each other's feet.
fn lock(workspace: &Workspace) -> Result<File> {
    let path = workspace.native().join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("waiting for another set-up to end ...");
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

fn users_onnx_runtime(variable: Option<OsString>) -> Result<Option<PathBuf>> {
    let Some(path) = variable.filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    if !path.is_file() {
        bail!(
            "ORT_DYLIB_PATH={} is not a file: let it name a libonnxruntime.so, or unset it",
            path.display()
        );
    }
    Ok(Some(path))
}

/// `.cargo/config.toml` gives the variable its default, so only another folder is the user's.
fn users_mujoco(workspace: &Workspace, variable: Option<OsString>) -> Result<Option<PathBuf>> {
    let default = workspace.native().join(MUJOCO.folder).join("lib");
    let Some(folder) = variable.map(PathBuf::from).filter(|folder| *folder != default) else {
        return Ok(None);
    };
    let library = folder.join("libmujoco.so");
    if folder.is_relative() || !library.is_file() {
        bail!(
            "MUJOCO_DYNAMIC_LINK_DIR={} is not the absolute path of a folder with libmujoco.so: \
             correct it, or unset it",
            folder.display()
        );
    }
    if let Some(version) = version_in_name(&library).filter(|version| version != MUJOCO.version) {
        bail!(
            "MUJOCO_DYNAMIC_LINK_DIR={} holds MuJoCo {version}, needed is {}: name a folder of \
             that version, or unset it",
            folder.display(),
            MUJOCO.version
        );
    }
    Ok(Some(folder))
}

/// "3.17.0" for a link to libmujoco.so.3.17.0; `None` for a file that does not name its version.
fn version_in_name(library: &Path) -> Option<String> {
    let real = fs::canonicalize(library).ok()?;
    Some(real.file_name()?.to_str()?.strip_prefix("libmujoco.so.")?.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_default_folder_is_not_the_users() {
        let workspace = Workspace::at(Path::new("/nowhere"));
        let default = Some(OsString::from("/nowhere/.native/mujoco/lib"));
        assert_eq!(users_mujoco(&workspace, default).unwrap(), None);
        assert_eq!(users_mujoco(&workspace, None).unwrap(), None);
    }

    #[test]
    fn a_users_mujoco_is_taken_if_its_version_fits() {
        let workspace = Workspace::at(Path::new("/nowhere"));
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("libmujoco.so");
        fs::write(folder.path().join("libmujoco.so.3.17.0"), "").unwrap();
        symlink("libmujoco.so.3.17.0", &link).unwrap();
        let variable = Some(folder.path().as_os_str().to_owned());
        assert_eq!(
            users_mujoco(&workspace, variable.clone()).unwrap().as_deref(),
            Some(folder.path())
        );

        fs::remove_file(&link).unwrap();
        fs::write(folder.path().join("libmujoco.so.2.3.7"), "").unwrap();
        symlink("libmujoco.so.2.3.7", &link).unwrap();
        let error = users_mujoco(&workspace, variable.clone()).unwrap_err().to_string();
        assert!(error.contains("holds MuJoCo 2.3.7, needed is 3.17.0"), "{error}");

        fs::remove_file(&link).unwrap();
        let error = users_mujoco(&workspace, variable).unwrap_err().to_string();
        assert!(error.contains("not the absolute path of a folder with libmujoco.so"), "{error}");
    }

    #[test]
    fn a_users_onnx_runtime_must_exist() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let variable = Some(file.path().as_os_str().to_owned());
        assert_eq!(users_onnx_runtime(variable).unwrap().as_deref(), Some(file.path()));
        assert_eq!(users_onnx_runtime(Some(OsString::new())).unwrap(), None);
        let error = users_onnx_runtime(Some("/no/such/lib.so".into())).unwrap_err().to_string();
        assert!(error.starts_with("ORT_DYLIB_PATH=/no/such/lib.so is not a file"), "{error}");
    }
}
