//! Puts the Python wheels that lie beside the product, in `target/PROFILE/wheels/` or the folder that
//! `BENCH_WHEELS` names, into the binary. Without any, `bench` is built all the same, and says what it lacks.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The wheel without which the others are of no use.
const LIBRARY: &str = "dontmanage_cache-";

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?);
    let folder = match env::var_os("BENCH_WHEELS") {
        Some(folder) => PathBuf::from(folder),
        None => beside_the_product(&out)?,
    };
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=BENCH_WHEELS");
    // A file that is not there would have this run, and bench be compiled, each time.
    fs::create_dir_all(&folder)?;
    println!("cargo:rerun-if-changed={}", folder.display());
    let wheels = wheels(&folder)?;
    if !wheels.iter().any(|(name, _)| name.starts_with(LIBRARY)) {
        println!(
            "cargo:warning=bench will carry no Python library: there are no wheels in {}; `make wheels` or \
             `make build` makes them",
            folder.display()
        );
    }
    let mut code = String::from("&[\n");
    for (name, path) in wheels {
        println!("cargo:rerun-if-changed={}", path.display());
        let path = path.canonicalize()?;
        let path = path.to_str().ok_or_else(|| io::Error::other("the path of the wheels is no text"))?;
        writeln!(code, "    ({name:?}, include_bytes!({path:?})),").map_err(io::Error::other)?;
    }
    code.push_str("]\n");
    fs::write(out.join("wheels.rs"), code)
}

/// `target/PROFILE/wheels`: cargo's folder for this script is `target/PROFILE/build/bench-HASH/out`.
fn beside_the_product(out: &Path) -> io::Result<PathBuf> {
    let profile = out.ancestors().nth(3).ok_or_else(|| io::Error::other("OUT_DIR is not cargo's"))?;
    Ok(profile.join("wheels"))
}

/// Their file names and paths, in order.
fn wheels(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl")
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            found.push((name.to_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}
