//! Hands the versions of the lock file, which are what is compiled in, to the code.

use std::path::Path;

const CRATES: [&str; 6] = [
    "arrow",
    "datafusion-expr",
    "datafusion-ffi",
    "deltalake-core",
    "object_store",
    "pyo3",
];

fn main() {
    // Asked now: a script may be compiled in one clone and run in another.
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let lock = Path::new(&here).join("../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = std::fs::read_to_string(&lock).unwrap_or_default();
    for name in CRATES {
        let version = text
            .split("[[package]]")
            .find(|package| package.contains(&format!("name = \"{name}\"\n")))
            .and_then(|package| package.split("version = \"").nth(1))
            .and_then(|rest| rest.split('"').next());
        match version {
            Some(version) => {
                let key = name.replace('-', "_").to_uppercase();
                println!("cargo::rustc-env=DFD_{key}_VERSION={version}");
            }
            None => println!("cargo::error=Cargo.lock has no version of {name}"),
        }
    }
    for (key, variable) in [("TARGET", "TARGET"), ("PROFILE", "PROFILE")] {
        let value = std::env::var(variable).unwrap_or_default();
        println!("cargo::rustc-env=DFD_{key}={value}");
    }
}
