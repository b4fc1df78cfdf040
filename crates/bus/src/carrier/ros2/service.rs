//! Service servers and clients over rcl.
//!
//! DDS does not tell a client that its request was dropped, or that its server went away while it held the request:
//! a call learns of the one by its time-out and of the other by the graph.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sinew_msgs::cdr;

use super::rcl::{Client, RequestId, Server, ServiceSupport};
use super::{AT_ONCE, Owned, Ros2Node, failed};
use crate::inbox::{Inbox, lock};
use crate::message::Wire;
use crate::node::Endpoint;
use crate::service::{Call, ClientPort, Promise, REQUEST_DEPTH, Responder, ServerPort, Watch};
use crate::waiter::Signal;
use crate::{BusError, CallError};

impl Ros2Node {
    pub(crate) fn server<Q: Wire, R: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn ServerPort<Q, R>>, BusError> {
        let name = &endpoint.name;
        let server = ServiceSupport::find(&endpoint.type_info)
            .and_then(|support| Server::new(&self.node, name, support))
            .map_err(failed("declare server", name))?;
        let end = ServerEnd { server, inbox: Inbox::new(REQUEST_DEPTH) };
        Ok(Box::new(Ros2Server {
            name: Arc::from(name.as_str()),
            end: Owned::new(self, end, |ends| &mut ends.servers),
            undecodable: AtomicU64::new(0),
            types: PhantomData,
        }))
    }

    pub(crate) fn client<Q: Wire, R: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn ClientPort<Q, R>>, BusError> {
        let name = &endpoint.name;
        let client = ServiceSupport::find(&endpoint.type_info)
            .and_then(|support| Client::new(&self.node, name, support))
            .map_err(failed("declare client", name))?;
        let end = ClientEnd { client, waiting: Mutex::default() };
        Ok(Box::new(Ros2Client {
            service: Arc::from(name.as_str()),
            end: Owned::new(self, end, |ends| &mut ends.clients),
            signal: self.core().signal.clone(),
            call_timeout: self.call_timeout,
            types: PhantomData,
        }))
    }
}

/// What the thread fills with requests.
pub(super) struct ServerEnd {
    server: Server,
    inbox: Inbox<(Vec<u8>, RequestId)>,
}

impl ServerEnd {
    pub(super) fn handle(&self) -> &Server {
        &self.server
    }

    /// Moves what waits in the middleware to the inbox; whether there was anything.
    pub(super) fn take(&self) -> bool {
        for taken in 0..AT_ONCE {
            match self.server.take() {
                Ok(Some(request)) => self.inbox.push(request),
                Ok(None) => return taken > 0,
                Err(error) => {
                    tracing::debug!(%error, "a request was not taken");
                    return taken > 0;
                }
            }
        }
        true
    }
}

struct Ros2Server<Q, R> {
    name: Arc<str>,
    end: Owned<ServerEnd>,
    undecodable: AtomicU64,
    types: PhantomData<fn(Q) -> R>,
}

impl<Q: Wire, R: Wire> ServerPort<Q, R> for Ros2Server<Q, R> {
    fn take(&self) -> Option<(Q, Responder<R>)> {
        loop {
            let (payload, id) = self.end.inbox.pop()?;
            match cdr::decode(&payload) {
                Ok(request) => {
                    let (end, name) = (Arc::clone(&self.end), self.name.clone());
                    return Some((
                        request,
                        Box::new(move |response| {
                            let payload = cdr::encode(&response).map_err(|source| {
                                BusError::Encode { name: name.to_string(), source }
                            })?;
                            end.server.respond(id, &payload).map_err(failed("respond on", &name))
                        }),
                    ));
                }
                Err(error) => {
                    self.undecodable.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(service = %self.name, %error, "request dropped");
                }
            }
        }
    }

    fn undecodable(&self) -> u64 {
        self.undecodable.load(Ordering::Relaxed)
    }
}

/// A call that waits for its answer.
trait Waiting: Send {
    fn answer(self: Box<Self>, payload: &[u8]);
    fn is_awaited(&self) -> bool;
}

impl<R: Wire> Waiting for Promise<R> {
    fn answer(self: Box<Self>, payload: &[u8]) {
        let answer = cdr::decode(payload);
        self.fill(answer.map_err(|error| self.undecodable(&error)));
    }

    fn is_awaited(&self) -> bool {
        Promise::is_awaited(self)
    }
}

/// What the thread takes answers from.
pub(super) struct ClientEnd {
    client: Client,
    /// By the number of the request.
    waiting: Mutex<BTreeMap<i64, Box<dyn Waiting>>>,
}

impl ClientEnd {
    pub(super) fn handle(&self) -> &Client {
        &self.client
    }

    /// Hands all answers that wait in the middleware to their calls.
    pub(super) fn take(&self) {
        for _ in 0..AT_ONCE {
            match self.client.take() {
                Ok(Some((payload, sequence))) => {
                    let waiting = lock(&self.waiting).remove(&sequence);
                    if let Some(waiting) = waiting {
                        waiting.answer(&payload);
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "a response was not taken");
                    return;
                }
            }
        }
    }
}

struct Ros2Client<Q, R> {
    service: Arc<str>,
    end: Owned<ClientEnd>,
    signal: Arc<Signal>,
    call_timeout: Duration,
    types: PhantomData<fn(Q) -> R>,
}

impl<Q: Wire, R: Wire> ClientPort<Q, R> for Ros2Client<Q, R> {
    fn call(&self, request: &Q, deadline: bool) -> Call<R> {
        // The call keeps the endpoint, so that its answer finds it after the client was dropped.
        let end = Arc::clone(&self.end);
        let watched = end.clone();
        let watch = Watch::new(
            deadline.then_some(self.call_timeout),
            Box::new(move || watched.client.server_available()),
        );
        let (call, promise) = Call::open(self.service.clone(), self.signal.clone(), Some(watch));
        if !end.client.server_available() {
            // The promise goes, and says so.
            return call;
        }
        let not_sent =
            |reason: String| CallError::Send { service: self.service.to_string(), reason };
        let payload = match cdr::encode(request) {
            Ok(payload) => payload,
            Err(error) => {
                promise.fill(Err(not_sent(error.to_string())));
                return call;
            }
        };
        // Locked over the sending, so that the answer cannot come before it is awaited.
        let mut waiting = lock(&end.waiting);
        // Those that timed out or were given up: their answers may never come.
        waiting.retain(|_, call| call.is_awaited());
        match end.client.send(&payload) {
            Ok(sequence) => {
                waiting.insert(sequence, Box::new(promise));
            }
            Err(error) => {
                drop(waiting);
                promise.fill(Err(not_sent(error.to_string())));
            }
        }
        call
    }

    fn server_available(&self) -> bool {
        self.end.client.server_available()
    }
}
