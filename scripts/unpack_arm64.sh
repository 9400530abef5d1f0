#!/usr/bin/env bash
# Unpacks what building for 64-bit ARM links with into ROOT/files, once; cmake/arm64.cmake looks there.
#   scripts/unpack_arm64.sh ROOT
set -euo pipefail
source "$(dirname "$0")/packages.sh"
mkdir -p "$1"
root=$(realpath "$1")
unpack "$root" bookworm arm64 \
  libc6-dev libstdc++6 libopenblas-openmp-dev libhwy-dev libfmt-dev nlohmann-json3-dev libcli11-dev libicu-dev \
  zlib1g-dev libpng-dev libjpeg-dev libkissfft-dev libsndfile1-dev libcpp-httplib-dev libgtest-dev libgmock-dev
# What update-alternatives would link.
libraries=$root/files/usr/lib/aarch64-linux-gnu
ln -sf openblas-openmp/libopenblas.so.0 "$libraries/libopenblas.so.0"
ln -sf openblas-openmp/libopenblas.so.0 "$libraries/libopenblas.so"
ln -sf openblas-openmp/libblas.so.3 "$libraries/libblas.so.3"
ln -sf ../openblas-openmp/pkgconfig/openblas.pc "$libraries/pkgconfig/openblas.pc"
