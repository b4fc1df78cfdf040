//! The robot's URDF or MJCF, made ready for the physics engine.

use std::path::{Path, PathBuf};

use mujoco_rs::prelude::MjSpec;
use sinew_robot::{ModelFormat, RobotModel};

use crate::SimError;

/// Parses the robot's body into an editable model that has no actuators, sensors or keyframes of its own.
pub(crate) fn parse(robot: &RobotModel) -> Result<MjSpec, SimError> {
    let path = robot.body_path();
    let text = std::fs::read_to_string(path)
        .map_err(|source| SimError::Read { path: path.to_owned(), source })?;
    let refuse = |problem: String| SimError::Model { path: path.to_owned(), problem };
    let folder = path.parent().unwrap_or(Path::new(""));
    let text = match robot.format() {
        ModelFormat::Urdf => with_compiler_settings(&text, folder).map_err(refuse)?,
        ModelFormat::Mjcf => without_drives(&text).map_err(refuse)?,
    };
    let mut spec = MjSpec::from_xml_string(&text).map_err(|error| refuse(error.to_string()))?;
    // Relative mesh files lie beside the body file.
    spec.set_modelfiledir(&folder.to_string_lossy());
    Ok(spec)
}

/// A URDF is read with its visuals, and with its fixed links kept as bodies, so that frames can be found by name.
fn with_compiler_settings(urdf: &str, folder: &Path) -> Result<String, String> {
    let document = roxmltree::Document::parse(urdf).map_err(|error| error.to_string())?;
    let root = document.root_element();
    let mut text = urdf.to_owned();
    if !root.children().any(|child| child.has_tag_name("mujoco")) {
        let start = root.range().start;
        let Some(end) = urdf[start..].find('>') else {
            return Err("the root element has no end".to_owned());
        };
        let settings = "<mujoco><compiler discardvisual=\"false\" fusestatic=\"false\" \
                        strippath=\"false\"/></mujoco>";
        text.insert_str(start + end + 1, settings);
    }
    let meshes = root.descendants().filter_map(|node| node.attribute("filename"));
    for mesh in meshes.filter(|name| name.starts_with("package://")) {
        let found = find_in_package(mesh, folder).ok_or_else(|| {
            format!("{mesh}: no such file in a folder of that name above {}", folder.display())
        })?;
        text = text.replace(mesh, &found.to_string_lossy());
    }
    Ok(text)
}

/// Finds `package://NAME/REST` in the folder NAME that holds the URDF, or that lies beside one of the folders above it.
fn find_in_package(uri: &str, folder: &Path) -> Option<PathBuf> {
    let (package, rest) = uri.strip_prefix("package://")?.split_once('/')?;
    let folder = folder.canonicalize().ok()?;
    folder.ancestors().find_map(|above| {
        let here = above.file_name().is_some_and(|name| name == package).then(|| above.join(rest));
        let beside = above.join(package).join(rest);
        here.filter(|path| path.is_file()).or_else(|| beside.is_file().then_some(beside))
    })
}

/// An MJCF without actuators, sensors and keyframes: the driver adds its own.
fn without_drives(mjcf: &str) -> Result<String, String> {
    let document = roxmltree::Document::parse(mjcf).map_err(|error| error.to_string())?;
    let mut text = mjcf.to_owned();
    let unwanted = ["actuator", "sensor", "keyframe"];
    let nodes: Vec<_> = document.root_element().children().collect();
    for node in nodes.into_iter().rev() {
        if unwanted.iter().any(|name| node.has_tag_name(*name)) {
            text.replace_range(node.range(), "");
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mjcf_loses_its_drives_and_nothing_else() {
        let text = "<mujoco><worldbody/><actuator><motor joint='a'/></actuator><sensor/></mujoco>";
        assert_eq!(without_drives(text).as_deref(), Ok("<mujoco><worldbody/></mujoco>"));
    }

    #[test]
    fn a_mesh_that_is_not_there_is_named() {
        let urdf = "<robot name='r'><mesh filename='package://arm/meshes/a.stl'/></robot>";
        let error = with_compiler_settings(urdf, Path::new(".")).expect_err("no such file");
        assert!(error.contains("package://arm/meshes/a.stl"), "{error}");
    }
}
