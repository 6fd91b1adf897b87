//! How much memory the process holds, from the kernel's books (Linux; elsewhere nothing is reported), and a supply of
//! it before it is needed.

use ese_base::memory::Block;
use std::fs;

/// Resident memory now and at its highest since the last [`reset_peak`], in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now_bytes: u64,
    /// The highest.
    pub peak_bytes: u64,
}

/// Reads the books; `None` where there are none.
#[must_use]
pub fn resident() -> Option<Resident> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    };
    Some(Resident { now_bytes: field("VmRSS:")?, peak_bytes: field("VmHWM:")? })
}

/// Makes the present the highest. Where the kernel does not allow it, the peak stays that of the whole process.
#[expect(
    clippy::disallowed_methods,
    reason = "the kernel's switch is a file; a benchmark is no product code"
)]
pub fn reset_peak() {
    // Nothing depends on it but a figure of memory, which then errs on the high side.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// What [`supply`] asks for: more than any engine takes for a load of a million rows.
const SUPPLY_BYTES: usize = 1 << 30;

/// Has the system find memory, and gives it back: on a virtual machine whose host takes back what is not in use, fresh
/// memory comes at a tenth of its usual rate, and whoever is measured first after a pause would pay for that.
pub fn supply() {
    if let Some(mut block) = Block::zeroed(SUPPLY_BYTES, 1) {
        block.populate();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_when_it_is_used() {
        let before = resident().expect("Linux keeps books");
        let block = vec![1_u8; 64 << 20];
        let after = resident().expect("Linux keeps books");
        assert!(after.now_bytes > before.now_bytes + (32 << 20), "{before:?} {after:?} {}", block.len());
    }
}
