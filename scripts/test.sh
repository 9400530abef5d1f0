#!/usr/bin/env bash
# Installs what is missing, builds everything and runs every test. With --all, or named one by one, also:
#   scripts/test.sh [--all | STAGE ...]
#     tests     every test of the release build: what runs where nothing is named
#     asan      the core's tests under the address, leak and undefined-behaviour sanitizers; this and fuzz need Clang
#     tsan      the tests of the data loaders and of the pool of threads under the thread sanitizer
#     memcheck  the tests of tensor and autograd under valgrind
#     fuzz      readers of files on inputs that libFuzzer makes, FOVEA_FUZZ_SECONDS (60) each
#     arm64     the core's tests and the reference cases as a 64-bit ARM processor runs them, emulated
#     drivers   the Vulkan backend on the software driver of Debian unstable, under the validation layer of there
set -euo pipefail
cd "$(dirname "$0")/.."
readonly stages=(tests asan tsan memcheck fuzz arm64 drivers)

skip() { echo "skipped: $1"; }

# The sanitizers watch the core on the CPU. A Vulkan driver is not theirs to watch: Mesa's compiles shaders to code that
# they do not see and keeps what it compiled, so they would report its leaks and none of its faults. That side has the
# validation layer and shaders that check every address (the tests named *.watched). For the same reason valgrind runs
# without a driver.
core=(-DFOVEA_VULKAN=OFF -DFOVEA_EXAMPLES=OFF -DFOVEA_BENCH=OFF)

# run_programs PRESET NAME...: builds the named test programs and runs each in one process, under `emulator` where that is
# set, but for the tests that `without` names.
run_programs() {
  local preset=$1 name
  shift
  scripts/build.sh "$preset" "${core[@]}" -- --target "${@/%/_test}"
  for name in "$@"; do
    echo "$preset: $name"
    "${emulator[@]}" "build/$preset/tests/${name}_test" --gtest_brief=1 --gtest_filter="-EveryDevice/*/vulkan:$without"
  done
}
emulator=()
without=

# reference_cases PRESET: their folder.
reference_cases() {
  echo "${FOVEA_REFERENCE:-$(sed -n 's/^FOVEA_REFERENCE_DIR:[A-Z]*=//p' "build/$1/CMakeCache.txt")}"
}

run_tests() {
  scripts/build.sh release -DFOVEA_TESTS=ON -DFOVEA_BENCH=ON
  ctest --preset release -j "$(nproc)"
}

# One build serves both of the next stages. Clang makes it: libFuzzer is its part.
has_clang() {
  scripts/install_dependencies.sh clang libclang-rt-dev libomp-dev || { skip "Clang with libFuzzer is not installed"; return 1; }
}

run_asan() {
  has_clang || return 0
  # Tests ask for more memory than there is, on purpose.
  ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 run_programs fuzz tensor autograd capture nn data train
}

run_fuzz() {
  has_clang || return 0
  scripts/build.sh fuzz "${core[@]}" -DFOVEA_FUZZ_SECONDS="${FOVEA_FUZZ_SECONDS:-60}" -- --target fuzzers
  ctest --preset fuzz -j "$(nproc)"
}

run_tsan() {
  run_programs tsan data
  scripts/build.sh tsan "${core[@]}" -- --target backends_test
  build/tsan/tests/backends_test --gtest_brief=1 --gtest_filter='Threads.*'
}

run_memcheck() {
  scripts/install_dependencies.sh valgrind || { skip "valgrind is not installed"; return; }
  scripts/build.sh release -DFOVEA_TESTS=ON -- --target tensor_test autograd_test
  local name
  for name in tensor autograd; do
    echo "memcheck: $name"
    # The test of a million nodes takes minutes here, and its time is what it tests.
    VK_DRIVER_FILES=/nowhere VK_ICD_FILENAMES=/nowhere \
      valgrind --quiet --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite,indirect \
      "build/release/tests/${name}_test" --gtest_brief=1 --gtest_filter=-Graph.HoldsAMillionNodes*
  done
}

run_arm64() {
  scripts/install_dependencies.sh g++-aarch64-linux-gnu qemu-user-static || { skip "no compiler for ARM is installed"; return; }
  local log=build/arm64-packages.log
  scripts/unpack_arm64.sh build/arm64-packages >"$log" 2>&1 ||
    { skip "packages for ARM cannot be had here ($(tail -1 "$log"))"; return; }
  # Whole models take minutes each here.
  local emulator=(qemu-aarch64-static -L build/arm64-packages/files) without='CapturedTraining.*:MoreModels.*'
  core+=(-DFOVEA_MPI=OFF)
  run_programs arm64 tensor autograd capture nn data train backends
  scripts/build.sh arm64 "${core[@]}" -- --target conformance
  local cases
  cases=$(reference_cases arm64)
  if [ -d "$cases" ]; then
    "${emulator[@]}" build/arm64/tests/conformance/conformance "$cases"
  else
    skip "no reference cases; set FOVEA_REFERENCE to their folder"
  fi
}

run_drivers() {
  scripts/build.sh release -DFOVEA_TESTS=ON -- --target conformance vulkan_test
  scripts/test_drivers.sh build/release/tests/conformance/conformance "$(reference_cases release)" unstable
}

[ $# -gt 0 ] || set -- tests
[ "$1" != --all ] || set -- "${stages[@]}"
for stage in "$@"; do
  [[ " ${stages[*]} " == *" $stage "* ]] || { echo "usage: scripts/test.sh [--all | ${stages[*]}]" >&2; exit 2; }
done
scripts/install_dependencies.sh
for stage in "$@"; do
  start=$SECONDS
  "run_$stage"
  echo "$stage: done in $((SECONDS - start)) s"
done
