#!/bin/sh
# Builds objects/prebuilt/lua.wasm. Installs what is missing (Debian): clang, llvm-ar, wasi-libc.
set -eu
cd "$(dirname "$0")/../.."

if ! command -v "${CACHEISMO_CLANG:-clang-22}" >/dev/null || [ ! -e "${CACHEISMO_WASI_LIB:-/usr/lib/wasm32-wasi}/libc.a" ]; then
  apt-get install -y --no-install-recommends clang-22 llvm-22 wasi-libc
fi
rustup target list --installed | grep -q wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown

home=${CARGO_HOME:-$HOME/.cargo}
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=$home=cargo"
cargo build --locked -p cacheismo-object-lua --profile wasm --target wasm32-unknown-unknown
mkdir -p objects/prebuilt
cp target/wasm32-unknown-unknown/wasm/cacheismo_object_lua.wasm objects/prebuilt/lua.wasm
