//! Peak memory of processes.

/// The most resident memory that a process ever had, MiB; none once it is gone.
pub(crate) fn peak_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Of this process, MiB.
pub(crate) fn own_peak_mib() -> f64 {
    peak_mib(std::process::id()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_memory() {
        assert!(super::own_peak_mib() > 1.0);
    }
}
