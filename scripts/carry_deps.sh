#!/usr/bin/env bash
# Fills a folder with what building and testing the CUDA backend needs beside nvcc and g++, for a machine that has
# neither network nor apt: KVANT_DEPS_DIR=DIR ./run test --cuda. For Debian and x86-64; nothing is installed here.
# --tools: cmake and ninja too.
# usage: carry_deps.sh DIR [--tools]
set -euo pipefail

dir=$(realpath -m "${1:?usage: carry_deps.sh DIR [--tools]}")
mkdir -p "$dir/debs"
(cd "$dir/debs" && apt-get -q download libhwy-dev libhwy1 libfmt-dev libfmt9 libgtest-dev)
for deb in "$dir"/debs/*.deb; do dpkg -x "$deb" "$dir"; done
rm -rf "$dir/debs" "$dir/usr/share/doc" "$dir/usr/src"
if [ "${2:-}" = --tools ]; then
  python3 -m pip install -q --disable-pip-version-check --no-deps --no-compile --upgrade --target "$dir/python" cmake ninja
  rm -rf "$dir"/python/cmake/data/{doc,bin/cpack,share/cmake-*/Help} "$dir"/python/bin/c*
  strip "$dir"/python/cmake/data/bin/*
fi
du -sh "$dir"
