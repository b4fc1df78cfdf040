//! What a person at the keyboard sees.

use ratatui::Frame;
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, GroupOwner, SafetyState};
use sinew_nodes::TeleopStatus;
use sinew_teleop::{Mapping, MappingConfig, ModeConfig};

/// The parts of the screen that do not change.
pub(crate) struct Screen {
    title: String,
    /// Name of each mode, with its keys.
    modes: Vec<(String, Vec<String>)>,
    selects: String,
    operator: String,
    how: &'static str,
}

impl Screen {
    pub(crate) fn new(mapping: &Mapping, namespace: &str, tells_release: bool) -> Self {
        let config = mapping.config();
        let selects = config
            .modes
            .iter()
            .filter_map(|mode| Some(format!("{} {}", mode.select.as_ref()?, mode.name)));
        Self {
            title: format!("sinew teleop {namespace} ({})", config.device),
            modes: config.modes.iter().map(|mode| (mode.name.clone(), keys(mode))).collect(),
            selects: selects.collect::<Vec<_>>().join("   "),
            operator: operator(config),
            how: if tells_release {
                "hold a key to move"
            } else {
                "each press moves a little: this terminal does not tell when a key is let go"
            },
        }
    }

    pub(crate) fn draw(&self, frame: &mut Frame<'_>, status: &TeleopStatus) {
        frame.render_widget(Paragraph::new(self.lines(status)), frame.area());
    }

    fn lines(&self, status: &TeleopStatus) -> Vec<Line<'static>> {
        let doing = if status.detail.is_empty() {
            status.phase.clone()
        } else {
            format!("{} ({})", status.phase, status.detail)
        };
        let color = if status.moving { Color::Green } else { Color::Yellow };
        let mut lines = vec![
            Line::from(self.title.clone().bold()),
            Line::from(vec![
                Span::from(format!("mode {}: ", status.mode)),
                Span::styled(doing, Style::new().fg(color).bold()),
            ]),
            Line::default(),
        ];
        match &status.safety {
            None => lines.push(Line::from("nothing heard of the robot".red())),
            Some(safety) => lines.extend(self::safety(safety, &status.groups)),
        }
        lines.push(Line::default());
        lines.push(Line::from(self.how.dim()));
        let here = self.modes.iter().find(|(name, _)| *name == status.mode);
        for key in here.map(|(_, keys)| keys.as_slice()).unwrap_or_default() {
            lines.push(Line::from(format!("  {key}")));
        }
        lines.push(Line::from(format!("modes: {}", self.selects)));
        lines.push(Line::from(self.operator.clone()));
        lines.push(Line::default());
        lines.extend(status.notes.iter().rev().map(|note| Line::from(note.clone().dim())));
        lines
    }
}

fn safety(safety: &SafetyState, groups: &[String]) -> Vec<Line<'static>> {
    let (mode, color) = match safety.mode {
        SafetyState::MODE_DISARMED => ("DISARMED", Color::Gray),
        SafetyState::MODE_READY => ("READY", Color::Green),
        SafetyState::MODE_PROTECTIVE_STOP => ("PROTECTIVE STOP", Color::Red),
        SafetyState::MODE_FAULT => ("FAULT", Color::Red),
        _ => ("E-STOP", Color::Red),
    };
    let mut first = vec![Span::from("robot "), Span::styled(mode, Style::new().fg(color).bold())];
    if !safety.causes.is_empty() {
        first.push(Span::from(format!(": {}", safety.causes.join(", "))));
    }
    let mut lines = vec![Line::from(first)];
    for owner in &safety.owners {
        let source = match owner.source {
            AcquireLeaseRequest::SOURCE_FALLBACK => "fallback",
            AcquireLeaseRequest::SOURCE_SKILL => "skill",
            AcquireLeaseRequest::SOURCE_EXTERNAL => "external",
            AcquireLeaseRequest::SOURCE_TELEOP => "teleop",
            _ => "nobody",
        };
        let output = match owner.output_kind {
            GroupOwner::OUTPUT_HOLD => "hold",
            GroupOwner::OUTPUT_RAMP => "ramp",
            GroupOwner::OUTPUT_DAMP => "damp",
            GroupOwner::OUTPUT_FALLBACK => "fallback",
            GroupOwner::OUTPUT_TRACK => "track",
            _ => "none",
        };
        let mark = if groups.contains(&owner.group) { '>' } else { ' ' };
        lines.push(Line::from(format!("{mark} {:<12} {source:<9} {output}", owner.group)));
    }
    lines
}

/// One line per thing that a mode moves.
fn keys(mode: &ModeConfig) -> Vec<String> {
    let signals = mode.signals().into_iter().map(|(what, signal)| {
        let ends = [&signal.axis, &signal.plus, &signal.minus];
        let ends: Vec<_> = ends.into_iter().flatten().map(String::as_str).collect();
        format!("{:<12} {what}", ends.join(" / "))
    });
    signals.collect()
}

fn operator(config: &MappingConfig) -> String {
    let buttons = &config.operator;
    let named = [
        ("e-stop", &buttons.e_stop),
        ("reset", &buttons.reset),
        ("arm", &buttons.arm),
        ("disarm", &buttons.disarm),
        ("resume", &buttons.resume),
    ];
    let mut words: Vec<String> = named
        .into_iter()
        .filter_map(|(what, key)| Some(format!("{} {what}", key.as_ref()?)))
        .collect();
    words.push("Esc quit".into());
    words.join("   ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::share::share;

    fn shown(status: &TeleopStatus) -> String {
        let mapping = Mapping::load(share().join("teleop/keyboard.teleop.yaml")).unwrap();
        let screen = Screen::new(&mapping, "/mobi", false);
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| screen.draw(frame, status)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn safety_mode_owners_keys_and_refusals_are_on_the_screen() {
        let mut status = TeleopStatus {
            phase: "moving".into(),
            moving: true,
            mode: "drive".into(),
            groups: vec!["base".into()],
            ..TeleopStatus::default()
        };
        assert!(shown(&status).contains("nothing heard of the robot"));
        let owner = |group: &str, source, output_kind| GroupOwner {
            group: group.into(),
            source,
            output_kind,
            ..GroupOwner::default()
        };
        status.safety = Some(SafetyState {
            mode: SafetyState::MODE_PROTECTIVE_STOP,
            causes: vec!["communication".into()],
            owners: vec![
                owner("arm", AcquireLeaseRequest::SOURCE_SKILL, GroupOwner::OUTPUT_TRACK),
                owner("base", AcquireLeaseRequest::SOURCE_TELEOP, GroupOwner::OUTPUT_RAMP),
            ],
            ..SafetyState::default()
        });
        status.notes.push_back("no lease: the robot is Disarmed".into());
        let shown = shown(&status);
        for part in [
            "sinew teleop /mobi (keyboard)",
            "mode drive: moving",
            "robot PROTECTIVE STOP: communication",
            "  arm          skill     track",
            "> base         teleop    ramp",
            "w / s        base.linear_x",
            "modes: 1 drive   2 tool   3 joints",
            "space e-stop   R reset   A arm   D disarm   C resume   Esc quit",
            "no lease: the robot is Disarmed",
        ] {
            assert!(shown.contains(part), "no `{part}` in\n{shown}");
        }
    }
}
