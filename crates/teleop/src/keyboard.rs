use std::time::Duration;

use sinew_types::Time;

use crate::config::SignalConfig;
use crate::{Mapping, Pad};

/// How long one press moves the robot where the terminal does not tell when a key is let go.
pub const NUDGE: Duration = Duration::from_millis(300);
/// A held key repeats. Without any event for this long its release was lost on the way, as when a
/// remote shell's connection breaks.
const REPEATS_WITHIN: Duration = Duration::from_secs(1);

/// A keyboard as a [`Pad`]: each button of the mapping whose name is one character (or `space`) is a
/// key.
///
/// Where the dead-man button is no key, it is held while any key that moves something is. On
/// terminals that tell when a key is let go, the end of the motion is there; on others each press is
/// one motion of [`NUDGE`], and another press counts only after its end.
pub struct KeyPad {
    keys: Vec<Key>,
    /// Button of the dead-man, if no key is.
    any_key: Option<usize>,
    buttons: usize,
    tells_release: bool,
    last_event: Time,
    seq: u64,
}

struct Key {
    name: char,
    button: usize,
    /// Moves something, so that it is held; others act by being pressed.
    moves: bool,
    state: KeyState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyState {
    Up,
    /// Held, as far as is known.
    Down,
    /// A nudge, until then.
    Until(Time),
    /// Pressed since the last report.
    Tapped,
}

impl KeyPad {
    /// A keyboard with no key held. `tells_release`: whether the terminal tells when a key is let go.
    pub fn new(mapping: &Mapping, tells_release: bool) -> Self {
        let config = mapping.config();
        let signals: Vec<&SignalConfig> =
            config.modes.iter().flat_map(|mode| mode.signals()).map(|(_, signal)| signal).collect();
        let moves = |name: &String| {
            *name == config.dead_man
                || signals
                    .iter()
                    .any(|s| s.plus.as_ref() == Some(name) || s.minus.as_ref() == Some(name))
        };
        let keys = config.buttons.iter().filter_map(|(name, button)| {
            let key = key_of(name)?;
            Some(Key { name: key, button: *button, moves: moves(name), state: KeyState::Up })
        });
        let dead_man = config.buttons.get(&config.dead_man).copied();
        Self {
            keys: keys.collect(),
            any_key: dead_man.filter(|_| key_of(&config.dead_man).is_none()),
            buttons: config.buttons.values().map(|index| index + 1).max().unwrap_or(0),
            tells_release,
            last_event: Time::ZERO,
            seq: 0,
        }
    }

    /// A key went down.
    pub fn press(&mut self, now: Time, key: char) {
        self.last_event = now;
        let tells_release = self.tells_release;
        for known in self.keys.iter_mut().filter(|known| known.name == key) {
            known.state = match known.state {
                running @ KeyState::Until(_) => running,
                _ if !known.moves => KeyState::Tapped,
                _ if tells_release => KeyState::Down,
                _ => KeyState::Until(now + NUDGE),
            };
        }
    }

    /// A held key said so once more.
    pub fn repeat(&mut self, now: Time) {
        self.last_event = now;
    }

    /// A key was let go, with or without the shift key.
    pub fn release(&mut self, now: Time, key: char) {
        self.last_event = now;
        for known in self.keys.iter_mut().filter(|known| known.name.eq_ignore_ascii_case(&key)) {
            if known.state == KeyState::Down {
                known.state = KeyState::Up;
            }
        }
    }

    /// Lets all keys go: the terminal lost the focus, or the program ends.
    pub fn release_all(&mut self) {
        self.keys.iter_mut().for_each(|key| key.state = KeyState::Up);
    }

    /// The present report. A tap is in one report, and a nudge that has ended is missing in one.
    pub fn pad(&mut self, now: Time) -> Pad {
        self.seq += 1;
        let is_silent = now.since(self.last_event) > REPEATS_WITHIN;
        let mut buttons = vec![false; self.buttons];
        for key in &mut self.keys {
            let pressed = match key.state {
                KeyState::Up => false,
                KeyState::Down => !is_silent,
                KeyState::Until(end) => now < end,
                KeyState::Tapped => true,
            };
            buttons[key.button] |= pressed;
            if let (Some(any_key), true) = (self.any_key, key.moves && pressed) {
                buttons[any_key] = true;
            }
            if !pressed || key.state == KeyState::Tapped {
                key.state = KeyState::Up;
            }
        }
        Pad { connected: true, seq: self.seq, axes: Vec::new(), buttons }
    }
}

fn key_of(name: &str) -> Option<char> {
    let mut chars = name.chars();
    match (chars.next(), chars.next()) {
        _ if name == "space" => Some(' '),
        (Some(key), None) => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPING: &str = "
device: keys
buttons: {any: 0, w: 1, s: 2, space: 3}
dead_man: any
operator: {e_stop: space}
modes:
  - name: drive
    base: {group: base, linear_x: {plus: w, minus: s, scale: 0.3}}
";

    fn keys(tells_release: bool) -> KeyPad {
        KeyPad::new(&Mapping::from_yaml(MAPPING, "keys.yaml").expect("valid"), tells_release)
    }

    fn ms(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_key_that_is_held_holds_the_dead_man_button_until_it_is_let_go() {
        let mut keys = keys(true);
        keys.press(ms(0), 'w');
        assert_eq!(keys.pad(ms(10)).buttons, [true, true, false, false]);
        keys.repeat(ms(600));
        assert_eq!(keys.pad(ms(1500)).buttons, [true, true, false, false]);
        keys.release(ms(1510), 'W');
        assert_eq!(keys.pad(ms(1520)).buttons, [false; 4]);
    }

    #[test]
    fn a_held_key_that_stops_repeating_is_let_go_and_its_late_repeats_do_not_press_it() {
        let mut keys = keys(true);
        keys.press(ms(0), 'w');
        assert!(keys.pad(ms(1000)).buttons[0]);
        assert!(!keys.pad(ms(1001)).buttons[0]);
        keys.repeat(ms(1010));
        assert!(!keys.pad(ms(1020)).buttons[0]);
    }

    #[test]
    fn without_release_events_a_press_is_one_bounded_nudge_however_often_it_repeats() {
        let mut keys = keys(false);
        keys.press(ms(0), 'w');
        for at in (30..300).step_by(30) {
            keys.press(ms(at), 'w');
            assert!(keys.pad(ms(at)).buttons[0]);
        }
        keys.press(ms(299), 'w');
        assert!(!keys.pad(ms(300)).buttons[0], "the repeats did not make it longer");
        keys.press(ms(301), 'w');
        assert!(keys.pad(ms(301)).buttons[0], "and a press after its end is a new one");
    }

    #[test]
    fn a_tap_is_in_one_report_and_holds_no_dead_man_button() {
        let mut keys = keys(false);
        keys.press(ms(0), ' ');
        assert_eq!(keys.pad(ms(1)).buttons, [false, false, false, true]);
        assert_eq!(keys.pad(ms(2)).buttons, [false; 4]);
    }
}
