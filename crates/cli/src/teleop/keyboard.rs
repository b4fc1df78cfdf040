//! The keys of this terminal.

use std::io::{IsTerminal, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use ratatui::crossterm::event::{
    self, DisableFocusChange, EnableFocusChange, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::supports_keyboard_enhancement;
use sinew_nodes::TeleopMonitor;
use sinew_teleop::{KeyPad, Mapping, Pad};
use sinew_types::Time;

use super::System;
use super::screen::Screen;
use crate::exit::Refused;
use crate::interrupt;

/// Between two reports.
const PERIOD: Duration = Duration::from_millis(10);
/// Between two pictures of the screen.
const DRAW_PERIOD: Duration = Duration::from_millis(50);

/// Fails where there is nobody who could press a key.
pub(crate) fn require_terminal() -> Result<()> {
    if stdin().is_terminal() && stdout().is_terminal() {
        return Ok(());
    }
    bail!("the keyboard is read from a terminal, and input or output is none")
}

/// Moves the robot until Esc or Ctrl-C. `must_hold`: keys must be held, so that nudges do not do.
pub(crate) fn run(mapping: &Mapping, system: &System, must_hold: bool) -> Result<()> {
    let (sender, receiver) = channel();
    let node = system.node(receiver)?;
    let monitor = node.monitor();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let is_done = || done.load(Ordering::Relaxed);
        let worker = scope.spawn(move || system.run(node, is_done));
        let shown = show(mapping, system, must_hold, &monitor, &sender, || worker.is_finished());
        done.store(true, Ordering::Relaxed);
        worker.join().map_err(|_| anyhow!("the teleop node panicked"))?.and(shown)
    })
}

fn show(
    mapping: &Mapping,
    system: &System,
    must_hold: bool,
    monitor: &TeleopMonitor,
    sender: &Sender<Pad>,
    ended: impl Fn() -> bool,
) -> Result<()> {
    let mut terminal = Terminal::open()?;
    if must_hold && !terminal.tells_release {
        drop(terminal);
        let reason = "this terminal does not tell when a key is let go (kitty's keyboard protocol \
                      does); give --dead-man joystick";
        return Err(Refused(reason.into()).into());
    }
    let screen = Screen::new(mapping, &system.arguments.namespace, terminal.tells_release);
    let mut keys = KeyPad::new(mapping, terminal.tells_release);
    let started = Instant::now();
    let mut drawn: Option<Instant> = None;
    while !ended() && !interrupt::is_set() {
        let wait = Instant::now() + PERIOD;
        while event::poll(wait.saturating_duration_since(Instant::now()))? {
            if !take(&event::read()?, Time::ZERO + started.elapsed(), &mut keys) {
                return Ok(());
            }
        }
        if sender.send(keys.pad(Time::ZERO + started.elapsed())).is_err() {
            return Ok(());
        }
        if drawn.is_none_or(|at| at.elapsed() >= DRAW_PERIOD) {
            drawn = Some(Instant::now());
            let status = monitor.status();
            terminal.screen.draw(|frame| screen.draw(frame, &status))?;
        }
    }
    Ok(())
}

/// Whether to go on.
fn take(event: &Event, now: Time, keys: &mut KeyPad) -> bool {
    match event {
        Event::FocusLost => keys.release_all(),
        Event::Key(key) => {
            let ctrl_c =
                key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if key.code == KeyCode::Esc || ctrl_c {
                return false;
            }
            if let Some(name) = name_of(key) {
                match key.kind {
                    KeyEventKind::Press => keys.press(now, name),
                    KeyEventKind::Repeat => keys.repeat(now),
                    KeyEventKind::Release => keys.release(now, name),
                }
            }
        }
        _ => {}
    }
    true
}

/// The character of a key; with shift, the capital letter.
fn name_of(key: &KeyEvent) -> Option<char> {
    let KeyCode::Char(name) = key.code else { return None };
    let shifted = key.modifiers.contains(KeyModifiers::SHIFT);
    Some(if shifted { name.to_ascii_uppercase() } else { name })
}

/// The terminal while it is ours; given back as it was.
struct Terminal {
    screen: ratatui::DefaultTerminal,
    tells_release: bool,
}

impl Terminal {
    fn open() -> Result<Self> {
        let screen = ratatui::try_init().context("the terminal cannot be used")?;
        // A terminal that does not answer does not have it.
        let tells_release = supports_keyboard_enhancement().unwrap_or(false);
        let terminal = Self { screen, tells_release };
        execute!(stdout(), EnableFocusChange)?;
        if tells_release {
            let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES
                | KeyboardEnhancementFlags::REPORT_EVENT_TYPES
                | KeyboardEnhancementFlags::REPORT_ALL_KEYS_AS_ESCAPE_CODES;
            execute!(stdout(), PushKeyboardEnhancementFlags(flags))?;
        }
        Ok(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Best effort: the program ends, whatever the terminal says.
        if self.tells_release {
            let _ = execute!(stdout(), PopKeyboardEnhancementFlags);
        }
        let _ = execute!(stdout(), DisableFocusChange);
        ratatui::restore();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_shift_is_the_capital_letter_however_the_terminal_says_it() {
        let key = |code, modifiers| name_of(&KeyEvent::new(KeyCode::Char(code), modifiers));
        assert_eq!(key('r', KeyModifiers::SHIFT), Some('R'));
        assert_eq!(key('R', KeyModifiers::SHIFT), Some('R'));
        assert_eq!(key('R', KeyModifiers::NONE), Some('R'));
        assert_eq!(key('r', KeyModifiers::NONE), Some('r'));
    }
}
