//! Gives the library of a plain `cargo build` the name and the flag that the installed one has (Makefile), so that what is
//! linked to either behaves alike. Symbol versions it cannot give: rustc brings a version script of its own.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libxenith.so.0");
        // The host process may hold pointers to our log wrapper, thread-locals and panic machinery: never unload.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
