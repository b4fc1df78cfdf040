//! Two connected buses on each carrier, and waiting that is bounded but never measured.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use sinew_bus::{Bus, ZenohConfig};

/// Where a server and its clients live: one bus in-process, two sessions or participants elsewhere.
pub(crate) struct Pair {
    pub(crate) server: Bus,
    pub(crate) client: Bus,
    /// Whether a client learns at once that its request was dropped; over DDS only its time-out tells it.
    pub(crate) tells_of_dropped_requests: bool,
}

pub(crate) fn free_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp/127.0.0.1:{}", listener.local_addr().unwrap().port())
}

pub(crate) fn zenoh(listen: &[&str], connect: &[&str], call_timeout: Duration) -> Bus {
    let own = |endpoints: &[&str]| endpoints.iter().map(|e| (*e).to_owned()).collect();
    Bus::zenoh(ZenohConfig {
        listen: own(listen),
        connect: own(connect),
        call_timeout,
        ..ZenohConfig::default()
    })
    .unwrap()
}

impl Pair {
    pub(crate) fn in_process() -> Self {
        let bus = Bus::in_process();
        Self { server: bus.clone(), client: bus, tells_of_dropped_requests: true }
    }

    pub(crate) fn zenoh() -> Self {
        Self::zenoh_with_call_timeout(Duration::from_secs(10))
    }

    pub(crate) fn zenoh_with_call_timeout(call_timeout: Duration) -> Self {
        let endpoint = free_endpoint();
        Self {
            server: zenoh(&[&endpoint], &[], call_timeout),
            client: zenoh(&[], &[&endpoint], call_timeout),
            tells_of_dropped_requests: true,
        }
    }

    /// In a ROS domain of its own, so that tests that run at once do not meet.
    #[cfg(feature = "ros2")]
    pub(crate) fn ros2() -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // The highest that Fast DDS has ports for is 232.
        let first = usize::try_from(std::process::id()).unwrap() % 150;
        let domain_id = Some(1 + first + NEXT.fetch_add(1, Ordering::Relaxed) % 80);
        let config = sinew_bus::Ros2Config { domain_id, call_timeout: Duration::from_secs(3) };
        let open = || Bus::ros2(&config).unwrap();
        Self { server: open(), client: open(), tells_of_dropped_requests: false }
    }
}

/// Polls until there is something. The limit only ends a test that would hang.
pub(crate) fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}
