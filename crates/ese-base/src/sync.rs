//! Locks, atomics and threads of the whole workspace, so that a model checker can take their place.
//!
//! `cfg(loom)` (exhaustive, for the leaf protocols) and `cfg(shuttle)` (random schedules, for the engine) replace the
//! ordinary types by their own; nothing else in the workspace may use `std::sync` locks, `std::sync::atomic` or
//! `std::thread` for what another thread can see. Lock methods never return a poisoned-lock error: a panic while one
//! is held is dealt with by whoever owns the state.

/// A value that is set once, by whoever comes first. Real under the model checkers, too: nothing is protected by it that
/// changes afterwards.
pub use std::sync::OnceLock;

#[cfg(not(any(loom, shuttle)))]
mod real {
    pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
    pub use std::sync::atomic;

    /// Threads and yielding.
    pub mod thread {
        pub use std::thread::{Builder, JoinHandle, yield_now};
    }

    /// One round of a spin loop.
    #[inline]
    pub fn spin() {
        std::hint::spin_loop();
    }

    /// A number of the calling thread: nought, one, … in the order in which they first asked. For giving threads that
    /// write at once different places to write to; nothing that must be right may hang on it.
    #[inline]
    #[must_use]
    pub fn thread_number() -> usize {
        static NEXT: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
        std::thread_local! {
            static NUMBER: usize = NEXT.fetch_add(1, atomic::Ordering::Relaxed);
        }
        // A thread that is being torn down has lost its number; any other does as well.
        NUMBER.try_with(|number| *number).unwrap_or(0)
    }
}

#[cfg(loom)]
mod model {
    // Locks stay real under loom: only the lock-free leaf protocols are checked there, and they hold none.
    pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

    /// Loom's atomics, and fences around which it tries every order.
    pub mod atomic {
        pub use loom::sync::atomic::{
            AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
            AtomicUsize, Ordering,
        };

        loom::lazy_static! {
            /// Written by every thread at each of its fences.
            static ref MET: AtomicUsize = AtomicUsize::new(0);
        }

        /// A fence. Loom tries the orders of accesses to one place only against the latest access to it: a thread that
        /// loads a place before it stores there hides from it who loaded earlier. Therefore all threads write a word of
        /// loom's own, whose order it does try, before and behind their fences: where the protocols have theirs.
        pub fn fence(order: Ordering) {
            MET.store(0, Ordering::Relaxed);
            loom::sync::atomic::fence(order);
            MET.store(0, Ordering::Relaxed);
        }
    }

    /// Threads and yielding.
    pub mod thread {
        pub use loom::thread::{Builder, JoinHandle, yield_now};
    }

    /// One round of a spin loop: lets another thread run.
    pub fn spin() {
        loom::thread::yield_now();
    }

    /// Nought for every thread, so that they all meet.
    pub fn thread_number() -> usize {
        0
    }
}

#[cfg(all(shuttle, not(loom)))]
mod random {
    pub use shuttle::sync::atomic;
    use std::{
        ops::{Deref, DerefMut},
        sync::{PoisonError, TryLockError},
        time::Duration,
    };

    /// Threads and yielding.
    pub mod thread {
        pub use shuttle::thread::{Builder, JoinHandle, yield_now};
    }

    /// One round of a spin loop: lets another thread run.
    pub fn spin() {
        shuttle::thread::yield_now();
    }

    /// Nought for every thread, so that they all meet.
    pub fn thread_number() -> usize {
        0
    }

    /// Shuttle's mutex with the interface of the real one.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    /// Holds a [`Mutex`], which it remembers for [`Condvar::wait_for`].
    #[derive(Debug)]
    pub struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>, &'a shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A mutex around `value`.
        pub fn new(value: T) -> Self {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        /// Waits for the lock.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)), &self.0)
        }

        /// Takes the lock if it is free.
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            let guard = match self.0.try_lock() {
                Ok(guard) => guard,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return None,
            };
            Some(MutexGuard(Some(guard), &self.0))
        }

        /// The value, by exclusive access.
        pub fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.0.as_ref().expect("the guard is whole outside Condvar::wait")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect("the guard is whole outside Condvar::wait")
        }
    }

    /// Whether a wait ended by its time limit.
    #[derive(Debug, Clone, Copy)]
    pub struct WaitTimeoutResult(bool);

    impl WaitTimeoutResult {
        /// True when the time limit ended the wait.
        pub fn timed_out(self) -> bool {
            self.0
        }
    }

    /// Shuttle's condition variable with the interface of the real one.
    #[derive(Debug, Default)]
    pub struct Condvar(shuttle::sync::Condvar);

    impl Condvar {
        /// A condition nobody waits for.
        pub fn new() -> Self {
            Condvar(shuttle::sync::Condvar::new())
        }

        /// Wakes one waiter.
        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        /// Wakes all waiters.
        pub fn notify_all(&self) {
            self.0.notify_all();
        }

        /// Lets go of the lock until woken.
        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let inner = guard.0.take().expect("the guard is whole outside Condvar::wait");
            guard.0 = Some(self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
        }

        /// Shuttle has no time: yields once and reports a time-out.
        pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _limit: Duration) -> WaitTimeoutResult {
            let inner = guard.0.take().expect("the guard is whole outside Condvar::wait");
            drop(inner);
            shuttle::thread::yield_now();
            guard.0 = Some(guard.1.lock().unwrap_or_else(PoisonError::into_inner));
            WaitTimeoutResult(true)
        }
    }

    /// Shuttle's reader-writer lock with the interface of the real one.
    #[derive(Debug, Default)]
    pub struct RwLock<T>(shuttle::sync::RwLock<T>);

    /// Holds a [`RwLock`] for reading.
    pub type RwLockReadGuard<'a, T> = shuttle::sync::RwLockReadGuard<'a, T>;
    /// Holds a [`RwLock`] for writing.
    pub type RwLockWriteGuard<'a, T> = shuttle::sync::RwLockWriteGuard<'a, T>;

    impl<T> RwLock<T> {
        /// A lock around `value`.
        pub fn new(value: T) -> Self {
            RwLock(shuttle::sync::RwLock::new(value))
        }

        /// Waits for a shared hold.
        pub fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        /// Waits for the exclusive hold.
        pub fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(loom)]
pub use model::*;
#[cfg(all(shuttle, not(loom)))]
pub use random::*;
#[cfg(not(any(loom, shuttle)))]
pub use real::*;

/// A number that this process has not given before: engines are told apart by it.
#[must_use]
pub fn next_number() -> u64 {
    // A real atomic under every model checker: it orders nothing.
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Spins a bounded number of rounds, then gives the processor away, until `done` answers true.
///
/// For waits of at most microseconds behind a thread that holds no lock and does no I/O; such a thread may still be
/// descheduled, hence the yielding.
#[inline]
pub fn spin_until(mut done: impl FnMut() -> bool) {
    let mut rounds = 0_u32;
    while !done() {
        rounds += 1;
        if rounds.is_multiple_of(64) { thread::yield_now() } else { spin() }
    }
}

/// Keeps its content on a cache line (pair) of its own, so that writers of neighbours do not slow its readers.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CacheLine<T>(pub T);

impl<T> std::ops::Deref for CacheLine<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}
