//! The machine that a measurement runs on, and the two processes on it.
//!
//! Reads `/proc` and `/sys`; what cannot be read is left empty, since a result
//! without its governor is better than none.

use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::process;
use crate::result::{Environment, Named, ProcessFacts};

/// Kernel settings that a broker's numbers depend on.
const KERNEL_SETTINGS: [&str; 7] = [
    "net.core.somaxconn",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.ip_local_port_range",
    "kernel.io_uring_disabled",
];

/// Collects everything, now; `pid` is the broker's process.
#[must_use]
pub fn environment(pid: Option<u32>, broker_version: Option<&str>) -> Environment {
    let cpu = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let settings = KERNEL_SETTINGS.iter().filter_map(|name| {
        let value = read(&format!("/proc/sys/{}", name.replace('.', "/")));
        let words: Vec<&str> = value.split_whitespace().collect();
        (!words.is_empty()).then(|| ((*name).to_owned(), words.join(" ")))
    });
    let load = read("/proc/loadavg");
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let mut generator = process_facts(std::process::id());
    generator.version = Some(env!("CARGO_PKG_VERSION").to_owned());
    Environment {
        started: utc(now()),
        kernel: read("/proc/sys/kernel/osrelease"),
        cpu_model: field("model name").unwrap_or_default(),
        cores: thread::available_parallelism()
            .ok()
            .and_then(|count| u32::try_from(count.get()).ok())
            .map_or(0, |usable| online_cores().unwrap_or(usable)),
        governor: (!governor.is_empty()).then_some(governor),
        virtual_machine: field("flags")
            .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
        memory: kib(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0),
        load: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        kernel_settings: settings.collect::<Named<String>>(),
        generator,
        broker: pid.map(|pid| {
            let mut facts = process_facts(pid);
            facts.version = broker_version.map(str::to_owned);
            facts
        }),
    }
}

/// Cores that the kernel runs, whatever this process is confined to.
fn online_cores() -> Option<u32> {
    let list = read("/sys/devices/system/cpu/online");
    let mut sum = 0;
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        sum += last.checked_sub(first)? + 1;
    }
    Some(sum)
}

fn process_facts(pid: u32) -> ProcessFacts {
    let status = read(&format!("/proc/{pid}/status"));
    let cores = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let limits = read(&format!("/proc/{pid}/limits"));
    // Soft limit: the first word behind the name.
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.unwrap_or_default().to_owned()
    };
    let command = read(&format!("/proc/{pid}/cmdline"));
    ProcessFacts {
        command: command
            .split('\0')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        version: None,
        cores: cores.unwrap_or_default().trim().to_owned(),
        threads: process::threads(pid) as u64,
        descriptors: limit("Max open files"),
        locked_memory: limit("Max locked memory"),
    }
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn read(path: &str) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
        .unwrap_or_default()
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |span| span.as_secs())
}

/// Seconds since 1970 as `2026-02-03T04:05:06Z`.
#[must_use]
pub fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is the last one; an era
    // is 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_772_323_200), "2026-03-01T00:00:00Z");
    }

    #[test]
    fn the_environment_names_the_kernel_and_both_processes() {
        let found = environment(Some(std::process::id()), Some("1.2"));
        assert!(!found.kernel.is_empty() && found.cores > 0 && found.memory > 0);
        let broker = found.broker.expect("a process was named");
        assert_eq!(broker.command, found.generator.command);
        assert!(!broker.cores.is_empty() && !broker.descriptors.is_empty());
    }
}
