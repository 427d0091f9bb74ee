#!/bin/sh
# Builds the Lua module into file $1 by way of target directory $2. Installs what is missing (Debian): clang, llvm-ar, wasi-libc.
set -eu
module=${1:-objects/prebuilt/lua.wasm}
cd "$(dirname "$0")/../.."

if ! command -v "${CACHEISMO_CLANG:-clang-22}" >/dev/null || [ ! -e "${CACHEISMO_WASI_LIB:-/usr/lib/wasm32-wasi}/libc.a" ]; then
  install='apt-get install -qq -y --no-install-recommends clang-22 llvm-22 wasi-libc'
  $install >/dev/null 2>&1 || { apt-get update -qq && $install >/dev/null; }
fi
rustup target list --installed | grep -q wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown

target=${2:-$PWD/target/objects}
home=${CARGO_HOME:-$HOME/.cargo}
unset CARGO_ENCODED_RUSTFLAGS
# build.rs asks cargo where the sources of Lua are, which cargo answers only when every package is there.
cargo fetch --locked --quiet
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=$home=cargo"
cargo build --locked -p cacheismo-object-lua --profile wasm --target wasm32-unknown-unknown \
  --target-dir "$target"
mkdir -p "$(dirname "$module")"
install -m 644 "$target/wasm32-unknown-unknown/wasm/cacheismo_object_lua.wasm" "$module"
