use sinew_types::Time;

use crate::PolicyError;

/// What the caller gives a policy each tick: a pose error, a goal, a velocity wish.
///
/// Made by [`crate::Policy::command_inputs`], with one slot per command that the manifest names.
#[derive(Clone, Debug)]
pub struct CommandInputs {
    slots: Vec<Slot>,
    cameras: Vec<Camera>,
}

/// The newest picture of a camera.
#[derive(Clone, Debug)]
pub(crate) struct Camera {
    name: String,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Red, green and blue of each pixel, row by row.
    pub(crate) rgb: Vec<u8>,
    pub(crate) stamp: Option<Time>,
}

#[derive(Clone, Debug)]
struct Slot {
    name: String,
    unit: String,
    values: Vec<f64>,
    stamp: Option<Time>,
}

impl CommandInputs {
    pub(crate) fn new(
        commands: impl Iterator<Item = (String, String, usize)>,
        cameras: impl Iterator<Item = String>,
    ) -> Self {
        let slots = commands
            .map(|(name, unit, size)| Slot { name, unit, values: vec![0.0; size], stamp: None })
            .collect();
        let cameras =
            cameras.map(|name| Camera { name, width: 0, height: 0, rgb: Vec::new(), stamp: None });
        Self { slots, cameras: cameras.collect() }
    }

    /// Gives a command. Real-time safe unless it fails.
    ///
    /// `stamp` is the time of the measurement that the values were computed from; the manifest says
    /// how old they may get.
    ///
    /// # Errors
    /// [`PolicyError::UnknownCommand`] names the commands that are taken.
    pub fn set(&mut self, name: &str, values: &[f64], stamp: Time) -> Result<(), PolicyError> {
        let slot = self.slots.iter_mut().find(|s| s.name == name && s.values.len() == values.len());
        let Some(slot) = slot else {
            return Err(PolicyError::UnknownCommand {
                name: name.into(),
                width: values.len(),
                known: self.describe(),
            });
        };
        slot.values.copy_from_slice(values);
        slot.stamp = Some(stamp);
        Ok(())
    }

    /// Names of the commands.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|slot| slot.name.as_str())
    }

    /// Whether the policy takes a command of this name and width.
    pub fn takes_of(&self, name: &str, width: usize) -> bool {
        self.slots.iter().any(|slot| slot.name == name && slot.values.len() == width)
    }

    /// Whether the policy takes a command of this name.
    pub fn takes(&self, name: &str) -> bool {
        self.slots.iter().any(|slot| slot.name == name)
    }

    /// Gives a picture: red, green and blue of each pixel, row by row from the top. Allocates for the first
    /// picture of a size only.
    ///
    /// # Errors
    /// [`PolicyError::UnknownCamera`] names the cameras that are taken; [`PolicyError::Picture`] if `rgb` is
    /// not three bytes per pixel.
    pub fn set_image(
        &mut self,
        camera: &str,
        width: usize,
        height: usize,
        rgb: &[u8],
        stamp: Time,
    ) -> Result<(), PolicyError> {
        let known = |cameras: &[Camera]| {
            cameras.iter().map(|camera| camera.name.clone()).collect::<Vec<_>>().join(", ")
        };
        if rgb.len() != 3 * width * height {
            return Err(PolicyError::Picture {
                camera: camera.to_owned(),
                value: format!("{} bytes", rgb.len()),
                allowed: format!("3 bytes for each of {width} x {height} pixels"),
            });
        }
        let Some(slot) = self.cameras.iter_mut().find(|slot| slot.name == camera) else {
            let known = known(&self.cameras);
            return Err(PolicyError::UnknownCamera { name: camera.to_owned(), known });
        };
        (slot.width, slot.height, slot.stamp) = (width, height, Some(stamp));
        slot.rgb.clear();
        slot.rgb.extend_from_slice(rgb);
        Ok(())
    }

    /// The newest picture of a camera.
    pub(crate) fn camera(&self, index: usize) -> &Camera {
        &self.cameras[index]
    }

    /// Names of the cameras.
    pub fn cameras(&self) -> impl Iterator<Item = &str> {
        self.cameras.iter().map(|camera| camera.name.as_str())
    }

    /// Takes over what another policy was given under the same names.
    pub(crate) fn take_from(&mut self, other: &Self) {
        for slot in &mut self.slots {
            let same = other.slots.iter().find(|theirs| {
                theirs.name == slot.name && theirs.values.len() == slot.values.len()
            });
            if let Some(same) = same {
                slot.values.copy_from_slice(&same.values);
                slot.stamp = same.stamp;
            }
        }
    }

    /// Every command that was given, with its values.
    pub fn given(&self) -> impl Iterator<Item = (String, Vec<f64>)> {
        let given = self.slots.iter().filter(|slot| slot.stamp.is_some());
        given.map(|slot| (slot.name.clone(), slot.values.clone()))
    }

    /// Forgets all values, so that a new episode cannot run on those of the last.
    pub fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.stamp = None;
        }
        for camera in &mut self.cameras {
            camera.stamp = None;
        }
    }

    /// Names, widths and units, for people.
    pub fn describe(&self) -> String {
        let each: Vec<_> = self
            .slots
            .iter()
            .map(|s| format!("{}[{}] ({})", s.name, s.values.len(), s.unit))
            .collect();
        each.join(", ")
    }

    /// The values of a slot and when they were given, if they were.
    pub(crate) fn get(&self, index: usize) -> Option<(&[f64], Option<Time>)> {
        self.slots.get(index).map(|s| (s.values.as_slice(), s.stamp))
    }
}
