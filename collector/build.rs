//! Links the collector so that what it seldom runs takes no memory (`link.ld`).
#![allow(clippy::print_stdout, reason = "this is how Cargo is told")]

fn main() {
    println!("cargo:rerun-if-changed=link.ld");
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(dir) = std::env::var("CARGO_MANIFEST_DIR") {
        println!("cargo:rustc-link-arg-bin=ioc-collector=-T{dir}/link.ld");
    }
}
