//! Lists the prebuilt objects, so that every module committed under `objects/prebuilt` is in the binary.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let prebuilt = Path::new(&manifest).join("../objects/prebuilt");
    println!("cargo::rerun-if-changed={}", prebuilt.display());
    let mut modules: Vec<PathBuf> = fs::read_dir(&prebuilt)
        .expect("objects/prebuilt is committed")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .map(|path| path.canonicalize().expect("the file was just listed"))
        .collect();
    modules.sort();
    let entries: String = modules
        .iter()
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy();
            format!(
                "    ({name:?}, include_bytes!({:?})),\n",
                path.display().to_string()
            )
        })
        .collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(
        Path::new(&out).join("embedded.rs"),
        format!("&[\n{entries}]\n"),
    )
    .expect("OUT_DIR is writable");
}
