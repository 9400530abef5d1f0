#!/usr/bin/env bash
# Configures and builds one preset (release where none is named) in build/PRESET. Further arguments go to CMake's
# configuration, those after -- to its build.
#   scripts/build.sh [PRESET [-DOPTION=VALUE ...] [-- ARGUMENT ...]]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
[ $# -eq 0 ] || shift
configuration=(-DFOVEA_UNITY=ON -DFOVEA_WERROR=ON)
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  configuration+=("$1")
  shift
done
[ $# -eq 0 ] || shift
mkdir -p build
cmake --preset "$preset" "${configuration[@]}" >"build/$preset.log" 2>&1 || { cat "build/$preset.log"; exit 1; }
cmake --build --preset "$preset" -j "$(nproc)" "$@"
