#!/usr/bin/env bash
# Installs what is missing, builds everything and runs every test; with --sanitize also under address and
# undefined-behaviour sanitizers.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh
scripts/build.sh release -DFOVEA_WERROR=ON -DFOVEA_TESTS=ON -DFOVEA_BENCH=ON
ctest --preset release -j "$(nproc)"
if [ "${1:-}" = "--sanitize" ]; then
  scripts/build.sh asan -DFOVEA_EXAMPLES=OFF -DFOVEA_BENCH=OFF -DFOVEA_TESTS=ON
  ctest --preset asan -j "$(nproc)" -LE slow
fi
