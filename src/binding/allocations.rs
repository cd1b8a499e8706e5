//! Counts what the JavaScript thread allocates natively. Only with the cargo feature `faults`.
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; everything is passed on to the system's as it came"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};

use napi_derive::napi;

thread_local! {
    /// How often and how many bytes this thread has allocated. Needs no allocation itself, nor a destructor.
    static COUNTS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    /// Whether the next allocation is to be traced.
    static IS_TRACED: Cell<bool> = const { Cell::new(false) };
    static TRACES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note(size: usize) {
    let _ = COUNTS.try_with(|counts| {
        let (times, bytes) = counts.get();
        counts.set((times + 1, bytes + size as u64));
    });
    // Off while a trace is made, which allocates.
    if IS_TRACED.try_with(|it| it.replace(false)) == Ok(true) {
        let counts = COUNTS.with(Cell::get);
        let trace = Backtrace::force_capture();
        let text = format!("{size} bytes\n{trace}");
        TRACES.with(|traces| traces.borrow_mut().push(text));
        COUNTS.with(|it| it.set(counts));
        IS_TRACED.with(|it| it.set(true));
    }
}

// SAFETY: every call is the system allocator's, with the arguments as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: see above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: see above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: see above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// How often this thread has allocated.
#[napi]
pub fn allocations() -> f64 {
    COUNTS.with(Cell::get).0 as f64
}

/// How many bytes it has allocated, whatever became of them.
#[napi]
pub fn allocated_bytes() -> f64 {
    COUNTS.with(Cell::get).1 as f64
}

/// Begins or ends a list of allocations, and gives those since it began: the size, and the calls that led to it.
#[napi]
pub fn trace_allocations(is_on: bool) -> Vec<String> {
    IS_TRACED.with(|it| it.set(false));
    let traces = TRACES.with(|traces| std::mem::take(&mut *traces.borrow_mut()));
    IS_TRACED.with(|it| it.set(is_on));
    traces
}
