#!/usr/bin/env bash
# Replays the reference cases on the software driver in two other guises: with subgroups of four threads, and as it is in
# Debian's backports, a newer Mesa, which is unpacked beside the build and never installed. Says "skipped: " and why where
# there are no cases or a driver cannot be had.
#   scripts/test_drivers.sh CONFORMANCE CASES [width4] [backports]
set -euo pipefail
conformance=$(realpath "$1")
cases=${FOVEA_REFERENCE:-$2}
shift 2
[ $# -gt 0 ] || set -- width4 backports

skip() { echo "skipped: $1"; }
[ -d "$cases" ] || { skip "no reference cases; set FOVEA_REFERENCE to their folder"; exit 0; }
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
  local root=$scratch/mesa-backports
  if [ ! -e "$root/icd.json" ]; then
    rm -rf "$root"
    mkdir -p "$root/sources" "$root/lists/partial" "$root/cache/archives/partial"
    cat >"$root/sources/backports.sources" <<END
Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    local options=(-qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$root/sources"
      -o "Dir::State::Lists=$root/lists" -o "Dir::Cache=$root/cache" -o APT::Sandbox::User=root
      -o Acquire::Retries=1 -o Acquire::http::Timeout=20)
    apt-get "${options[@]}" update && (cd "$root" && apt-get "${options[@]}" download mesa-vulkan-drivers) || return 1
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

for job in "$@"; do
  case $job in
    width4)
      if [ -z "$icd" ]; then
        skip "Mesa's software driver is not installed"
      else
        replay width4 VK_ICD_FILENAMES="$icd" VK_DRIVER_FILES="$icd" LP_NATIVE_VECTOR_WIDTH=128
      fi
      ;;
    backports)
      if newer=$(unpack_backports 2>"$scratch/backports.log"); then
        replay backports VK_ICD_FILENAMES="$newer" VK_DRIVER_FILES="$newer"
      else
        skip "the Mesa of bookworm-backports cannot be had here ($(tail -1 "$scratch/backports.log"))"
      fi
      ;;
    *)
      echo "usage: scripts/test_drivers.sh CONFORMANCE CASES [width4] [backports]" >&2
      exit 2
      ;;
  esac
done
