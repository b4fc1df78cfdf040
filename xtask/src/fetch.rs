//! Brings one native library into `.native`: download, hash check, unpack, swap in.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::library::Library;
use crate::progress::Progress;
use crate::python;
use crate::workspace::Workspace;

/// Folders of downloads under way start so; what an interrupted run leaves is removed by the next.
const SCRATCH_PREFIX: &str = "fetch-";
/// Holds the hash of the wheel that the folder was unpacked from.
const STAMP: &str = ".wheel-sha256";

/// True if `.native` holds the pinned wheel's content.
pub(crate) fn is_fetched(workspace: &Workspace, library: &Library) -> bool {
    let folder = workspace.native().join(library.folder);
    let stamp = fs::read_to_string(folder.join(STAMP)).unwrap_or_default();
    library.sha256_for(std::env::consts::ARCH) == Some(stamp.trim())
        && folder.join(library.file).is_file()
}

/// Downloads and unpacks `library`. The finished folder is swapped in by a rename, so that an
/// interrupted run leaves either the old content or none, never a half.
pub(crate) fn fetch(workspace: &Workspace, library: &Library) -> Result<()> {
    let architecture = std::env::consts::ARCH;
    let pinned = library.sha256_for(architecture).filter(|_| cfg!(target_os = "linux"));
    let Some(pinned) = pinned else {
        bail!(
            "no {} is pinned for {architecture} {}: set {} to {} of your own",
            library.name(),
            std::env::consts::OS,
            library.variable,
            library.variable_names
        );
    };
    let scratch = tempfile::Builder::new()
        .prefix(SCRATCH_PREFIX)
        .tempdir_in(workspace.native())
        .context("cannot make a folder for the download in .native")?;

    let progress = Progress::start(library.name(), "fetching from the Python package index");
    let wheel = python::download_wheel(library, architecture, &scratch.path().join("wheel"))?;
    progress.now("checking and unpacking");
    check_hash(&wheel, pinned, library)?;
    let unpacked = scratch.path().join("unpacked");
    unpack(&wheel, library, &unpacked)
        .with_context(|| format!("cannot unpack {}", wheel.display()))?;
    fs::write(unpacked.join(STAMP), pinned)?;

    let folder = workspace.native().join(library.folder);
    if folder.symlink_metadata().is_ok() {
        fs::rename(&folder, scratch.path().join("replaced"))?;
    }
    fs::rename(&unpacked, &folder)
        .with_context(|| format!("cannot put {} in its place", folder.display()))?;
    progress.done(&format!("ready in {}", workspace.short(&folder)));
    Ok(())
}

/// Removes what interrupted downloads left. The caller holds the lock on `.native`.
pub(crate) fn clean_up(workspace: &Workspace) -> io::Result<()> {
    for entry in fs::read_dir(workspace.native())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX) {
            // A pip that outlived its killed set-up may still write there; the next run removes it.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    Ok(())
}

fn check_hash(wheel: &Path, pinned: &str, library: &Library) -> Result<()> {
    let actual = sha256_hex(File::open(wheel)?)?;
    ensure!(
        actual == pinned,
        "the download of {} has the wrong SHA-256 ({actual}, pinned is {pinned}) and was thrown \
         away: try again, check the package index that pip uses, or set {} to {} of your own",
        library.name(),
        library.variable,
        library.variable_names
    );
    Ok(())
}

/// SHA-256 of all that `source` gives, in lower-case hexadecimal digits.
pub(crate) fn sha256_hex(mut source: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut source, &mut hasher)?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unpack(wheel: &Path, library: &Library, folder: &Path) -> Result<()> {
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let Some(name) = entry.enclosed_name() else { continue };
        let Some(place) = library.place(&name.to_string_lossy()) else { continue };
        if entry.is_dir() {
            continue;
        }
        let target: PathBuf = folder.join(place);
        fs::create_dir_all(target.parent().context("an entry of a wheel has a folder")?)?;
        io::copy(&mut entry, &mut File::create(&target)?)?;
    }
    ensure!(
        folder.join(library.file).is_file(),
        "it does not hold {}",
        library.parts.first().map_or(library.file, |(from, _)| from)
    );
    for (link, target) in library.links {
        std::os::unix::fs::symlink(target, folder.join(link))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;
    use crate::library::MUJOCO;

    fn wheel_with(entries: &[(&str, &str)], folder: &Path) -> PathBuf {
        let path = folder.join("some.whl");
        let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, content) in entries {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    #[test]
    fn hash_is_the_standard_one() {
        assert_eq!(
            sha256_hex(&b"abc"[..]).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn unpacks_library_headers_and_link() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = wheel_with(
            &[
                ("mujoco/libmujoco.so.3.17.0", "library"),
                ("mujoco/include/mujoco/mujoco.h", "header"),
                ("mujoco/__init__.py", "python"),
                ("../outside", "never written"),
            ],
            folder.path(),
        );
        let target = folder.path().join("a/b");
        unpack(&wheel, &MUJOCO, &target).unwrap();
        assert_eq!(fs::read_to_string(target.join("lib/libmujoco.so")).unwrap(), "library");
        assert_eq!(fs::read_to_string(target.join("include/mujoco/mujoco.h")).unwrap(), "header");
        assert!(!target.join("__init__.py").exists());
        assert!(!folder.path().join("a/outside").exists());
    }

    #[test]
    fn a_wheel_without_the_library_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = wheel_with(&[("mujoco/__init__.py", "python")], folder.path());
        let error = unpack(&wheel, &MUJOCO, &folder.path().join("a")).unwrap_err();
        assert_eq!(error.to_string(), "it does not hold mujoco/libmujoco.so.3.17.0");
    }

    #[test]
    fn a_folder_without_the_pinned_stamp_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(root.path());
        let lib = workspace.native().join("mujoco/lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("libmujoco.so.3.17.0"), "half").unwrap();
        assert!(!is_fetched(&workspace, &MUJOCO));
        fs::write(workspace.native().join("mujoco").join(STAMP), "another hash").unwrap();
        assert!(!is_fetched(&workspace, &MUJOCO));
    }

    #[test]
    fn left_over_downloads_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(root.path());
        fs::create_dir_all(workspace.native().join("fetch-abc/wheel")).unwrap();
        fs::create_dir_all(workspace.native().join("mujoco")).unwrap();
        clean_up(&workspace).unwrap();
        assert!(!workspace.native().join("fetch-abc").exists());
        assert!(workspace.native().join("mujoco").exists());
    }
}
