//! Finds what the system lacks before anything is downloaded or built, and says the one command
//! that installs it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::python;

/// What the work ahead asks of the system, beyond a compiler and the renderer's libraries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    /// Something is to be downloaded.
    pub(crate) pip: bool,
    /// A virtual environment is to be made.
    pub(crate) venv: bool,
}

/// One thing that the system must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requirement {
    CCompiler,
    Egl,
    EglDriver,
    SoftwareRenderer,
    Python,
    Pip,
    Venv,
}

use Requirement::{CCompiler, Egl, EglDriver, Pip, Python, SoftwareRenderer, Venv};

impl Requirement {
    /// What it is, and what for.
    fn purpose(self) -> &'static str {
        match self {
            CCompiler => "a C compiler with its headers (to build C parts of dependencies)",
            Egl => "libEGL.so.1 (to render camera pictures)",
            EglDriver => "an EGL driver, libEGL_mesa.so.0 (to render camera pictures)",
            SoftwareRenderer => "Mesa's swrast_dri.so (to render without a GPU)",
            Python => "python3 (to fetch the native libraries)",
            Pip => "pip for python3 (to fetch the native libraries)",
            Venv => "venv for python3 (to hold the tests' peers)",
        }
    }

    /// Debian packages that bring it.
    fn packages(self) -> &'static [&'static str] {
        match self {
            CCompiler => &["gcc", "libc6-dev"],
            Egl => &["libegl1"],
            EglDriver => &["libegl-mesa0"],
            SoftwareRenderer => &["libgl1-mesa-dri"],
            Python => &["python3"],
            Pip => &["python3-pip"],
            Venv => &["python3-venv"],
        }
    }

    fn is_met(self) -> bool {
        match self {
            CCompiler => c_compiler_works(),
            Egl => has_library("libEGL.so.1"),
            EglDriver => has_library("libEGL_mesa.so.0") || has_library(NVIDIA_EGL),
            SoftwareRenderer => has_software_renderer() || has_library(NVIDIA_EGL),
            Python => python::succeeds(&["-V"]),
            Pip => python::succeeds(&["-m", "pip", "--version"]),
            Venv => python::succeeds(&["-c", "import venv, ensurepip"]),
        }
    }
}

/// NVIDIA's driver brings its own renderer; Mesa's is not needed beside it.
const NVIDIA_EGL: &str = "libEGL_nvidia.so.0";

/// Fails with all that is missing and one install line; the whole message is one line.
pub(crate) fn check(needs: Needs) -> Result<()> {
    let missing = missing(needs, Requirement::is_met);
    if !missing.is_empty() {
        bail!("{}", message(&missing, runs_as_root()));
    }
    Ok(())
}

fn missing(needs: Needs, is_met: impl Fn(Requirement) -> bool) -> Vec<Requirement> {
    let mut wanted = vec![CCompiler, Egl, EglDriver, SoftwareRenderer];
    if needs.pip || needs.venv {
        wanted.push(Python);
    }
    if needs.pip {
        wanted.push(Pip);
    }
    if needs.venv {
        wanted.push(Venv);
    }
    wanted.retain(|requirement| !is_met(*requirement));
    wanted
}

fn message(missing: &[Requirement], root: bool) -> String {
    let purposes: Vec<_> = missing.iter().map(|requirement| requirement.purpose()).collect();
    let packages: Vec<_> =
        missing.iter().flat_map(|requirement| requirement.packages()).copied().collect();
    let sudo = if root { "" } else { "sudo " };
    format!(
        "missing: {}; on Debian and Ubuntu run: {sudo}apt-get install -y {}",
        purposes.join(", "),
        packages.join(" ")
    )
}

fn runs_as_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Compiles a program of three lines: a compiler without the C library's headers or start files
/// (Debian's gcc alone) does not do.
fn c_compiler_works() -> bool {
    let child = Command::new("cc")
        .args(["-x", "c", "-o", "/dev/null", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    if let Some(mut input) = child.stdin.take() {
        // A compiler that ends early closes the pipe; its exit status tells.
        input.write_all(b"#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n").ok();
    }
    child.wait().is_ok_and(|status| status.success())
}

/// Looks where the dynamic loader looks: LD_LIBRARY_PATH, then the loader's cache.
fn has_library(name: &str) -> bool {
    let paths = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    if std::env::split_paths(&paths).any(|folder| folder.join(name).is_file()) {
        return true;
    }
    // ldconfig is outside an ordinary user's PATH on Debian.
    ["/sbin/ldconfig", "/usr/sbin/ldconfig", "ldconfig"].iter().any(|ldconfig| {
        Command::new(ldconfig).arg("-p").stderr(Stdio::null()).output().is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .any(|line| line.split_whitespace().next() == Some(name))
        })
    })
}

fn has_software_renderer() -> bool {
    let multiarch = format!("/usr/lib/{}-linux-gnu/dri", std::env::consts::ARCH);
    [multiarch.as_str(), "/usr/lib64/dri", "/usr/lib/dri"]
        .iter()
        .any(|folder| Path::new(folder).join("swrast_dri.so").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Needs = Needs { pip: true, venv: true };

    #[test]
    fn one_line_installs_all_that_is_missing() {
        let missing = missing(ALL, |_| false);
        assert_eq!(missing.len(), 7);
        let text = message(&missing, false);
        assert!(
            text.ends_with(
                "run: sudo apt-get install -y gcc libc6-dev libegl1 libegl-mesa0 libgl1-mesa-dri \
                 python3 python3-pip python3-venv"
            ),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn root_needs_no_sudo() {
        assert!(message(&[Egl], true).ends_with("run: apt-get install -y libegl1"));
    }

    #[test]
    fn python_is_not_asked_for_where_nothing_is_fetched() {
        let found = missing(Needs { pip: false, venv: false }, |requirement| {
            !matches!(requirement, Python | Pip | Venv)
        });
        assert_eq!(found, []);
    }
}
