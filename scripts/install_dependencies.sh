#!/usr/bin/env bash
# Installs the Debian packages that building and testing need, and those given as arguments, where they are missing; says
# which, and uses sudo where the caller is not root. Does nothing (and needs no rights) when all are there.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libopenblas-openmp-dev libhwy-dev libfmt-dev nlohmann-json3-dev libcli11-dev libicu-dev zlib1g-dev libpng-dev libkissfft-dev
  libcpp-httplib-dev
  libgtest-dev libgmock-dev
  libopenmpi-dev openmpi-bin
  libvulkan-dev glslang-tools mesa-vulkan-drivers vulkan-validationlayers
  "$@"
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing from Debian: ${missing[*]}"
root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Not root and no sudo here: install these packages first." >&2; exit 1; }
  root=(sudo)
fi
"${root[@]}" apt-get update -qq
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
