//! Where each field of each structure stands: what a table is, and the one reader and writer over them. The tables are in
//! [`super::tables`].
//!
//! A table has a column per layout of its structure; a column begins with a release and holds until the next one begins. (Not with an
//! interface version: Xen has changed structures without one.) Where Arm has a layout of its own, its columns follow those of x86.

use super::generation::{Arch, Release};

/// Where a field stands in one column, in bytes from the start of its structure; [`NO`] where it is missing.
pub(super) type Offset = i16;

/// This column has no such field.
pub(super) const NO: Offset = -1;

/// One field of a structure.
#[derive(Debug)]
pub struct Field {
    /// Its name in Xen's header.
    pub name: &'static str,
    /// Its width in bytes.
    pub width: usize,
    pub(super) at: &'static [Offset],
}

/// A structure through its history.
#[derive(Debug)]
pub struct Table {
    /// Its name in Xen's header, less its prefix.
    pub name: &'static str,
    /// The release that each column begins with: those of x86_64, or of every architecture, then Arm's own.
    pub since: &'static [Release],
    /// Where Arm's own columns begin, if it has any.
    pub(super) arm64: Option<usize>,
    /// Bytes of the structure; 0 where there is none any more.
    pub(super) size: &'static [usize],
    /// All fields.
    pub fields: &'static [&'static Field],
}

impl Table {
    /// The structure as `release` has it on `arch`; None when it has none.
    pub fn layout(&'static self, release: Release, arch: Arch) -> Option<Layout> {
        let columns = match (self.arm64, arch) {
            (None, _) => 0..self.since.len(),
            (Some(arm64), Arch::X86_64) => 0..arm64,
            (Some(arm64), Arch::Arm64) => arm64..self.since.len(),
        };
        let first = columns.start;
        let past = self.since.get(columns)?.partition_point(|&since| since <= release);
        let column = first + past.checked_sub(1)?;
        let size = *self.size.get(column)?;
        (size > 0).then_some(Layout { column, size })
    }
}

/// A structure in one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    column: usize,
    size: usize,
}

impl Layout {
    /// The only column of a table that has one: what the containers are read and written with.
    pub(super) const FIRST: Layout = Layout { column: 0, size: 0 };

    /// Bytes that it takes; also the stride of an array of them.
    pub fn size(self) -> usize {
        self.size
    }

    /// Where `field` stands; None where this column does not have it.
    pub fn offset(self, field: &Field) -> Option<usize> {
        usize::try_from(*field.at.get(self.column)?).ok()
    }

    /// The bytes of `field`; None where this column does not have it, or `bytes` ends before it.
    pub fn bytes<'a>(self, bytes: &'a [u8], field: &Field) -> Option<&'a [u8]> {
        let at = self.offset(field)?;
        bytes.get(at..at + field.width)
    }

    /// As [`Layout::bytes`], to write.
    pub fn bytes_mut<'a>(self, bytes: &'a mut [u8], field: &Field) -> Option<&'a mut [u8]> {
        let at = self.offset(field)?;
        bytes.get_mut(at..at + field.width)
    }

    /// The value of an integer field; None as for [`Layout::bytes`].
    #[inline(always)]
    pub fn get(self, bytes: &[u8], field: &Field) -> Option<u64> {
        // A list of 10,000 domains reads 150,000 fields: inlined, the field's width is known and one arm is left, which is one load.
        let rest = bytes.get(self.offset(field)?..)?;
        match field.width {
            8 => rest.first_chunk().copied().map(u64::from_le_bytes),
            4 => rest.first_chunk().copied().map(u32::from_le_bytes).map(u64::from),
            2 => rest.first_chunk().copied().map(u16::from_le_bytes).map(u64::from),
            1 => rest.first().copied().map(u64::from),
            _ => None,
        }
    }

    /// As [`Layout::get`], for a field of at most 32 bits.
    #[inline(always)]
    pub fn get32(self, bytes: &[u8], field: &Field) -> Option<u32> {
        u32::try_from(self.get(bytes, field)?).ok()
    }

    /// Writes an integer field, cut to its width. None, and nothing written, as for [`Layout::bytes`]: a writer of a structure that
    /// knows more than this column ignores that.
    #[inline]
    pub fn set(self, bytes: &mut [u8], field: &Field, value: u64) -> Option<()> {
        let rest = bytes.get_mut(self.offset(field)?..)?;
        let value = value.to_le_bytes();
        match field.width {
            8 => *rest.first_chunk_mut()? = value,
            4 => *rest.first_chunk_mut()? = *value.first_chunk::<4>()?,
            2 => *rest.first_chunk_mut()? = *value.first_chunk::<2>()?,
            1 => *rest.first_mut()? = *value.first()?,
            _ => return None,
        }
        Some(())
    }
}

/// Spells a table as the facts have it: a line per field, a column per layout, and in a second pair of brackets Arm's own.
macro_rules! table {
    ($(#[$doc:meta])* $module:ident($name:literal):
     since [$($since:expr),*] $(arm64 [$($arm_since:expr),*])?
     size [$($size:expr),*] $([$($arm_size:expr),*])?
     $($field:ident $text:literal $width:literal [$($at:expr),*] $([$($arm_at:expr),*])?;)*) => {
        $(#[$doc])*
        pub mod $module {
            #[allow(unused_imports)]
            use crate::wire::hypercall::layout::{Field, NO, Table};

            /// The table.
            pub static TABLE: Table = Table {
                name: $name,
                since: &[$($since),* $(, $($arm_since),*)?],
                arm64: $crate::wire::hypercall::layout::first_of!([$($since),*] $([$($arm_since),*])?),
                size: &[$($size),* $(, $($arm_size),*)?],
                fields: &[$(&$field),*],
            };
            $(
                #[doc = concat!("`", $text, "`")]
                pub static $field: Field =
                    Field { name: $text, width: $width, at: &[$($at),* $(, $($arm_at),*)?] };
            )*
        }
    };
}

/// Where the second list begins, if there is one.
macro_rules! first_of {
    ([$($one:expr),*]) => { None };
    ([$($one:expr),*] [$($two:expr),*]) => { Some([$($one),*].len()) };
}

pub(super) use {first_of, table};

/// What a field of a record can be.
pub(super) trait Value: Sized + Copy {
    /// Reads it; None when the bytes end before it or the column has no such field.
    fn read(layout: Layout, bytes: &[u8], field: &Field) -> Option<Self>;

    /// Writes it where there is a place for it.
    fn write(self, layout: Layout, bytes: &mut [u8], field: &Field);
}

macro_rules! values {
    ($($int:ty),*) => {$(
        impl Value for $int {
            fn read(layout: Layout, bytes: &[u8], field: &Field) -> Option<Self> {
                layout.bytes(bytes, field)?.try_into().ok().map(<$int>::from_le_bytes)
            }

            fn write(self, layout: Layout, bytes: &mut [u8], field: &Field) {
                if let Some(place) = layout.bytes_mut(bytes, field) {
                    place.iter_mut().zip(self.to_le_bytes()).for_each(|(to, from)| *to = from);
                }
            }
        }
    )*};
}

values!(u8, u16, u32, u64, i32);

impl Value for [u8; 16] {
    fn read(layout: Layout, bytes: &[u8], field: &Field) -> Option<Self> {
        layout.bytes(bytes, field)?.try_into().ok()
    }

    fn write(self, layout: Layout, bytes: &mut [u8], field: &Field) {
        if let Some(place) = layout.bytes_mut(bytes, field) {
            place.iter_mut().zip(self).for_each(|(to, from)| *to = from);
        }
    }
}

/// One byte; anything but 0 is true.
impl Value for bool {
    fn read(layout: Layout, bytes: &[u8], field: &Field) -> Option<Self> {
        Some(layout.get(bytes, field)? != 0)
    }

    fn write(self, layout: Layout, bytes: &mut [u8], field: &Field) {
        layout.set(bytes, field, self.into());
    }
}

/// A field that some columns lack.
impl<T: Value> Value for Option<T> {
    fn read(layout: Layout, bytes: &[u8], field: &Field) -> Option<Self> {
        match layout.offset(field) {
            Some(_) => T::read(layout, bytes, field).map(Some),
            None => Some(None),
        }
    }

    fn write(self, layout: Layout, bytes: &mut [u8], field: &Field) {
        if let Some(value) = self {
            value.write(layout, bytes, field);
        }
    }
}

/// Spells a structure's fields as a Rust struct, each with its place in a table; what some releases lack is an Option.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident of $table:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $at:ident,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            /// The table of its fields.
            pub const TABLE: &'static $crate::wire::hypercall::layout::Table =
                &$crate::wire::hypercall::tables::$table::TABLE;

            /// Reads it. None when `bytes` are fewer than the layout has.
            pub fn decode(layout: $crate::wire::hypercall::layout::Layout, bytes: &[u8]) -> Option<Self> {
                use $crate::wire::hypercall::{layout::Value, tables::$table as at};
                let bytes = bytes.get(..layout.size())?;
                Some($name { $($field: <$type as Value>::read(layout, bytes, &at::$at)?,)* })
            }

            /// Writes it; what the layout has no place for is left out, and other bytes are left alone. None when `bytes` are too few.
            pub fn encode(
                &self,
                layout: $crate::wire::hypercall::layout::Layout,
                bytes: &mut [u8],
            ) -> Option<()> {
                use $crate::wire::hypercall::{layout::Value, tables::$table as at};
                let bytes = bytes.get_mut(..layout.size())?;
                $(Value::write(self.$field, layout, bytes, &at::$at);)*
                Some(())
            }
        }
    };
}

pub(super) use record;

#[cfg(test)]
mod tests {
    use super::super::tables::{getdomaininfo, topologyinfo};
    use super::*;

    #[test]
    fn a_field_that_a_column_lacks_is_neither_read_nor_written() {
        let old = getdomaininfo::TABLE.layout((3, 4, 0), Arch::X86_64).unwrap();
        let mut bytes = [0xaa; 112];
        assert_eq!(old.get(&bytes, &getdomaininfo::CPUPOOL), None);
        assert_eq!(old.set(&mut bytes, &getdomaininfo::CPUPOOL, 7), None);
        assert_eq!(bytes, [0xaa; 112]);
    }

    #[test]
    fn a_structure_is_there_from_its_first_release_to_its_last() {
        let there = |release, arch| topologyinfo::TABLE.layout(release, arch).is_some();
        assert!(!there((4, 0, 4), Arch::X86_64) && there((4, 1, 0), Arch::X86_64));
        assert!(there((4, 5, 5), Arch::Arm64) && !there((4, 6, 0), Arch::Arm64));
        assert_eq!(getdomaininfo::TABLE.layout((2, 0, 0), Arch::X86_64), None);
        assert_eq!(getdomaininfo::TABLE.layout((4, 2, 0), Arch::Arm64), None);
        let size = |arch| getdomaininfo::TABLE.layout((4, 22, 0), arch).map(Layout::size);
        assert_eq!((size(Arch::X86_64), size(Arch::Arm64)), (Some(112), Some(120)));
    }

    #[test]
    fn a_structure_that_ends_early_gives_none() {
        let layout = getdomaininfo::TABLE.layout((4, 4, 0), Arch::X86_64).unwrap();
        for len in 0..96 {
            assert_eq!(layout.get(&vec![0; len], &getdomaininfo::CPUPOOL), None);
        }
    }
}
