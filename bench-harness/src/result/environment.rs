//! Where a measurement took place, as stored.
//!
//! Pure data; `machine` collects it.

use serde::{Deserialize, Serialize};

use super::Named;

/// The machine and the two parties on it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Environment {
    /// In UTC: `2026-02-03T04:05:06Z`.
    pub started: String,
    /// Kernel release.
    pub kernel: String,
    /// As the CPU calls itself.
    pub cpu_model: String,
    /// Cores that are online.
    pub cores: u32,
    /// The frequency governor, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    /// Whether a hypervisor is below.
    pub virtual_machine: bool,
    /// Bytes of memory.
    pub memory: u64,
    /// Load averages at the start: 1, 5 and 15 minutes.
    pub load: String,
    /// Kernel settings that matter, by name.
    pub kernel_settings: Named<String>,
    /// This program.
    pub generator: ProcessFacts,
    /// The broker's process, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<ProcessFacts>,
}

/// A process that took part.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// Its command line.
    pub command: Vec<String>,
    /// Its version, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The cores that it may run on, as the kernel writes lists: `0-3,8`.
    pub cores: String,
    /// Its threads at the start.
    pub threads: u64,
    /// Descriptors that it may open.
    pub descriptors: String,
    /// Bytes that it may lock in memory.
    pub locked_memory: String,
}
