//! Writes the full text of every message type that a log may hold: the interface file, then those
//! of all types it contains, as MCAP's `ros2msg` wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Standard types that a log holds; those of `sinew_msgs` are all in.
const STANDARD: [&str; 6] = [
    "geometry_msgs/msg/Twist",
    "nav_msgs/msg/Odometry",
    "sensor_msgs/msg/Imu",
    "sensor_msgs/msg/JointState",
    "std_msgs/msg/Bool",
    "tf2_msgs/msg/TFMessage",
];

const PRIMITIVES: [&str; 16] = [
    "bool", "byte", "char", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32",
    "uint32", "int64", "uint64", "string", "wstring", "---",
];

fn main() -> Result<()> {
    let ours = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../msgs/sinew_msgs");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", ours.display());
    let mut packages: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in hiroz_codegen::discover_bundled_packages(false)?.into_iter().chain([ours.clone()]) {
        let name = path.file_name().context("a package without name")?;
        packages.insert(name.to_string_lossy().into_owned(), path);
    }

    // The name of the generated struct, the name of the schema, and its own text.
    let mut types: Vec<(String, String, String)> = Vec::new();
    for name in STANDARD {
        types.push((name.into(), name.into(), own_text(&packages, name)?));
    }
    for (kind, parts) in [
        ("msg", &[""][..]),
        ("srv", &["Request", "Response"]),
        ("action", &["Goal", "Result", "Feedback"]),
    ] {
        for file in std::fs::read_dir(ours.join(kind))? {
            let file = file?.path();
            let stem = file.file_stem().context("a file without name")?.to_string_lossy();
            let text = std::fs::read_to_string(&file)?;
            let text = if kind == "msg" { text } else { qualified(&text) };
            for (part, text) in parts.iter().zip(text.split("---\n")) {
                let schema = match *part {
                    "" => format!("sinew_msgs/{kind}/{stem}"),
                    part => format!("sinew_msgs/{kind}/{stem}_{part}"),
                };
                // The generator puts requests, goals and the like beside the messages.
                types.push((format!("sinew_msgs/msg/{stem}{part}"), schema, text.to_owned()));
            }
        }
    }
    types.sort();

    let mut code = String::from("&[\n");
    for (generated, schema, text) in &types {
        let package = schema.split('/').next().unwrap_or_default();
        let text = with_contained(&packages, text, package)?;
        writeln!(code, "    ({generated:?}, {schema:?}, {text:?}),")?;
    }
    code.push_str("]\n");
    let out = Path::new(&std::env::var("OUT_DIR")?).join("definitions.rs");
    std::fs::write(out, code)?;
    Ok(())
}

/// The text with our package's name before our types: readers look for a bare name in the folder of
/// the text itself, and messages are not in that of services or actions.
fn qualified(text: &str) -> String {
    let line = |line: &str| {
        let field = line.split('#').next().unwrap_or_default();
        let name = field.split_whitespace().next().unwrap_or_default();
        let bare = name.split(['[', '<']).next().unwrap_or_default();
        if bare.is_empty() || bare.contains('/') || PRIMITIVES.contains(&bare) {
            line.to_owned()
        } else {
            format!("sinew_msgs/{line}")
        }
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

fn own_text(packages: &BTreeMap<String, PathBuf>, name: &str) -> Result<String> {
    let (package, file) = name.split_once('/').context("a type without package")?;
    let folder = packages.get(package).with_context(|| format!("no package {package}"))?;
    let path = folder.join(format!("{file}.msg"));
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The text, and behind it that of each type it contains, directly or not.
fn with_contained(
    packages: &BTreeMap<String, PathBuf>,
    text: &str,
    package: &str,
) -> Result<String> {
    let mut whole = text.trim_end().to_owned();
    let mut seen = BTreeSet::new();
    let mut open = contained(text, package);
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let text = own_text(packages, &name)?;
        let package = name.split('/').next().unwrap_or_default();
        open.extend(contained(&text, package));
        let short = name.replace("/msg/", "/");
        let line = "=".repeat(80);
        write!(whole, "\n{line}\nMSG: {short}\n{}", text.trim_end())?;
    }
    whole.push('\n');
    Ok(whole)
}

/// Types that the fields of `text` have, but for the built-in ones: `package/msg/Type`.
fn contained(text: &str, package: &str) -> Vec<String> {
    let fields = text.lines().filter_map(|line| {
        let field = line.split('#').next().unwrap_or_default();
        let name = field.split_whitespace().next()?;
        let name = name.split(['[', '<']).next().unwrap_or_default();
        (!PRIMITIVES.contains(&name)).then_some(name)
    });
    fields
        .map(|name| match name.split('/').collect::<Vec<_>>()[..] {
            [package, name] => format!("{package}/msg/{name}"),
            [_, _, _] => name.to_owned(),
            _ => format!("{package}/msg/{name}"),
        })
        .collect()
}
