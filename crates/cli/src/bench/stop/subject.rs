use std::path::PathBuf;

use anyhow::{Context, Result};
use sinew_driver_servo::emulator::{Emulator, EmulatorConfig, EmulatorHandle};
use sinew_robot::RobotModel;
use tempfile::TempDir;

use crate::share::share;

/// The robot that a hardware process has, and what is moved of it.
pub(super) struct Subject {
    pub(super) robot: PathBuf,
    pub(super) group: &'static str,
    /// Of the hardware node.
    pub(super) parameters: Vec<String>,
    servos: Option<Servos>,
}

/// A servo bus on a pseudo-terminal, and the file of a robot that uses it.
struct Servos {
    emulator: Emulator,
    _folder: TempDir,
}

impl Subject {
    /// The base of a simulated robot.
    pub(super) fn simulated() -> Self {
        let world = share().join("worlds/minimal.yaml");
        Self {
            robot: share().join("urdf/mobi.robot.yaml"),
            group: "base",
            parameters: vec!["pace:=real_time".into(), format!("world:={}", world.display())],
            servos: None,
        }
    }

    /// An arm of Dynamixel servos, each of which has a watchdog of its own.
    pub(super) fn servos() -> Result<Self> {
        let urdf = share().join("urdf");
        let file = urdf.join("koch_follower.robot.yaml");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{}: cannot be read", file.display()))?;
        let model = RobotModel::load(&file)?;
        let config = model.config().servo.as_ref().context("a robot without servos")?;
        let emulator = Emulator::spawn(&EmulatorConfig::of(config))?;
        let text = text.replacen("urdf: ", &format!("urdf: {}/", urdf.display()), 1).replacen(
            &config.port,
            &emulator.path().display().to_string(),
            1,
        );
        let folder = tempfile::tempdir()?;
        let robot = folder.path().join("servos.robot.yaml");
        std::fs::write(&robot, text)?;
        Ok(Self {
            parameters: vec![
                "driver:=servo".into(),
                "arm:=true".into(),
                format!("robot:={}", robot.display()),
            ],
            robot,
            group: "arm",
            servos: Some(Servos { emulator, _folder: folder }),
        })
    }

    /// The servo bus, if that is what it has.
    pub(super) fn bus(&self) -> Option<EmulatorHandle> {
        self.servos.as_ref().map(|servos| servos.emulator.handle().clone())
    }
}
