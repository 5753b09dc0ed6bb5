//! The embedded Xen host: the far end of the roads.
