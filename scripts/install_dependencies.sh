#!/usr/bin/env bash
# Installs the Debian packages that building and testing need (with --build those of building alone), and those given as
# arguments, where they are missing; says which, and uses sudo where the caller is not root. Does nothing (and needs no
# rights) when all are there.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libopenblas-openmp-dev libhwy-dev libfmt-dev nlohmann-json3-dev libcli11-dev libicu-dev zlib1g-dev libpng-dev libjpeg-dev
  libkissfft-dev libsndfile1-dev libcpp-httplib-dev
  libvulkan-dev glslang-tools mesa-vulkan-drivers
)
if [ "${1:-}" = --build ]; then
  shift
else
  packages+=(libgtest-dev libgmock-dev libopenmpi-dev openmpi-bin vulkan-validationlayers)
fi
packages+=("$@")

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null || {
  echo "There is no apt-get here to install with. These packages of Debian, or what they are called elsewhere, are needed:" \
    "${missing[*]}" >&2
  exit 1
}
echo "Installing from Debian: ${missing[*]}"
root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Not root and no sudo here: install these packages first." >&2; exit 1; }
  root=(sudo env)
  for name in http_proxy https_proxy no_proxy; do  # sudo itself drops them
    [ -z "${!name:-}" ] || root+=("$name=${!name}")
  done
fi
"${root[@]}" apt-get update -qq
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
