#!/usr/bin/env bash
# Replays the reference cases on the software driver in other guises: with subgroups of four threads (width4), and as it is in
# Debian's backports, a newer Mesa. unstable is that of Debian unstable, which has cooperative matrices, with the validation
# layer of there; it also runs vulkan_test, takes 76 MB of packages, and runs where it is named. Both are unpacked beside the
# build and never installed. Says "skipped: " and why where there are no cases or a driver cannot be had.
#   scripts/test_drivers.sh CONFORMANCE CASES [width4] [backports] [unstable]
set -euo pipefail
source "$(dirname "$0")/packages.sh"
conformance=$(realpath "$1")
cases=${FOVEA_REFERENCE:-$2}
shift 2
[ $# -gt 0 ] || set -- width4 backports

skip() { echo "skipped: $1"; }
has_cases() { [ -d "$cases" ] || { skip "no reference cases; set FOVEA_REFERENCE to their folder"; return 1; }; }
icd=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -1 || true)
scratch=${FOVEA_DRIVERS:-$(dirname "$conformance")/drivers}
mkdir -p "$scratch"
scratch=$(realpath "$scratch")

# replay NAME VARIABLE=VALUE ...: with caches of its own, for the driver's does not know these settings.
replay() {
  local name=$1
  shift
  echo "$name:"
  env "$@" MESA_SHADER_CACHE_DIR="$scratch/cache-$name" XDG_CACHE_HOME="$scratch/cache-$name" \
    "$conformance" "$cases" --device vulkan
}

# Unpacks the newer driver once and prints the file that names it to the loader; fails where it cannot be had.
unpack_backports() {
  local root=$scratch/mesa-backports options
  if [ ! -e "$root/icd.json" ]; then
    fetch "$root" bookworm-backports "$(dpkg --print-architecture)" options &&
      (cd "$root" && apt-get "${options[@]}" download mesa-vulkan-drivers) || return 1
    dpkg -x "$root"/mesa-vulkan-drivers_*.deb "$root/files" || return 1
    local library needed
    library=$(find "$root/files" -name libvulkan_lvp.so)
    # Not through a pipe: grep would end before ldd has written all, which then fails.
    [ -n "$library" ] && needed=$(ldd "$library") && [[ $needed != *'not found'* ]] || return 1
    printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3.0"}}\n' "$library" \
      >"$root/icd.json"
  fi >&2
  echo "$root/icd.json"
}

# Unpacks the newest driver once and prints the folder.
unpack_unstable() {
  local root=$scratch/mesa-unstable
  unpack "$root" unstable amd64 mesa-vulkan-drivers libvulkan1 vulkan-validationlayers libstdc++6 >&2 || return 1
  echo "$root/files"
}

# on_unstable FILES PROGRAM ARGUMENT ...: with the C library, the loader, the driver and the layer of FILES.
on_unstable() {
  local usr=$1/usr
  shift
  XDG_DATA_DIRS=$usr/share VK_LAYER_PATH=$usr/share/vulkan/explicit_layer.d FOVEA_VULKAN_VALIDATION=1 \
    XDG_CACHE_HOME=$scratch/cache-unstable MESA_SHADER_CACHE_DIR=$scratch/cache-unstable \
    "$usr/lib64/ld-linux-x86-64.so.2" --library-path "$usr/lib/x86_64-linux-gnu" "$@"
}

for job in "$@"; do
  case $job in
    width4)
      has_cases || continue
      if [ -z "$icd" ]; then
        skip "Mesa's software driver is not installed"
      else
        replay width4 VK_ICD_FILENAMES="$icd" VK_DRIVER_FILES="$icd" LP_NATIVE_VECTOR_WIDTH=128
      fi
      ;;
    backports)
      has_cases || continue
      if newer=$(unpack_backports 2>"$scratch/backports.log"); then
        replay backports VK_ICD_FILENAMES="$newer" VK_DRIVER_FILES="$newer"
      else
        skip "the Mesa of bookworm-backports cannot be had here ($(tail -1 "$scratch/backports.log"))"
      fi
      ;;
    unstable)
      if newest=$(unpack_unstable 2>"$scratch/unstable.log"); then
        echo "unstable:"
        has_cases && on_unstable "$newest" "$conformance" "$cases" --device vulkan
        on_unstable "$newest" "$(dirname "$conformance")/../vulkan_test" --gtest_brief=1
      else
        skip "the Mesa of Debian unstable cannot be had here ($(tail -1 "$scratch/unstable.log"))"
      fi
      ;;
    *)
      echo "usage: scripts/test_drivers.sh CONFORMANCE CASES [width4] [backports] [unstable]" >&2
      exit 2
      ;;
  esac
done
