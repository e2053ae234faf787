//! What this process takes of the machine.

use std::time::Instant;

/// Resident memory now and at its highest, in bytes; zeros where the system does not tell.
#[must_use]
pub fn resident_memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse::<u64>().ok())
            .map_or(0, |kib| kib * 1024)
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Processor seconds of all threads of this process so far, which a busy machine distorts less than
/// wall time; 0 where the system does not tell.
#[must_use]
pub fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold spaces; counting begins after it.
    let ticks = |at: usize| -> f64 {
        stat.rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(at))
            .and_then(|field| field.parse().ok())
            .unwrap_or(0.0)
    };
    // `utime` and `stime` of proc(5), in ticks of which Linux shows 100 a second.
    (ticks(11) + ticks(12)) / 100.0
}

/// Bytes of memory of this machine, where the system says.
#[must_use]
pub fn total_memory() -> Option<u64> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    Some(system.total_memory()).filter(|&bytes| bytes > 0)
}

/// Processor use of this process between two readings, and memory of the machine.
#[derive(Debug)]
pub(crate) struct ProcessMeter {
    system: sysinfo::System,
    pid: Option<sysinfo::Pid>,
    read: Instant,
}

/// One reading.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// 100 is one core.
    pub cpu_percent: Option<f64>,
    /// Bytes in use on the machine.
    pub memory_used: Option<u64>,
    /// Bytes of the machine.
    pub memory_total: Option<u64>,
}

impl ProcessMeter {
    /// Starts measuring.
    #[must_use]
    pub(crate) fn start() -> Self {
        let mut meter = Self {
            system: sysinfo::System::new(),
            pid: sysinfo::get_current_pid().ok(),
            read: Instant::now(),
        };
        meter.refresh();
        meter
    }

    fn refresh(&mut self) {
        if let Some(pid) = self.pid {
            let kind = sysinfo::ProcessRefreshKind::nothing().with_cpu();
            self.system.refresh_processes_specifics(
                sysinfo::ProcessesToUpdate::Some(&[pid]),
                false,
                kind,
            );
        }
        self.system.refresh_memory();
        self.read = Instant::now();
    }

    /// Use since the last reading.
    pub(crate) fn read(&mut self) -> Usage {
        // Below this the system's counters have not moved, see sysinfo's documentation.
        if self.read.elapsed() < sysinfo::MINIMUM_CPU_UPDATE_INTERVAL {
            return Usage::default();
        }
        self.refresh();
        let process = self.pid.and_then(|pid| self.system.process(pid));
        Usage {
            cpu_percent: process.map(|process| f64::from(process.cpu_usage())),
            memory_used: Some(self.system.used_memory()),
            memory_total: Some(self.system.total_memory()),
        }
    }
}
