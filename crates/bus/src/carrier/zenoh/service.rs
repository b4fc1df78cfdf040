//! Service servers and clients on zenoh: queryables and queries.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hiroz::attachment::Attachment;
use hiroz::entity::EndpointKind;
use sinew_msgs::cdr;
use zenoh::Wait;
use zenoh::liveliness::LivelinessToken;
use zenoh::query::{ConsolidationMode, Querier, Query, QueryTarget, Queryable, Reply};

use super::{Declared, ZenohNode, attachment, failed};
use crate::inbox::Inbox;
use crate::message::Wire;
use crate::node::Endpoint;
use crate::service::{Call, ClientPort, Promise, REQUEST_DEPTH, Responder, ServerPort, Watch};
use crate::{BusError, CallError};

impl ZenohNode {
    pub(crate) fn server<Q: Wire, R: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn ServerPort<Q, R>>, BusError> {
        let declared = self.declare(EndpointKind::Service, endpoint)?;
        let inbox = Arc::new(Inbox::new(REQUEST_DEPTH));
        let (filled, signal) = (inbox.clone(), self.signal.clone());
        let queryable = self
            .node
            .session()
            .declare_queryable(declared.key.clone())
            .complete(true)
            .callback(move |query: Query| {
                filled.push(query);
                signal.notify();
            })
            .wait()
            .map_err(failed("declare server", &endpoint.name))?;
        let token = self.announce(&declared)?;
        Ok(Box::new(ZenohServer {
            name: Arc::from(endpoint.name.as_str()),
            inbox,
            undecodable: AtomicU64::new(0),
            _queryable: queryable,
            _token: token,
            _node: self.clone(),
            types: PhantomData,
        }))
    }

    pub(crate) fn client<Q: Wire, R: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn ClientPort<Q, R>>, BusError> {
        let declared = self.declare(EndpointKind::Client, endpoint)?;
        let querier = self
            .node
            .session()
            .declare_querier(declared.key.clone())
            .target(QueryTarget::AllComplete)
            .consolidation(ConsolidationMode::None)
            // The limit on ordinary calls is kept by Call; here a query may wait for the result of
            // a goal, however long that takes.
            .timeout(Duration::MAX)
            .express(true)
            .wait()
            .map_err(failed("declare client", &endpoint.name))?;
        let token = self.announce(&declared)?;
        Ok(Box::new(ZenohClient {
            service: Arc::from(endpoint.name.as_str()),
            declared,
            querier,
            sequence: AtomicI64::new(1),
            _token: token,
            node: self.clone(),
            types: PhantomData,
        }))
    }
}

struct ZenohServer<Q, R> {
    name: Arc<str>,
    inbox: Arc<Inbox<Query>>,
    undecodable: AtomicU64,
    _queryable: Queryable<()>,
    _token: LivelinessToken,
    _node: Arc<ZenohNode>,
    types: PhantomData<fn(Q) -> R>,
}

impl<Q: Wire, R: Wire> ServerPort<Q, R> for ZenohServer<Q, R> {
    fn take(&self) -> Option<(Q, Responder<R>)> {
        loop {
            let query = self.inbox.pop()?;
            let payload = query.payload().map(|payload| payload.to_bytes()).unwrap_or_default();
            match cdr::decode(&payload) {
                Ok(request) => {
                    drop(payload);
                    let name = self.name.clone();
                    return Some((
                        request,
                        Box::new(move |response| respond(&query, &name, &response)),
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

/// Answers a query as rmw_zenoh does: with the request's sequence number and the client's id.
fn respond<R: Wire>(query: &Query, name: &str, response: &R) -> Result<(), BusError> {
    let payload = cdr::encode(response)
        .map_err(|source| BusError::Encode { name: name.to_owned(), source })?;
    let reply = query.reply(query.key_expr().clone(), payload).express(true);
    match attachment(query.attachment()) {
        Some(request) => {
            reply.attachment(Attachment::new(request.sequence_number, request.source_gid)).wait()
        }
        None => reply.wait(),
    }
    .map_err(failed("respond on", name))
}

struct ZenohClient<Q, R> {
    service: Arc<str>,
    declared: Declared,
    querier: Querier<'static>,
    sequence: AtomicI64,
    _token: LivelinessToken,
    node: Arc<ZenohNode>,
    types: PhantomData<fn(Q) -> R>,
}

impl<Q: Wire, R: Wire> ClientPort<Q, R> for ZenohClient<Q, R> {
    fn call(&self, request: &Q, deadline: bool) -> Call<R> {
        let (node, name) = (self.node.clone(), self.service.clone());
        let watch = Watch::new(
            deadline.then_some(self.node.call_timeout),
            Box::new(move || node.count(EndpointKind::Service, &name) > 0),
        );
        let (call, promise) =
            Call::open(self.service.clone(), self.node.signal.clone(), Some(watch));
        let not_sent =
            |reason: String| CallError::Send { service: self.service.to_string(), reason };
        let payload = match cdr::encode(request) {
            Ok(payload) => payload,
            Err(error) => {
                promise.fill(Err(not_sent(error.to_string())));
                return call;
            }
        };
        let promise = Arc::new(promise);
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let sent = self
            .querier
            .get()
            .payload(payload)
            .attachment(Attachment::new(sequence, self.declared.gid))
            // When the query ends without a reply (no server, or it went away), zenoh drops this
            // closure and with it the promise, which then says so.
            .callback({
                let promise = promise.clone();
                move |reply| accept(&promise, reply)
            })
            .wait();
        if let Err(error) = sent {
            promise.fill(Err(not_sent(error.to_string())));
        }
        call
    }

    fn server_available(&self) -> bool {
        self.node.count(EndpointKind::Service, &self.declared.entity.topic) > 0
    }
}

/// Takes one reply. Error replies end the query too; the promise's drop reports them.
fn accept<R: Wire>(promise: &Promise<R>, reply: Reply) {
    if let Ok(sample) = reply.result() {
        let answer = cdr::decode(&sample.payload().to_bytes());
        promise.fill(answer.map_err(|error| promise.undecodable(&error)));
    }
}
