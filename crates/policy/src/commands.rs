use sinew_types::Time;

use crate::PolicyError;

/// What the caller gives a policy each tick: a pose error, a goal, a velocity wish.
///
/// Made by [`crate::Policy::command_inputs`], with one slot per command that the manifest names.
#[derive(Clone, Debug)]
pub struct CommandInputs {
    slots: Vec<Slot>,
}

#[derive(Clone, Debug)]
struct Slot {
    name: String,
    unit: String,
    values: Vec<f64>,
    stamp: Option<Time>,
}

impl CommandInputs {
    pub(crate) fn new(commands: impl Iterator<Item = (String, String, usize)>) -> Self {
        let slots = commands
            .map(|(name, unit, size)| Slot { name, unit, values: vec![0.0; size], stamp: None })
            .collect();
        Self { slots }
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

    /// Forgets all values, so that a new episode cannot run on those of the last.
    pub fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.stamp = None;
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
