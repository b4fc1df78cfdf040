//! The native libraries: which, from where, with what hash, and where they are put.

/// A native library that comes out of a wheel on the Python package index.
#[derive(Debug)]
pub(crate) struct Library {
    /// Name as people write it.
    pub(crate) title: &'static str,
    /// Name of the package on the index.
    pub(crate) package: &'static str,
    /// Exact version, of the package and of the library.
    pub(crate) version: &'static str,
    /// SHA-256 of the wheel for CPython 3.11 on Linux, per processor architecture. The library
    /// inside does not depend on the Python version, so one wheel serves every machine.
    pub(crate) sha256: &'static [(&'static str, &'static str)],
    /// Folder under `.native`.
    pub(crate) folder: &'static str,
    /// What is taken out of the wheel: (prefix in the wheel, prefix in the folder).
    pub(crate) parts: &'static [(&'static str, &'static str)],
    /// Symbolic links: (path in the folder, target).
    pub(crate) links: &'static [(&'static str, &'static str)],
    /// The library itself, in the folder.
    pub(crate) file: &'static str,
    /// The variable by which a user names a library of their own.
    pub(crate) variable: &'static str,
    /// What that variable names.
    pub(crate) variable_names: &'static str,
}

pub(crate) const ONNX_RUNTIME: Library = Library {
    title: "ONNX Runtime",
    package: "onnxruntime",
    version: "1.31.1",
    sha256: &[
        ("x86_64", "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f"),
        ("aarch64", "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3"),
    ],
    folder: "onnxruntime",
    parts: &[("onnxruntime/capi/libonnxruntime.so.1.31.1", "libonnxruntime.so.1.31.1")],
    links: &[],
    file: "libonnxruntime.so.1.31.1",
    variable: "ORT_DYLIB_PATH",
    variable_names: "a libonnxruntime.so",
};

pub(crate) const MUJOCO: Library = Library {
    title: "MuJoCo",
    package: "mujoco",
    version: "3.17.0",
    sha256: &[
        ("x86_64", "d66928d86a2d1b601bbaa4dc11db50214d17d5301bb8afd84721313b67ff0874"),
        ("aarch64", "91a70ed9979c383ff1f5c03f25cc2e1280a8254c1a8e558d5dd7f4184f01efc9"),
    ],
    folder: "mujoco",
    parts: &[
        ("mujoco/libmujoco.so.3.17.0", "lib/libmujoco.so.3.17.0"),
        ("mujoco/include/", "include/"),
    ],
    links: &[("lib/libmujoco.so", "libmujoco.so.3.17.0")],
    file: "lib/libmujoco.so.3.17.0",
    variable: "MUJOCO_DYNAMIC_LINK_DIR",
    variable_names: "the folder of a libmujoco.so",
};

impl Library {
    /// "MuJoCo 3.17.0".
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.title, self.version)
    }

    /// The pinned hash of the wheel for `architecture`, if there is one.
    pub(crate) fn sha256_for(&self, architecture: &str) -> Option<&'static str> {
        self.sha256.iter().find(|(name, _)| *name == architecture).map(|(_, hash)| *hash)
    }

    /// Where an entry of the wheel goes in the folder; `None` for what is not taken.
    pub(crate) fn place(&self, entry: &str) -> Option<String> {
        self.parts.iter().find_map(|(from, to)| {
            let rest = entry.strip_prefix(from)?;
            (rest.is_empty() != from.ends_with('/')).then(|| format!("{to}{rest}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_library_and_the_headers_and_nothing_else() {
        assert_eq!(
            MUJOCO.place("mujoco/libmujoco.so.3.17.0").as_deref(),
            Some("lib/libmujoco.so.3.17.0")
        );
        assert_eq!(
            MUJOCO.place("mujoco/include/mujoco/mujoco.h").as_deref(),
            Some("include/mujoco/mujoco.h")
        );
        assert_eq!(MUJOCO.place("mujoco/include/"), None);
        assert_eq!(MUJOCO.place("mujoco/libmujoco.so.3.17.0.sig"), None);
        assert_eq!(ONNX_RUNTIME.place("onnxruntime/capi/onnxruntime_pybind11_state.so"), None);
    }

    #[test]
    fn each_library_is_pinned_for_both_architectures() {
        for library in [&ONNX_RUNTIME, &MUJOCO] {
            for architecture in ["x86_64", "aarch64"] {
                let hash = library.sha256_for(architecture).unwrap_or_default();
                assert_eq!(hash.len(), 64, "{} on {architecture}", library.title);
            }
            assert_eq!(library.sha256_for("riscv64"), None);
        }
    }
}
