#!/bin/sh
# Builds the shipped object modules into objects/prebuilt/, where the server embeds them from.
#
#   objects/build.sh             build all, and record the hashes of their sources
#   objects/build.sh --fixtures  build the test modules of tests/fixtures into target/fixtures/
#   objects/build.sh --verify    do sources and prebuilt modules belong together? (needs no toolchain)
#   objects/build.sh --check     build all again and compare byte by byte; fails with another compiler than the record's
#
# A type that takes more than cargo has a build.sh of its own, called with the file to make and a target directory.
#
# Two builds of the same tree with the same rustc give the same bytes: one codegen unit, and no path
# of the builder in the module.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
prebuilt=$root/objects/prebuilt
record=$prebuilt/SOURCES.sha256
target=wasm32-unknown-unknown
cd "$root"

# Directories with a Cargo.toml below $1; the directory's name is the type's.
crates() {
    for manifest in "$1"/*/Cargo.toml; do
        [ -f "$manifest" ] && dirname "$manifest"
    done
}

# The name of the package in directory $1.
package() {
    sed -n 's/^name = "\(.*\)"/\1/p' "$1/Cargo.toml" | head -n 1
}

# Everything a module is made of: the SDK without its native tests, the objects, and how they are
# compiled.
sources() {
    find guest-sdk/src guest-sdk/abi guest-sdk/macros objects -type f \
        \( -name '*.rs' -o -name Cargo.toml -o -name build.sh -o -name '*.c' -o -name '*.h' -o -name '*.lua' \) \
        ! -path '*/testing/*' ! -path '*/tests/*' ! -name tests.rs ! -path '*/target/*' | LC_ALL=C sort
    echo guest-sdk/Cargo.toml
}

hashes() {
    sources | while read -r file; do sha256sum "$file"; done
    profile=$(awk '/^\[/ { keep = $0 == "[profile.wasm]" } keep && NF && !/^#/' Cargo.toml)
    printf '%s  Cargo.toml [profile.wasm]\n' "$(printf '%s' "$profile" | sha256sum | cut -d ' ' -f 1)"
    for module in "$prebuilt"/*.wasm; do sha256sum "objects/prebuilt/$(basename "$module")"; done
}

add_target() {
    installed=$(rustc --print target-libdir --target "$target" 2>/dev/null || true)
    [ -n "$installed" ] && [ -d "$installed" ] && return
    command -v rustup >/dev/null || { echo "the $target target is missing and there is no rustup to add it" >&2; exit 1; }
    rustup target add "$target"
}

# Builds the crates below $1 into directory $2, by way of target directory $3.
build() {
    add_target
    sysroot=$(rustc --print sysroot)
    separator=$(printf '\037')
    CARGO_ENCODED_RUSTFLAGS=$(printf '%s' \
        "--remap-path-prefix=$root=/cacheismo$separator" \
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo$separator" \
        "--remap-path-prefix=$sysroot=/rust$separator" \
        "-Clink-arg=-zstack-size=65536")
    export CARGO_ENCODED_RUSTFLAGS
    packages=
    for crate in $(crates "$1"); do
        [ -f "$crate/build.sh" ] || packages="$packages -p $(package "$crate")"
    done
    # shellcheck disable=SC2086 # a list of words
    cargo build --locked --quiet --profile wasm --target "$target" --target-dir "$3" $packages
    mkdir -p "$2"
    for crate in $(crates "$1"); do
        module=$2/$(basename "$crate").wasm
        if [ -f "$crate/build.sh" ]; then
            "$crate/build.sh" "$module" "$3"
        else
            file=$(package "$crate" | tr - _).wasm
            install -m 644 "$3/$target/wasm/$file" "$module"
        fi
    done
}

compiler() { echo "# $(rustc --version)"; }

case ${1-} in
'')
    build objects "$prebuilt" "$root/target/objects"
    { compiler; hashes; } >"$record"
    ls -l "$prebuilt"/*.wasm
    ;;
--fixtures)
    build tests/fixtures "$root/target/fixtures" "$root/target/objects"
    ;;
--verify)
    if ! difference=$(hashes | diff "$record" - | grep '^[<>]' | grep -v '^< #'); then
        exit 0
    fi
    echo "the modules in objects/prebuilt were not built from these sources; run make objects:" >&2
    echo "$difference" >&2
    exit 1
    ;;
--check)
    "$0" --verify
    if [ "$(compiler)" != "$(head -n 1 "$record")" ]; then
        echo "the modules were built with $(head -n 1 "$record" | cut -c 3-), and this is $(rustc --version):" >&2
        echo "their bytes cannot be compared. Use the compiler that rust-toolchain.toml names, or run make objects." >&2
        exit 1
    fi
    again=$root/target/objects-again
    build objects "$again" "$root/target/objects"
    for module in "$prebuilt"/*.wasm; do
        cmp "$module" "$again/$(basename "$module")"
    done
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
