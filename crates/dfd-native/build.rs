//! Hands the code what it is compiled from: the versions of the lock file and a digest of the sources.

#[path = "src/support/digest.rs"]
mod digest;

use std::path::{Path, PathBuf};
use std::process::Command;

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
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = here.join("../..");
    let lock = root.join("Cargo.lock");
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
    let compiler = compiler();
    println!("cargo::rustc-env=DFD_TARGET={}", variable("TARGET"));
    println!(
        "cargo::rustc-env=DFD_TARGET_FEATURES={}",
        variable("CARGO_CFG_TARGET_FEATURE")
    );
    println!("cargo::rustc-env=DFD_PROFILE={}", variable("PROFILE"));
    println!("cargo::rustc-env=DFD_RUSTC={compiler}");
    println!("cargo::rustc-env=DFD_BUILD_ID={}", id(&root, &compiler));
}

/// The digest of everything that decides what the library does: no times, and no paths above the workspace.
fn id(root: &Path, compiler: &str) -> String {
    let mut files = vec![PathBuf::from("Cargo.lock"), PathBuf::from("Cargo.toml")];
    for entry in entries(root, Path::new("crates")) {
        files.push(entry.join("Cargo.toml"));
        files.push(entry.join("build.rs"));
        println!(
            "cargo::rerun-if-changed={}",
            root.join(entry.join("src")).display()
        );
        collect(root, &entry.join("src"), &mut files);
    }
    files.sort();
    let mut parts = vec![
        compiler.as_bytes().to_vec(),
        variable("TARGET").into_bytes(),
        variable("PROFILE").into_bytes(),
        variable("OPT_LEVEL").into_bytes(),
        variable("CARGO_CFG_TARGET_FEATURE").into_bytes(),
    ];
    for file in files {
        let Ok(content) = std::fs::read(root.join(&file)) else {
            continue;
        };
        println!("cargo::rerun-if-changed={}", root.join(&file).display());
        parts.push(file.to_string_lossy().replace('\\', "/").into_bytes());
        parts.push(content);
    }
    digest::digest(parts.iter().map(Vec::as_slice))
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in entries(root, directory) {
        if root.join(&entry).is_dir() {
            collect(root, &entry, files);
        } else {
            files.push(entry);
        }
    }
}

/// What is in a directory, relative to the root.
fn entries(root: &Path, directory: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(root.join(directory));
    found
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| directory.join(entry.file_name()))
        .collect()
}

/// Version and commit of the compiler, as it prints them.
fn compiler() -> String {
    let run = Command::new(variable("RUSTC")).arg("--version").output();
    let printed = run.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&printed).trim().to_owned()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
