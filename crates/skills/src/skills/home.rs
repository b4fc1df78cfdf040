use serde_json::Value;

use crate::body::Body;
use crate::context::{Context, Skill, Status};
use crate::goal::Rejection;
use crate::io::{Failure, Inputs};
use crate::tuck::Tuck;

/// Folds the arm.
#[derive(Default)]
struct Home {
    tuck: Tuck,
}

pub(crate) fn make(
    _args: &Value,
    _body: &mut Body,
    _inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    Ok(Box::new(Home::default()))
}

impl Skill for Home {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        cx.report.phase("folding the arm", 0.5);
        self.tuck.step(cx)
    }
}
