//! Every limit in one place, each with the reason, proved at compile time where one follows from another.

/// The smallest page, in bytes.
pub const PAGE_SIZE_MIN_BYTES: usize = 4096;
/// The largest page, in bytes.
pub const PAGE_SIZE_MAX_BYTES: usize = 32 * 1024;
/// The page size unless another is asked for.
pub const PAGE_SIZE_DEFAULT_BYTES: usize = 4096;

/// The longest user's key at a page size, in bytes: ESE's limits (1,000 at 4 KiB pages, 2,000 from 8 KiB).
#[must_use]
pub const fn key_max_bytes(page_size_bytes: usize) -> usize {
    if page_size_bytes < 8192 { 1000 } else { 2000 }
}

// An inner node must hold two separators, or a tree of longest keys could not branch.
const _: () = assert!(2 * key_max_bytes(4096) + 512 <= 4096);
const _: () = assert!(2 * key_max_bytes(8192) + 512 <= 8192);

/// The longest value, in bytes: 2 GiB − 1, as for ESE's long values. The version-store budget limits it further.
pub const VALUE_MAX_BYTES: usize = (1 << 31) - 1;

/// A value must fit this share of the version-store budget (one quarter).
pub const VALUE_BUDGET_SHARE: u64 = 4;

/// The longest name of a tree, in bytes (ESE: 64 characters).
pub const NAME_MAX_BYTES: usize = 64;

/// The longest name of a database, which may be a path, in bytes (ESE: paths of 260 characters).
pub const DATABASE_NAME_MAX_BYTES: usize = 512;

/// How many databases may be attached to an instance at a time (ESE: 7 with the temporary one).
pub const DATABASES_MAX: usize = 7;

/// How many generations a view holds at most; with this many the active one is not sealed.
pub const GENERATIONS_MAX: usize = 4;

/// Sessions an instance admits unless told otherwise.
pub const SESSIONS_DEFAULT: u32 = 1024;
/// The most sessions an instance can be told to admit.
pub const SESSIONS_MAX: u32 = 30_000;
