//! The log of a node on `/rosout`.
//!
//! [`layer`] takes what Sinew logs at level INFO and above, on whatever thread, to a queue of this process; a thread of its own
//! publishes it, so that nobody who logs waits for the bus. What the queue has no room for is counted, and told as a line.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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

/// Lines on their way to the bus.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Log>,
    dropped: u64,
    is_closed: bool,
}

/// The queue of this process' node, while one publishes its log.
static QUEUE: Mutex<Option<Arc<Queue>>> = Mutex::new(None);

thread_local! {
    /// Whether this is a thread that publishes lines: what that itself logs is not published, or it would never end.
    static PUBLISHES: Cell<bool> = const { Cell::new(false) };
}

/// Each critical section here leaves what it guards whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    fn push(&self, line: Log) {
        let mut waiting = lock(&self.waiting);
        if waiting.lines.len() < CAPACITY {
            waiting.lines.push_back(line);
        } else {
            waiting.dropped += 1;
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    fn close(&self) {
        lock(&self.waiting).is_closed = true;
        self.arrived.notify_one();
    }

    /// The lines that wait, and how many were dropped; sleeps until there is something. None once all were given after
    /// [`Queue::close`].
    fn take(&self) -> Option<(VecDeque<Log>, u64)> {
        let is_empty = |waiting: &Waiting| waiting.lines.is_empty() && waiting.dropped == 0;
        let is_idle = |waiting: &mut Waiting| is_empty(waiting) && !waiting.is_closed;
        let waiting = self.arrived.wait_while(lock(&self.waiting), is_idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if is_empty(&waiting) {
            return None;
        }
        Some((std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.dropped)))
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
        if PUBLISHES.get() {
            return;
        }
        let Some(queue) = lock(&QUEUE).clone() else { return };
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        queue.push(Log {
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
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Rosout {
    /// Publishes what is logged from now on. Where that cannot be had the node goes without, with a warning; of several
    /// nodes in one process the first has the log.
    pub(crate) fn start(node: &BusNode) -> Self {
        let mut made = Self { queue: Arc::default(), thread: None };
        // Before the lock, which whoever logs takes.
        let publisher = super::if_any(node, "log", node.publisher(&names::ROSOUT));
        let Some(publisher) = publisher else { return made };
        let mut current = lock(&QUEUE);
        if current.is_some() {
            return made;
        }
        let (name, queue) = (logger_name(node.namespace(), node.name()), made.queue.clone());
        let run = move || publish(&queue, &publisher, &name);
        match std::thread::Builder::new().name("rosout".into()).spawn(run) {
            Ok(thread) => {
                made.thread = Some(thread);
                *current = Some(made.queue.clone());
            }
            Err(error) => {
                drop(current);
                tracing::warn!(node = node.name(), %error, "no log for ROS 2's tools");
            }
        }
        made
    }
}

impl Drop for Rosout {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        *lock(&QUEUE) = None;
        self.queue.close();
        // What waits is published before.
        let _ = thread.join();
    }
}

/// As rcl names the logger of a node: `mobi.hardware`.
fn logger_name(namespace: &str, name: &str) -> String {
    let namespace = namespace.trim_matches('/').replace('/', ".");
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn publish(queue: &Queue, publisher: &Publisher<Log>, name: &str) {
    PUBLISHES.set(true);
    let mut lost = 0;
    while let Some((lines, dropped)) = queue.take() {
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
        let queue = Queue::default();
        for _ in 0..CAPACITY + 3 {
            queue.push(Log::default());
        }
        queue.close();
        let (lines, dropped) = queue.take().unwrap();
        assert_eq!((lines.len(), dropped), (CAPACITY, 3));
        assert!(queue.take().is_none());
    }

    #[test]
    fn loggers_are_named_as_by_rcl() {
        assert_eq!(logger_name("/", "hardware"), "hardware");
        assert_eq!(logger_name("/fleet/mobi", "hardware"), "fleet.mobi.hardware");
    }
}
