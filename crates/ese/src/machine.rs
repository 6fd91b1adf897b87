//! What the machine tells about itself: the one place of the crate that asks the operating system.

/// The memory of the machine in bytes; `None` where the system does not tell in `/proc/meminfo`.
pub(crate) fn memory_bytes() -> Option<u64> {
    memory_total(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// The line `MemTotal:  16266316 kB`, in bytes.
fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_is_found_among_other_lines() {
        let text = "MemFree: 7 kB\nMemTotal:       16266316 kB\nMemAvailable: 9 kB\n";
        assert_eq!(memory_total(text), Some(16_266_316 * 1024));
    }

    #[test]
    fn odd_texts_are_no_total() {
        for text in [
            "",
            "MemTotal:",
            "MemTotal: kB",
            "MemTotal: -1 kB",
            "MemTotal: 5 MB",
            "MemTotal: 18446744073709551615 kB",
        ] {
            assert_eq!(memory_total(text), None, "{text:?}");
        }
    }
}
