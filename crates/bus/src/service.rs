//! Services: one server answers many clients.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::inbox::lock;
use crate::waiter::Signal;
use crate::{BusError, CallError, Service};

/// Requests that a server holds before the oldest is dropped, whose caller then sees
/// [`CallError::NoServer`].
pub(crate) const REQUEST_DEPTH: usize = 256;

/// Sends one response on its way.
pub(crate) type Responder<R> = Box<dyn FnOnce(R) -> Result<(), BusError> + Send + Sync>;

pub(crate) trait ServerPort<Q, R>: Send + Sync {
    fn take(&self) -> Option<(Q, Responder<R>)>;
    fn undecodable(&self) -> u64;
}

pub(crate) trait ClientPort<Q, R>: Send + Sync {
    /// `deadline`: whether the carrier's call time-out applies.
    fn call(&self, request: &Q, deadline: bool) -> Call<R>;
    fn server_available(&self) -> bool;
}

/// Where a response arrives.
#[derive(Debug)]
enum Slot<R> {
    Waiting,
    Arrived(Result<R, CallError>),
    Taken,
}

/// The sending end of a [`Call`]. Dropped without an answer, it says that no server answered.
pub(crate) struct Promise<R> {
    slot: Arc<Mutex<Slot<R>>>,
    service: Arc<str>,
    signal: Arc<Signal>,
}

impl<R> Promise<R> {
    /// Fills the slot; only the first answer counts.
    pub(crate) fn fill(&self, answer: Result<R, CallError>) {
        let mut slot = lock(&self.slot);
        if matches!(*slot, Slot::Waiting) {
            *slot = Slot::Arrived(answer);
            drop(slot);
            self.signal.notify();
        }
    }

    /// Whether somebody still waits for the answer.
    #[cfg(feature = "ros2")]
    pub(crate) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.slot) > 1 && matches!(*lock(&self.slot), Slot::Waiting)
    }

    pub(crate) fn undecodable(&self, error: &sinew_msgs::cdr::CdrError) -> CallError {
        CallError::Undecodable { service: self.service.to_string(), reason: error.to_string() }
    }
}

impl<R> Drop for Promise<R> {
    fn drop(&mut self) {
        self.fill(Err(CallError::NoServer { service: self.service.to_string() }));
    }
}

/// Tells whether a server is still there.
pub(crate) type ServerCheck = Box<dyn Fn() -> bool + Send + Sync>;

/// How long a server may be invisible before its calls fail: a last answer may be on its way behind
/// the news that it left.
const LEAVE_GRACE: Duration = Duration::from_secs(1);

/// How often a waiting call looks for its server.
const SERVER_CHECK_PERIOD: Duration = Duration::from_millis(100);

/// Between processes, what a waiting call keeps an eye on.
pub(crate) struct Watch {
    since: Instant,
    timeout: Option<Duration>,
    server_visible: ServerCheck,
    next_check: Instant,
    invisible_since: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(timeout: Option<Duration>, server_visible: ServerCheck) -> Self {
        let since = Instant::now();
        let next_check = since + SERVER_CHECK_PERIOD;
        Self { since, timeout, server_visible, next_check, invisible_since: None }
    }

    /// Why waiting on makes no sense.
    fn verdict(&mut self, service: &str) -> Option<CallError> {
        let now = Instant::now();
        if let Some(after) = self.timeout.filter(|after| now - self.since > *after) {
            return Some(CallError::Timeout { service: service.to_owned(), after });
        }
        if now >= self.next_check {
            self.next_check = now + SERVER_CHECK_PERIOD;
            let visible = (self.server_visible)();
            self.invisible_since = if visible { None } else { self.invisible_since.or(Some(now)) };
        }
        let invisible = self.invisible_since.is_some_and(|since| now - since > LEAVE_GRACE);
        invisible.then(|| CallError::NoServer { service: service.to_owned() })
    }
}

/// A request on its way. Dropping it forgets the response; the server still acts on it.
#[must_use = "a call is polled for its response"]
pub struct Call<R> {
    slot: Arc<Mutex<Slot<R>>>,
    service: Arc<str>,
    watch: Option<Watch>,
}

impl<R> Call<R> {
    pub(crate) fn open(
        service: Arc<str>,
        signal: Arc<Signal>,
        watch: Option<Watch>,
    ) -> (Self, Promise<R>) {
        let slot = Arc::new(Mutex::new(Slot::Waiting));
        let promise = Promise { slot: slot.clone(), service: service.clone(), signal };
        (Self { slot, service, watch }, promise)
    }

    /// The response, once; `None` while it is on its way and after it was taken.
    ///
    /// # Errors
    /// Inside: see [`CallError`]. Time-outs exist only between processes, in wall time.
    pub fn poll(&mut self) -> Option<Result<R, CallError>> {
        let mut slot = lock(&self.slot);
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Arrived(answer) => return Some(answer),
            Slot::Taken => return None,
            Slot::Waiting => {}
        }
        if let Some(error) = self.watch.as_mut().and_then(|watch| watch.verdict(&self.service)) {
            return Some(Err(error));
        }
        *slot = Slot::Waiting;
        None
    }
}

impl<R> std::fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Answers requests.
pub struct ServiceServer<S: Service> {
    name: String,
    port: Box<dyn ServerPort<S::Request, S::Response>>,
}

impl<S: Service> ServiceServer<S> {
    pub(crate) fn new(name: String, port: Box<dyn ServerPort<S::Request, S::Response>>) -> Self {
        Self { name, port }
    }

    /// The oldest request that waits, if any.
    #[must_use]
    pub fn take_request(&self) -> Option<Request<S>> {
        let (request, responder) = self.port.take()?;
        Some(Request { request, responder })
    }

    /// Requests lost because their bytes were not a request of this type.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.port.undecodable()
    }

    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<S: Service> std::fmt::Debug for ServiceServer<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceServer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A request that waits for its response. It may be kept over many steps; dropped without a
/// response, its caller learns at once that nobody answers.
#[must_use = "a request is answered"]
pub struct Request<S: Service> {
    request: S::Request,
    responder: Responder<S::Response>,
}

impl<S: Service> Request<S> {
    /// What the client asks.
    #[must_use]
    pub fn request(&self) -> &S::Request {
        &self.request
    }

    /// Answers.
    ///
    /// # Errors
    /// [`BusError`] when the response cannot be sent; a client that is gone is no error.
    pub fn respond(self, response: S::Response) -> Result<(), BusError> {
        (self.responder)(response)
    }
}

impl<S: Service> std::fmt::Debug for Request<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("request", &self.request).finish_non_exhaustive()
    }
}

/// Calls a service.
pub struct ServiceClient<S: Service> {
    name: String,
    port: Box<dyn ClientPort<S::Request, S::Response>>,
}

impl<S: Service> ServiceClient<S> {
    pub(crate) fn new(name: String, port: Box<dyn ClientPort<S::Request, S::Response>>) -> Self {
        Self { name, port }
    }

    /// Sends a request; every way to fail shows in [`Call::poll`].
    pub fn call(&self, request: &S::Request) -> Call<S::Response> {
        self.port.call(request, true)
    }

    /// Whether a server is known now. A call without one fails at once.
    #[must_use]
    pub fn server_available(&self) -> bool {
        self.port.server_available()
    }

    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<S: Service> std::fmt::Debug for ServiceClient<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceClient").field("name", &self.name).finish_non_exhaustive()
    }
}
