//! What a newcomer meets when set-up cannot work: one clear line and a failure, for real. The
//! program runs in an empty workspace, so that nothing is found there.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An empty workspace, and a folder that stands for the PATH.
struct Newcomer {
    folder: tempfile::TempDir,
}

impl Newcomer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["xtask", "bin", "index"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `cargo xtask setup`, free of what this machine's user has set.
    fn setup(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("setup").env("CARGO_MANIFEST_DIR", self.path("xtask"));
        command.env_remove("ORT_DYLIB_PATH").env_remove("MUJOCO_DYNAMIC_LINK_DIR");
        command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_FIND_LINKS", "");
        command
    }

    /// The error line and whether anything was left of the library that failed.
    fn fail(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(output.stdout.is_empty());
        let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{stderr}");
        assert!(stderr.trim_end().ends_with(errors[0]), "the error is the last line: {stderr}");
        assert!(!self.path(".native/onnxruntime").exists(), "no half library");
        errors[0].to_owned()
    }

    /// A PATH with everything but `python3`.
    fn path_without_python(&self) -> PathBuf {
        let bin = self.path("bin");
        for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                if !name.to_string_lossy().starts_with("python") {
                    // The first of a name counts, as in a PATH.
                    symlink(entry.path(), bin.join(name)).ok();
                }
            }
        }
        bin
    }
}

#[test]
fn without_python_the_install_line_is_said() {
    let newcomer = Newcomer::new();
    let path = newcomer.path_without_python();
    let error = newcomer.fail(newcomer.setup().env("PATH", path));
    assert!(error.contains("python3 (to fetch the native libraries)"), "{error}");
    assert!(error.contains("apt-get install -y"), "{error}");
    assert!(error.ends_with("python3 python3-pip"), "{error}");
}

#[test]
fn without_pip_the_install_line_is_said() {
    let newcomer = Newcomer::new();
    let path = newcomer.path_without_python();
    let real =
        Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    // Without its site packages Python has no pip, as on a fresh Debian.
    write_program(&path.join("python3"), &format!("exec {} -I -S \"$@\"", real.trim()));
    let error = newcomer.fail(newcomer.setup().env("PATH", path));
    assert!(!error.contains("missing: python3"), "{error}");
    assert!(error.contains("pip for python3"), "{error}");
    assert!(error.ends_with("apt-get install -y python3-pip"), "{error}");
}

#[test]
fn offline_is_said() {
    let newcomer = Newcomer::new();
    // Port 9 is the discard service: nothing answers.
    let error = newcomer.fail(
        newcomer
            .setup()
            .env("PIP_INDEX_URL", "http://127.0.0.1:9/")
            .env_remove("PIP_EXTRA_INDEX_URL"),
    );
    assert!(error.contains("cannot fetch ONNX Runtime 1.31.1"), "{error}");
    assert!(error.contains("the Python package index cannot be reached"), "{error}");
    assert!(error.contains("set ORT_DYLIB_PATH to a libonnxruntime.so of your own"), "{error}");
}

#[test]
fn a_wheel_with_the_wrong_hash_is_thrown_away() {
    let newcomer = Newcomer::new();
    let index = newcomer.path("index");
    write_false_wheel(&index);
    let error =
        newcomer.fail(newcomer.setup().env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", &index));
    assert!(error.contains("the download of ONNX Runtime 1.31.1 has the wrong SHA-256"), "{error}");
    assert!(error.contains("try again"), "{error}");
}

#[test]
fn a_library_of_ones_own_that_is_not_there_is_named() {
    let newcomer = Newcomer::new();
    let error = newcomer.fail(newcomer.setup().env("ORT_DYLIB_PATH", "/no/such/lib.so"));
    assert!(error.contains("ORT_DYLIB_PATH=/no/such/lib.so is not a file"), "{error}");
    let error = newcomer.fail(newcomer.setup().env("MUJOCO_DYNAMIC_LINK_DIR", "/no/such/folder"));
    assert!(error.contains("MUJOCO_DYNAMIC_LINK_DIR=/no/such/folder is not"), "{error}");
}

#[test]
fn libraries_of_ones_own_are_used_and_nothing_is_fetched() {
    let newcomer = Newcomer::new();
    let mujoco = newcomer.path("index");
    fs::write(mujoco.join("libmujoco.so"), "").unwrap();
    let onnx_runtime = newcomer.path("libonnxruntime.so");
    fs::write(&onnx_runtime, "").unwrap();
    let output = newcomer
        .setup()
        .env("ORT_DYLIB_PATH", &onnx_runtime)
        .env("MUJOCO_DYNAMIC_LINK_DIR", &mujoco)
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("ONNX Runtime: yours is used"), "{stderr}");
    assert!(stderr.contains("MuJoCo: yours is used"), "{stderr}");
    assert!(!newcomer.path(".native/mujoco").exists());
}

fn write_program(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A wheel that pip accepts under the pinned name, with another content.
fn write_false_wheel(folder: &Path) {
    use std::io::Write;
    let architecture = std::env::consts::ARCH;
    let tag = format!("cp311-cp311-manylinux_2_28_{architecture}");
    let file = fs::File::create(folder.join(format!("onnxruntime-1.31.1-{tag}.whl"))).unwrap();
    let mut wheel = zip::ZipWriter::new(file);
    let entries = [
        ("onnxruntime/capi/libonnxruntime.so.1.31.1", "not the library".to_owned()),
        (
            "onnxruntime-1.31.1.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.31.1\n".to_owned(),
        ),
        (
            "onnxruntime-1.31.1.dist-info/WHEEL",
            format!("Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n"),
        ),
        ("onnxruntime-1.31.1.dist-info/RECORD", String::new()),
    ];
    for (name, content) in entries {
        wheel.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        wheel.write_all(content.as_bytes()).unwrap();
    }
    wheel.finish().unwrap();
}
