#!/usr/bin/env bash
# Fills a folder with the arm64 packages that kvant needs, for cross compilation. The system's own packages are not
# touched: lists and archives lie in the folder, and no package is installed.
# usage: aarch64_sysroot.sh FOLDER
set -euo pipefail

packages=(libhwy-dev libhwy1 libgtest-dev libgmock-dev libfmt-dev libfmt9 libcli11-dev nlohmann-json3-dev)
mkdir -p "$1"
sysroot=$(cd "$1" && pwd)
[ "$(cat "$sysroot/stamp" 2>/dev/null || true)" != "${packages[*]}" ] || exit 0

state=$sysroot/apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/debs"
: >"$state/status"
apt=(apt-get -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$state"
  -o Dir::State::Lists="$state/lists" -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache"
  -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3)
"${apt[@]}" update
(cd "$state/debs" && "${apt[@]}" download "${packages[@]}")
for deb in "$state"/debs/*.deb; do
  dpkg -x "$deb" "$sysroot"
done
rm -rf "$state"
printf '%s\n' "${packages[*]}" >"$sysroot/stamp"
