//! Colours that have a name.

/// Name and red, green, blue, opacity.
const PALETTE: [(&str, [f32; 4]); 12] = [
    ("red", [0.84, 0.16, 0.16, 1.0]),
    ("green", [0.18, 0.62, 0.25, 1.0]),
    ("blue", [0.14, 0.36, 0.82, 1.0]),
    ("yellow", [0.95, 0.79, 0.16, 1.0]),
    ("orange", [0.93, 0.49, 0.12, 1.0]),
    ("purple", [0.50, 0.25, 0.66, 1.0]),
    ("pink", [0.93, 0.49, 0.66, 1.0]),
    ("brown", [0.62, 0.45, 0.30, 1.0]),
    ("black", [0.08, 0.08, 0.09, 1.0]),
    ("gray", [0.52, 0.54, 0.57, 1.0]),
    ("white", [0.93, 0.93, 0.92, 1.0]),
    ("beige", [0.85, 0.76, 0.61, 1.0]),
];

/// Red, green, blue and opacity of a named colour.
pub(crate) fn rgba(name: &str) -> Option<[f32; 4]> {
    PALETTE.iter().find(|(known, _)| *known == name).map(|(_, rgba)| *rgba)
}

/// All names, comma-separated.
pub(crate) fn names() -> String {
    PALETTE.map(|(name, _)| name).join(", ")
}
