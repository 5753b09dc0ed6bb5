//! A question about one domain allocates nothing: the figure that monitoring agents ask for most often.
//!
//! `unsafe` here: an allocator that counts.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use xenith::channel::hypercall::Hypervisor;
use xenith::log::Log;
use xenith::wire::hypercall::number;
use xenith::wire::port::{Hypercall, Memory};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is the system allocator's; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Xen 4.17 with nobody but Domain-0.
struct Still;

impl Hypercall for Still {
    fn call(&self, op: u64, args: [u64; 5], _: &mut Memory<'_>) -> Result<i64, i32> {
        Ok(if (op, args[0]) == (number::XEN_VERSION, 0) { 4 << 16 | 17 } else { 0 })
    }
}

#[test]
fn reading_one_domain_allocates_nothing() {
    let xen = Hypervisor::over(Arc::new(Still), &Log::default()).unwrap();
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..100 {
        assert!(xen.domain_info(0).unwrap().is_some());
        xen.pause(0).unwrap();
        xen.physinfo().unwrap();
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
    // The counter does count.
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 1);
}
