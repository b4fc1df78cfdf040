//! The log of a node on `/rosout`.
//!
//! [`layer`] takes what Sinew logs at level INFO and above, on whatever thread, to a queue of this process; a thread of its own
//! publishes it, so that nobody who logs waits for the bus. What the queue has no room for is counted, and told as a line.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use sinew_bus::{BusNode, Publisher, names};
use sinew_msgs::rcl_interfaces::Log;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::wall_stamp;

/// Lines that wait for being published at most.
const CAPACITY: usize = 1000;

/// The lines of this process.
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

struct Waiting {
    lines: VecDeque<Log>,
    dropped: u64,
    /// Whether somebody publishes them.
    is_open: bool,
}

static QUEUE: Queue = Queue::new();

thread_local! {
    /// Whether this is a thread that publishes lines: what that itself logs is not published, or it would never end.
    static PUBLISHES: Cell<bool> = const { Cell::new(false) };
}

impl Queue {
    const fn new() -> Self {
        let waiting = Waiting { lines: VecDeque::new(), dropped: 0, is_open: false };
        Self { waiting: Mutex::new(waiting), arrived: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Each critical section leaves the queue whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes lines from now on; false if it does already.
    fn open(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_open, true)
    }

    fn is_open(&self) -> bool {
        self.lock().is_open
    }

    fn push(&self, line: Log) {
        let mut waiting = self.lock();
        if !waiting.is_open {
            return;
        }
        if waiting.lines.len() < CAPACITY {
            waiting.lines.push_back(line);
        } else {
            waiting.dropped += 1;
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    fn close(&self) {
        self.lock().is_open = false;
        self.arrived.notify_one();
    }

    /// The lines that wait, and how many were dropped; sleeps until there is something. None once all were given after
    /// [`Queue::close`].
    fn take(&self) -> Option<(VecDeque<Log>, u64)> {
        let is_idle = |waiting: &mut Waiting| {
            waiting.is_open && waiting.lines.is_empty() && waiting.dropped == 0
        };
        let waiting = self.arrived.wait_while(self.lock(), is_idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let taken = (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.dropped));
        (waiting.is_open || !taken.0.is_empty() || taken.1 > 0).then_some(taken)
    }
}

/// Takes what Sinew's crates log at level INFO and above to `/rosout`, while a node of this process publishes there.
pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    let ours = |metadata: &Metadata<'_>| {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("sinew")
    };
    ToQueue.with_filter(FilterFn::new(ours).with_max_level_hint(LevelFilter::INFO))
}

struct ToQueue;

impl<S: Subscriber> Layer<S> for ToQueue {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if PUBLISHES.get() || !QUEUE.is_open() {
            return;
        }
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        QUEUE.push(Log {
            stamp: wall_stamp(),
            level: level(*metadata.level()),
            // The node's, filled in where it is known.
            name: String::new(),
            msg: text.message + &text.fields,
            file: metadata.file().unwrap_or_default().to_owned(),
            function: metadata.module_path().unwrap_or_default().to_owned(),
            line: metadata.line().unwrap_or_default(),
        });
    }
}

fn level(level: Level) -> u8 {
    match level {
        Level::ERROR => Log::ERROR,
        Level::WARN => Log::WARN,
        _ => Log::INFO,
    }
}

/// An event as one line: the message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            // The line's own name says it.
            "node" => {}
            name => {
                let _ = write!(self.fields, " {name}={value}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Messages come here too, as what writes itself without quotes; a string does not.
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Publishes the log of this process as that of its node, until it is dropped.
pub(crate) struct Rosout {
    thread: Option<JoinHandle<()>>,
}

impl Rosout {
    /// Publishes what is logged from now on. Where that cannot be had the node goes without, with a warning; of several
    /// nodes in one process the first has the log.
    pub(crate) fn start(node: &BusNode) -> Self {
        let publisher = super::if_any(node, "log", node.publisher(&names::ROSOUT));
        let thread = publisher.filter(|_| QUEUE.open()).and_then(|publisher| {
            let name = logger_name(node.namespace(), node.name());
            let run = move || publish(&publisher, &name);
            let spawned = std::thread::Builder::new().name("rosout".into()).spawn(run);
            if let Err(error) = &spawned {
                QUEUE.close();
                tracing::warn!(node = node.name(), %error, "no log for ROS 2's tools");
            }
            spawned.ok()
        });
        Self { thread }
    }
}

impl Drop for Rosout {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        QUEUE.close();
        // What waits is published before.
        let _ = thread.join();
    }
}

/// As rcl names the logger of a node: `mobi.hardware`.
fn logger_name(namespace: &str, name: &str) -> String {
    let namespace = namespace.trim_matches('/').replace('/', ".");
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn publish(publisher: &Publisher<Log>, name: &str) {
    PUBLISHES.set(true);
    let mut lost = 0;
    while let Some((lines, dropped)) = QUEUE.take() {
        lost += dropped;
        for line in lines {
            // There is no other place to tell it: the next line that gets through does.
            if publisher.publish(&Log { name: name.to_owned(), ..line }).is_err() {
                lost += 1;
            }
        }
        if lost > 0 && publisher.publish(&loss(name, lost)).is_ok() {
            lost = 0;
        }
    }
}

/// A line on lines that are not there.
fn loss(name: &str, lines: u64) -> Log {
    Log {
        stamp: wall_stamp(),
        level: Log::WARN,
        name: name.to_owned(),
        msg: format!(
            "{lines} lines of the log were dropped here: more than {CAPACITY} waited, or the bus was down"
        ),
        file: file!().to_owned(),
        function: module_path!().to_owned(),
        line: line!(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_and_a_closed_one_gives_what_it_has() {
        let queue = Queue::new();
        queue.push(Log::default());
        assert!(queue.open());
        assert!(!queue.open());
        for _ in 0..CAPACITY + 3 {
            queue.push(Log::default());
        }
        queue.close();
        queue.push(Log::default());
        let (lines, dropped) = queue.take().unwrap();
        assert_eq!(
            (lines.len(), dropped),
            (CAPACITY, 3),
            "what came before and after it was open is not taken"
        );
        assert!(queue.take().is_none());
    }

    #[test]
    fn loggers_are_named_as_by_rcl() {
        assert_eq!(logger_name("/", "hardware"), "hardware");
        assert_eq!(logger_name("/fleet/mobi", "hardware"), "fleet.mobi.hardware");
    }
}
