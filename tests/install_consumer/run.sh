#!/usr/bin/env bash
# Installs a build tree into a scratch folder, then builds and runs an outside project against it: by find_package, by
# pkg-config, and with every public header compiled on its own.
# usage: run.sh BUILD_DIR [CC] [CXX]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd)
cc=${2:-cc}
cxx=${3:-c++}
work=$build/install_consumer
rm -rf "$work"
mkdir -p "$work"

say() { printf -- '-- %s\n' "$*"; }

say "install"
cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix" # a tree that was moved still works
prefix=$work/prefix

say "find_package"
cmake -G Ninja -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" >"$work/configure.log"
cmake --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$work/cmake/consumer"
"$work/cmake/consumer_c"

say "pkg-config"
pc=$(find "$prefix" -name kvant.pc)
libdir=$(dirname "$(dirname "$pc")")
static=()
if [ -e "$libdir/libkvant.so" ]; then
  export PKG_CONFIG_LIBDIR=${pc%/*} PKG_CONFIG_PATH= # no other package is needed
else
  export PKG_CONFIG_PATH=${pc%/*}
  static=(--static)
fi
# shellcheck disable=SC2162 # pkg-config escapes spaces with backslashes
read -a cflags <<<"$(pkg-config --cflags kvant)"
# shellcheck disable=SC2162
read -a libs <<<"$(pkg-config "${static[@]}" --libs kvant)"
"$cxx" -std=c++20 "${cflags[@]}" "$here/consumer.cc" -o "$work/pc_consumer" "${libs[@]}" -Wl,-rpath,"$libdir"
"$work/pc_consumer"
"$cc" -std=c11 "${cflags[@]}" "$here/consumer_c.c" -o "$work/pc_consumer_c" "${libs[@]}" -Wl,-rpath,"$libdir"
"$work/pc_consumer_c"

say "headers on their own"
count=0
while IFS= read -r header; do
  "$cxx" -std=c++20 -Wall -Wextra -Werror -fsyntax-only "${cflags[@]}" -x c++ - <<<"#include \"$header\"" || {
    echo "$header does not compile on its own" >&2
    exit 1
  }
  count=$((count + 1))
done < <(cd "$prefix/include" && find kvant -name '*.h' -not -path '*/third_party/*')
for header in "$prefix"/include/kvant/c_api*.h; do
  "$cc" -std=c11 -Wall -Wextra -Werror -pedantic -fsyntax-only "${cflags[@]}" -x c - <<<"#include \"kvant/${header##*/}\""
done
echo "$count headers"

say "the installed kvant command"
if [ -x "$prefix/bin/kvant" ]; then
  "$prefix/bin/kvant" --version
fi
