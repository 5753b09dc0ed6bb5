//! The roads into a host: I/O on the near end. A channel never imports another channel; what needs two is the driver's.

pub mod hypercall;
pub mod stream;
pub mod xend;
pub mod xenstore;
pub mod xl;
