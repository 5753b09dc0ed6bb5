//! The border as Rust sees it.
