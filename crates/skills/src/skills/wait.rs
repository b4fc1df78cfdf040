use std::time::Duration;

use serde_json::Value;
use sinew_types::Time;

use crate::body::Body;
use crate::builtin::number;
use crate::context::{Context, Skill, Status};
use crate::goal::Rejection;
use crate::io::{Failure, Inputs};

/// Lets time pass.
struct Wait {
    duration: Duration,
    started: Option<Time>,
}

pub(crate) fn make(
    args: &Value,
    _body: &mut Body,
    _inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    // The schema keeps it positive and bounded.
    let duration = Duration::from_secs_f64(number(args, "duration_s"));
    Ok(Box::new(Wait { duration, started: None }))
}

impl Skill for Wait {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        let elapsed = cx.now.since(*self.started.get_or_insert(cx.now));
        cx.report.measure("waited_s", elapsed.as_secs_f64());
        cx.report.phase("waiting", (elapsed.as_secs_f64() / self.duration.as_secs_f64()) as f32);
        Ok(if elapsed >= self.duration { Status::Done } else { Status::Running })
    }
}
