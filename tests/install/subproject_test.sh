#!/usr/bin/env bash
# subproject_test.sh BUILD_FOLDER COMPILER: configures the project beside this file, of which Fovea is a part, and sees that
# Fovea adds nothing to what it builds and installs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1 compiler=$2

scratch=$(mktemp -d "$build/subproject_test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cmake -G Ninja -S "$here/subproject" -B "$scratch/build" -DCMAKE_CXX_COMPILER="$compiler" -DFOVEA_VULKAN=OFF \
  -DFOVEA_SOURCE="$here/../.." >"$scratch/configure.log" 2>&1 || { cat "$scratch/configure.log"; exit 1; }
ninja -C "$scratch/build" -t targets all >"$scratch/targets"
if grep -E 'fovea/(tests|tools|examples|bench)/' "$scratch/targets"; then exit 1; fi
cmake --install "$scratch/build" --prefix "$scratch/prefix" >/dev/null
[ ! -e "$scratch/prefix" ]
