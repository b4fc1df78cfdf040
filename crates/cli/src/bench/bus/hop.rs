use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sinew_bus::names::Topic;
use sinew_bus::{Bus, BusNode, Publisher, Qos, ZenohConfig};
use sinew_msgs::std_msgs::UInt8MultiArray;

/// Something that carries a message from one place to another.
pub(super) trait Hop {
    /// Sends one message; the time until it was in the receiver's hands.
    fn send(&mut self) -> Result<Duration>;
}

/// Whatever is waited for comes within this time.
pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// Two buses that see each other: one and the same in-process.
pub(super) struct Pair {
    from: Bus,
    to: Bus,
}

impl Pair {
    pub(super) fn nodes(&self) -> Result<(BusNode, BusNode)> {
        Ok((self.from.node("bench_from", "/bench")?, self.to.node("bench_to", "/bench")?))
    }

    pub(super) fn receiving_bus(&self) -> &Bus {
        &self.to
    }
}

/// An endpoint of this machine that is free.
pub(super) fn free_endpoint() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(format!("tcp/{}", listener.local_addr()?))
}

/// A pair on every carrier that this program has.
pub(super) fn pairs() -> Result<Vec<(&'static str, Pair)>> {
    let bus = Bus::in_process();
    let mut pairs = vec![("in-process", Pair { from: bus.clone(), to: bus })];
    let endpoint = free_endpoint()?;
    let zenoh = |listen: Vec<String>, connect: Vec<String>| {
        Bus::zenoh(ZenohConfig { listen, connect, ..ZenohConfig::default() })
    };
    let to = zenoh(vec![endpoint.clone()], vec![])?;
    pairs.push(("zenoh", Pair { from: zenoh(vec![], vec![endpoint])?, to }));
    #[cfg(feature = "ros2")]
    {
        let config = sinew_bus::Ros2Config::default();
        pairs.push(("ros2", Pair { from: Bus::ros2(&config)?, to: Bus::ros2(&config)? }));
    }
    Ok(pairs)
}

/// From a publisher's call until another node has taken the decoded message.
pub(super) struct BusHop {
    name: &'static str,
    publisher: Publisher<UInt8MultiArray>,
    message: UInt8MultiArray,
    received: Receiver<Instant>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _from: BusNode,
}

impl BusHop {
    pub(super) fn open(name: &'static str, pair: Pair, size: usize) -> Result<Self> {
        let topic = Topic::<UInt8MultiArray>::new("hop", Qos::reliable(10));
        let (from, to) = pair.nodes()?;
        let subscription = to.subscription(&topic)?;
        let publisher = from.publisher(&topic)?;
        let since = Instant::now();
        while publisher.subscriptions() == 0 || subscription.publishers() == 0 {
            if since.elapsed() > WITHIN {
                bail!("{name}: publisher and subscription do not see each other");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut waiter = pair.receiving_bus().waiter();
        let (sender, received) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = std::thread::spawn(move || {
            // Kept until the end, so that both stay connected.
            let _kept = (pair, to);
            while !over.load(Ordering::Relaxed) {
                waiter.wait(Duration::from_millis(100));
                while subscription.take().is_some() {
                    if sender.send(Instant::now()).is_err() {
                        return;
                    }
                }
            }
        });
        let message = UInt8MultiArray { data: vec![7; size].into(), ..UInt8MultiArray::default() };
        Ok(Self { name, publisher, message, received, is_over, thread: Some(thread), _from: from })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

impl Hop for BusHop {
    fn send(&mut self) -> Result<Duration> {
        let sent = Instant::now();
        self.publisher.publish(&self.message)?;
        let received = self.received.recv_timeout(WITHIN);
        let received = received.with_context(|| format!("{}: a message was lost", self.name))?;
        Ok(received.saturating_duration_since(sent))
    }
}

impl Drop for BusHop {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
