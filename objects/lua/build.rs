//! Compiles the C sources of Lua 5.1.5 for wasm. A native build compiles nothing, so that the
//! server needs no wasm toolchain: it embeds the committed module.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Files of Lua left out: no files, no native modules, no stand-alone programs, no byte code; our own `os`.
const LEFT_OUT: &[&str] = &[
    "liolib", "loadlib", "linit", "loslib", "lua", "luac", "print", "lundump", "ldump",
];
/// Files of Lua through which scripts change tables, metatables and environments; see csrc/guard.h.
const GUARDED: &[&str] = &["lvm", "lapi", "lbaselib"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=csrc");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
        let archive = out.join("liblua51.a");
        // `llvm-ar` keeps members of an archive that is there, also of files that are gone.
        if archive.exists() {
            fs::remove_file(&archive).expect("cargo's directory is ours");
        }
        let mut objects = Vec::new();
        for source in sources() {
            objects.push(compile(&source, &out));
        }
        run(Command::new(tool("AR", "llvm-ar-22"))
            .arg("rcD")
            .arg(&archive)
            .args(&objects));
        let libc = env::var("CACHEISMO_WASI_LIB").unwrap_or("/usr/lib/wasm32-wasi".into());
        println!("cargo::rustc-link-search=native={}", out.display());
        println!("cargo::rustc-link-lib=static=lua51");
        println!("cargo::rustc-link-arg=-L{libc}");
        println!("cargo::rustc-link-arg=-lc");
        println!("cargo::rustc-link-arg=-zstack-size=1048576");
    }
}

/// The program named by the environment variable, or Debian's.
fn tool(variable: &str, default: &str) -> String {
    println!("cargo::rerun-if-env-changed=CACHEISMO_{variable}");
    env::var(format!("CACHEISMO_{variable}")).unwrap_or(default.into())
}

/// Lua's own files, then ours.
fn sources() -> Vec<PathBuf> {
    let ours = Path::new("csrc");
    let mut files = Vec::new();
    for dir in [lua_dir().as_path(), ours] {
        for entry in dir.read_dir().expect("the sources are there") {
            let path = entry.expect("a readable directory").path();
            let stem = path
                .file_stem()
                .and_then(|s| s.to_str())
                .unwrap_or_default();
            if path.extension().is_some_and(|e| e == "c") && !LEFT_OUT.contains(&stem) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Where cargo keeps the sources of the `lua-src` package.
fn lua_dir() -> PathBuf {
    let cargo = env::var_os("CARGO").expect("cargo sets it");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline", "--locked"])
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let name = "lua-src-551.1.0";
    let end = text
        .find(&format!("{name}/Cargo.toml"))
        .expect("lua-src is a build dependency");
    let start = text[..end].rfind('"').expect("a JSON string") + 1;
    Path::new(&text[start..end]).join(name).join("lua-5.1.5")
}

/// Compiles one file and returns its object file.
fn compile(source: &Path, out: &Path) -> PathBuf {
    let stem = source.file_stem().expect("a file has a name");
    let object = out.join(stem).with_extension("o");
    let mut clang = Command::new(tool("CLANG", "clang-22"));
    clang
        .args([
            "--target=wasm32-wasi",
            "-O2",
            "-fno-common",
            "-w",
            "-DLUA_COMPAT_VARARG",
        ])
        .args(["-D_WASI_EMULATED_SIGNAL", "-Icsrc/include"])
        .arg("-I")
        .arg(lua_dir());
    if stem != "streams" {
        clang.args(["-include", "csrc/shim.h"]);
    }
    if let Some(stem) = stem.to_str().filter(|stem| GUARDED.contains(stem)) {
        clang.args(["-include", "csrc/guard.h"]);
        clang.arg(format!("-DCACHEISMO_GUARD_{}", stem.to_uppercase()));
    }
    if stem == "lstrlib" {
        clang.arg("-DCACHEISMO_WIDE_POSITIONS");
    }
    if let Ok(sysroot) = env::var("CACHEISMO_WASI_SYSROOT") {
        clang.arg(format!("--sysroot={sysroot}"));
    }
    run(clang.arg("-c").arg(source).arg("-o").arg(&object));
    object
}

/// Runs a tool and stops the build with its name when it fails.
fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(|s| s.success()),
        "{:?}: {status:?}; objects/lua/build.sh installs what is needed",
        command.get_program()
    );
}
