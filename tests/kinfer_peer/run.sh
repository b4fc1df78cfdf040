#!/usr/bin/env bash
# Side by side in one run: Sinew and the crate kinfer on the same .kinfer archive.
#   tests/kinfer_peer/run.sh ARCHIVE SINEW [FOLDER]
# SINEW is the program; ONNX Runtime is that of `cargo xtask setup`; FOLDER is where the peer is built.
set -euo pipefail
archive=$(realpath "$1") sinew=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${3:-$root/target/kinfer_peer}
mkdir -p "$folder/lib"
folder=$(realpath "$folder")
library=$(realpath "${ORT_DYLIB_PATH:-$(echo "$root"/.native/onnxruntime/libonnxruntime.so.*)}")
ln -sf "$library" "$folder/lib/libonnxruntime.so"
ln -sf "$library" "$folder/lib/libonnxruntime.so.1"
ORT_LIB_LOCATION="$folder/lib" ORT_PREFER_DYNAMIC_LINK=1 CARGO_TARGET_DIR="$folder/build" \
  cargo build --release --quiet --manifest-path "$here/Cargo.toml"
rm -rf "$folder/policy"
"$sinew" policy import "$archive" --out "$folder/policy"
export LD_LIBRARY_PATH="$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
"$sinew" policy bench "$folder/policy/policy.policy.yaml" --peer "$folder/build/release/kinfer-peer $archive"
