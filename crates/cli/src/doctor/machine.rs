//! What a control loop needs to be punctual.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::Ordering;

use rustix::process::{Resource, getrlimit};
use sinew_hardware::{LoopStats, RealTimeConfig};

use super::{Check, read};

pub(super) fn cores() -> Vec<Check> {
    const NAME: &str = "processor";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        let mend = "use a machine with two cores or more: one for the control loop";
        return Check::warning(NAME, "1 core", mend);
    }
    Check::ok(NAME, format!("{cores} cores"))
}

pub(super) fn kernel() -> Vec<Check> {
    const NAME: &str = "kernel preemption";
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown kernel".into());
    let version = read("/proc/sys/kernel/version").unwrap_or_default();
    if read("/sys/kernel/realtime").as_deref() == Some("1") || version.contains("PREEMPT_RT") {
        return Check::ok(NAME, format!("{release}, PREEMPT_RT"));
    }
    let model = version.split(' ').find(|word| word.starts_with("PREEMPT"));
    let found = format!("{release}, {}", model.unwrap_or("no preemption"));
    let mend = "for a robot at 1 kHz: sudo apt install linux-image-rt-amd64 (Debian), \
                sudo pro enable realtime-kernel (Ubuntu)";
    Check::warning(NAME, found, mend)
}

/// The line of /etc/security/limits.d that gives both limits.
const LIMITS: &str = "printf '@realtime - rtprio 98\\n@realtime - memlock unlimited\\n' | sudo tee \
                      /etc/security/limits.d/99-realtime.conf; sudo groupadd -f realtime; sudo \
                      usermod -aG realtime $USER; then log in again";

pub(super) fn real_time_priority() -> Vec<Check> {
    const NAME: &str = "real-time priority";
    let Some(priority) = RealTimeConfig::default().fifo_priority else {
        return Check::ok(NAME, "not asked for");
    };
    let limit = match getrlimit(Resource::Rtprio).current {
        Some(limit) => limit.to_string(),
        None => "unlimited".into(),
    };
    // On a thread of its own: the policy stays with the thread.
    let is_given = std::thread::spawn(move || {
        let stats = LoopStats::default();
        stats.prepare_thread(Some(priority), false);
        stats.is_fifo.load(Ordering::SeqCst)
    });
    if is_given.join().unwrap_or(false) {
        return Check::ok(NAME, format!("SCHED_FIFO {priority} is given (RLIMIT_RTPRIO {limit})"));
    }
    Check::warning(NAME, format!("SCHED_FIFO is refused (RLIMIT_RTPRIO {limit})"), LIMITS)
}

pub(super) fn locked_memory() -> Vec<Check> {
    const NAME: &str = "locked memory";
    let limit = match getrlimit(Resource::Memlock).current {
        Some(bytes) => format!("{} KiB", bytes >> 10),
        None => "unlimited".into(),
    };
    let stats = LoopStats::default();
    stats.prepare_thread(None, true);
    // It locked the memory of the whole process, which ends soon.
    let _ = rustix::mm::munlockall();
    if stats.is_memory_locked.load(Ordering::SeqCst) {
        return Check::ok(NAME, format!("given (RLIMIT_MEMLOCK {limit})"));
    }
    Check::warning(NAME, format!("refused (RLIMIT_MEMLOCK {limit})"), LIMITS)
}

pub(super) fn timer_slack() -> Vec<Check> {
    const NAME: &str = "timer slack";
    let slack = std::thread::spawn(|| {
        LoopStats::default().prepare_thread(None, false);
        rustix::thread::current_timer_slack()
    });
    match slack.join() {
        Ok(Ok(1)) => Check::ok(NAME, "1 ns is given"),
        Ok(Ok(ns)) => {
            let mend = "run outside of what restricts prctl(PR_SET_TIMERSLACK)";
            Check::warning(NAME, format!("{ns} ns"), mend)
        }
        _ => Check::warning(NAME, "cannot be read", "use Linux 2.6.28 or newer"),
    }
}

pub(super) fn governor() -> Vec<Check> {
    const NAME: &str = "cpu governor";
    let cpus = std::fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let governors: BTreeSet<String> =
        cpus.filter_map(|cpu| read(cpu.path().join("cpufreq/scaling_governor"))).collect();
    if governors.is_empty() {
        return Check::ok(NAME, "none: the kernel does not change the frequency");
    }
    let found = governors.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if found == "performance" {
        return Check::ok(NAME, found);
    }
    Check::warning(NAME, found, "sudo cpupower frequency-set -g performance")
}

pub(super) fn clock_source() -> Vec<Check> {
    const NAME: &str = "clock source";
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    match source.as_deref() {
        Some(slow @ ("hpet" | "acpi_pm" | "jiffies" | "refined-jiffies")) => {
            let mend =
                "boot with the kernel parameter clocksource=tsc, if the processor's is stable";
            Check::warning(NAME, format!("{slow}: slow to read"), mend)
        }
        Some(source) => Check::ok(NAME, source),
        None => Check::warning(NAME, "cannot be told", "mount /sys"),
    }
}

pub(super) fn clock_synchronisation() -> Vec<Check> {
    const NAME: &str = "clock synchronised";
    let told =
        Command::new("timedatectl").args(["show", "-p", "NTPSynchronized", "--value"]).output();
    let told = told.ok().filter(|output| output.status.success());
    let told = told.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mend = "with more than one machine: sudo apt install chrony; sudo timedatectl set-ntp true. \
                The control loop uses the monotonic clock and does not need it";
    match told.as_deref() {
        Some("yes") => Check::ok(NAME, "by NTP"),
        Some(_) => Check::warning(NAME, "no", mend),
        None => Check::warning(NAME, "cannot be told: no timedatectl", mend),
    }
}
