/// State of a gamepad, joystick, pedal or keyboard at one moment.
///
/// Axes and buttons are numbered as ROS 2's `joy` packages do: axes from -1 to 1, left and up
/// positive, in the order of Linux's event codes; hats are two axes each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pad {
    /// False once the device is unplugged.
    pub connected: bool,
    /// Rises with each good poll of the device, whether or not anything moved. A device that goes on
    /// reporting under the same number is frozen.
    pub seq: u64,
    /// -1 to 1.
    pub axes: Vec<f64>,
    /// True while pressed.
    pub buttons: Vec<bool>,
}

impl Pad {
    /// Whether a button is pressed; one that the device does not have is not.
    pub(crate) fn is_pressed(&self, button: usize) -> bool {
        self.buttons.get(button).copied().unwrap_or(false)
    }
}
