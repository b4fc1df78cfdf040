//! Generates the Rust structs of `sinew_msgs`, and of what hiroz-msgs lacks of standard packages, from interface files.

use std::path::{Path, PathBuf};

/// Packages that ours refer to, directly or not.
const STANDARD: [&str; 10] = [
    "action_msgs",
    "builtin_interfaces",
    "diagnostic_msgs",
    "geometry_msgs",
    "sensor_msgs",
    "service_msgs",
    "shape_msgs",
    "std_msgs",
    "trajectory_msgs",
    "unique_identifier_msgs",
];

/// Packages that the generator wants to know of, or else it gives services no hash. Called local,
/// because then it asks for nothing of theirs.
const UNUSED: [&str; 4] =
    ["action_tutorials_interfaces", "example_interfaces", "nav_msgs", "test_msgs"];

/// Packages whose structs are generated here, by their folders.
const OURS: [&str; 10] = [
    "sinew_msgs",
    "standard/control_msgs",
    "standard/controller_manager_msgs",
    "standard/nav2_msgs",
    "standard/object_recognition_msgs",
    "standard/octomap_msgs",
    "standard/moveit_msgs",
    "standard/vision_msgs",
    "core/lifecycle_msgs",
    "core/rcl_interfaces",
];

fn main() -> anyhow::Result<()> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let packages = OURS.map(|folder| root.join(folder));
    for package in &packages {
        println!("cargo:rerun-if-changed={}", package.display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    // The generated code has attributes for hiroz's own Python feature.
    println!("cargo:rustc-check-cfg=cfg(feature, values(\"python_registry\"))");

    // The bundled standard packages are read for their type descriptions (the hash of a type covers
    // what it contains) but not emitted: their structs come from hiroz-msgs.
    let mut standard = hiroz_codegen::discover_bundled_packages(false)?;
    standard
        .retain(|path| path.file_name().is_some_and(|name| STANDARD.iter().any(|s| name == *s)));
    let standard: Vec<&Path> = standard.iter().map(PathBuf::as_path).collect();

    let generator = hiroz_codegen::MessageGenerator::new(hiroz_codegen::GeneratorConfig {
        generate_cdr: true,
        generate_protobuf: false,
        generate_type_info: true,
        is_humble: false,
        output_dir: PathBuf::from(std::env::var("OUT_DIR")?),
        external_crate: Some("hiroz_msgs".to_owned()),
        local_packages: OURS
            .iter()
            .filter_map(|folder| folder.rsplit('/').next())
            .chain(UNUSED)
            .map(str::to_owned)
            .collect(),
        json_out: None,
    });
    let packages: Vec<&Path> = packages.iter().map(PathBuf::as_path).collect();
    generator.generate_from_msg_files_with_deps(&packages, &standard)
}
