//! Structs that grow: they travel with the size that the caller's header gave them.
//!
//! Outputs: the library writes the fields that both know and zeroes what the caller knows beyond; a field that does not fit
//! whole counts as absent. Inputs: what the caller does not know is zero, which every field defines as its default;
//! what the library does not know must be zero, because it could not honour it.
//!
//! Unsafe: copies between the caller's memory and our structs, byte by byte.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::args::pointer;
use crate::error::{Error, Result};

/// No struct will ever be this large: a bigger size is a mistake (an uninitialized variable, a negative number).
const LIMIT: usize = 4096;

/// A struct whose size the caller says.
///
/// # Safety
/// `#[repr(C)]`, without padding, and valid for every bit pattern that C can make, zeroes included.
pub(super) unsafe trait Growing: Copy {
    /// Where each field ends, in order.
    const ENDS: &'static [usize];
}

/// Declares that a struct may travel with its size, naming its fields in order. Refuses to compile when it has padding.
macro_rules! sized {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        const _: () = assert!(
            0 $(+ std::mem::size_of::<$type>())* == std::mem::size_of::<$name>(),
            "padding, or a field that is not listed"
        );
        // SAFETY: no padding, as asserted above; the fields are integers, arrays of them, and pointers that may be NULL.
        unsafe impl $crate::capi::sized::Growing for $name {
            const ENDS: &'static [usize] =
                &[$(std::mem::offset_of!($name, $field) + std::mem::size_of::<$type>()),*];
        }
    };
}
pub(super) use sized;

/// A place for a struct of which the caller knows `size` bytes.
pub(super) struct SizedOut {
    at: NonNull<u8>,
    size: usize,
}

impl SizedOut {
    /// Checks place and size before anything is done. A struct starts with its mask of valid fields, 64 bits, so nothing smaller
    /// is one.
    ///
    /// # Safety
    /// `ptr` is NULL or `size` bytes can be written there for the length of the call.
    pub(super) unsafe fn new<T: Growing>(ptr: *mut T, name: &str, size: usize) -> Result<Self> {
        let at = pointer(ptr, name)?.cast();
        if !(size_of::<u64>()..=LIMIT).contains(&size) {
            return Err(Error::invalid_arg(format!("size is {size}: it must be sizeof *{name}")));
        }
        Ok(SizedOut { at, size })
    }

    /// Whether the caller has room for all of the field that ends at `end`.
    pub(super) fn holds(&self, end: usize) -> bool {
        end <= self.size
    }

    /// Writes what the caller knows of `value`, and zeroes beyond what we know.
    pub(super) fn put<T: Growing>(self, value: &T) {
        let known = self.size.min(size_of::<T>());
        // SAFETY: `new` was promised `size` writable bytes; `known` is within both, and `T` has no padding.
        unsafe {
            std::ptr::copy_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), self.at.as_ptr(), known);
            self.at.add(known).write_bytes(0, self.size - known);
        }
    }
}

/// Reads a struct of which the caller knows `size` bytes. NULL with size 0 is the default: all zeroes.
///
/// # Safety
/// `ptr` is NULL or points to `size` bytes that do not change during the call.
pub(super) unsafe fn read<T: Growing>(ptr: *const T, name: &str, size: usize) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    if ptr.is_null() && size == 0 {
        // SAFETY: `Growing` says that zeroes are valid.
        return Ok(unsafe { value.assume_init() });
    }
    let from = pointer(ptr, name)?.cast::<u8>();
    if size > LIMIT {
        return Err(Error::invalid_arg(format!("{name}_size is {size}: it must be sizeof *{name}")));
    }
    if size < size_of::<T>() && size != 0 && !T::ENDS.contains(&size) {
        return Err(Error::invalid_arg(format!("{name}_size is {size}, which ends within a field")));
    }
    let known = size.min(size_of::<T>());
    // SAFETY: promised `size` readable bytes; `known` is within both; every bit pattern is valid.
    let (value, beyond) = unsafe {
        std::ptr::copy_nonoverlapping(from.as_ptr(), value.as_mut_ptr().cast::<u8>(), known);
        (value.assume_init(), std::slice::from_raw_parts(from.as_ptr().add(known), size - known))
    };
    match beyond.iter().position(|byte| *byte != 0) {
        None => Ok(value),
        Some(at) => Err(Error::invalid_arg(format!(
            "{name} asks for something that xenith {} does not know, at offset {}: it is from a newer header",
            env!("CARGO_PKG_VERSION"),
            known + at
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Grown {
        valid: u64,
        first: u32,
        second: u32,
    }
    sized! { Grown { valid: u64, first: u32, second: u32 } }

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Newer {
        known: Grown,
        more: u64,
    }

    static VALUE: Grown = Grown { valid: 3, first: 1, second: 2 };

    #[test]
    fn an_old_caller_gets_its_prefix_and_not_a_byte_more() {
        let mut place = Grown { valid: 9, first: 9, second: 9 };
        // SAFETY: 12 of the struct's 16 bytes.
        let out = unsafe { SizedOut::new(&raw mut place, "info", 12) }.unwrap();
        assert!(out.holds(12) && !out.holds(16));
        out.put(&VALUE);
        assert_eq!(place, Grown { valid: 3, first: 1, second: 9 });
    }

    #[test]
    fn a_new_caller_sees_zeroes_where_an_old_library_knows_nothing() {
        let mut place = Newer { known: VALUE, more: u64::MAX };
        // SAFETY: the whole of the struct.
        let out = unsafe { SizedOut::new((&raw mut place).cast::<Grown>(), "info", size_of::<Newer>()) };
        out.unwrap().put(&VALUE);
        assert_eq!(place, Newer { known: VALUE, more: 0 });
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let mut place = VALUE;
        for size in [0, 7, LIMIT + 1, usize::MAX] {
            // SAFETY: refused before anything is touched.
            let out = unsafe { SizedOut::new(&raw mut place, "info", size) };
            assert_eq!(out.err().unwrap().status, Status::InvalidArg, "{size}");
        }
    }

    #[test]
    fn a_smaller_input_is_extended_with_zeroes_and_a_cut_field_is_refused() {
        // SAFETY: sizes within the struct, here and below.
        assert_eq!(unsafe { read(&raw const VALUE, "o", 12) }.unwrap(), Grown { second: 0, ..VALUE });
        // SAFETY: as above.
        assert_eq!(unsafe { read(&raw const VALUE, "o", 16) }.unwrap(), VALUE);
        // SAFETY: as above.
        let cut = unsafe { read(&raw const VALUE, "options", 13) }.unwrap_err();
        assert_eq!(cut.message, "options_size is 13, which ends within a field");
        // SAFETY: NULL.
        let nothing: Grown = unsafe { read(std::ptr::null(), "o", 0) }.unwrap();
        assert_eq!(nothing, Grown { valid: 0, first: 0, second: 0 });
        // SAFETY: NULL.
        assert!(unsafe { read::<Grown>(std::ptr::null(), "o", 16) }.is_err());
    }

    #[test]
    fn a_larger_input_is_accepted_only_when_it_asks_for_nothing_new() {
        let size = size_of::<Newer>();
        for (more, good) in [(0, true), (1, false), (1 << 63, false)] {
            let newer = Newer { known: VALUE, more };
            // SAFETY: the whole of the struct.
            let result = unsafe { read((&raw const newer).cast::<Grown>(), "o", size) };
            assert_eq!(result.ok(), good.then_some(VALUE), "{more:#x}");
        }
    }
}
