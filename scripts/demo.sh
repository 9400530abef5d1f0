#!/usr/bin/env bash
# From a fresh Debian 12 to a trained attention model: installs what is missing, builds, trains on reviews that the demo
# makes itself, and shows where the model looks.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh --build
scripts/build.sh release -DFOVEA_TESTS=OFF -DFOVEA_BENCH=OFF
build/release/examples/attention_rnn/attention_rnn
build/release/examples/text_classifier/text_classifier demo --out build/demo
