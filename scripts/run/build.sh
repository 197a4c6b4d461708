# shellcheck shell=bash
# Configure, build and test by CMake preset. Sourced by ./run; uses $jobs, note, die and need_packages.

# configure PRESET [CMake arguments]: skipped when nothing asked for has changed since the last time.
configure() {
  local preset=$1
  shift
  local stamp=build/$preset/run-arguments arguments
  arguments="$* $(sha256sum CMakePresets.json)"
  if [ -f "build/$preset/build.ninja" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$arguments" ]; then
    return 0
  fi
  note "configure $preset"
  cmake --preset "$preset" "$@"
  printf '%s\n' "$arguments" >"$stamp"
}

# build PRESET [target...]
build() {
  local preset=$1
  shift
  note "build $preset"
  cmake --build "build/$preset" -j "$jobs" ${1:+--target "$@"}
}

run_ctest() {
  local preset=$1
  shift
  note "C++ tests: $preset"
  ctest --preset "$preset" -j "$jobs" "$@"
}

# One build, then one run per processor: NEON alone, then SVE and SVE2 with registers of 128, 256 and 512 bits.
test_aarch64() {
  need_packages "${build_packages[@]}" "${test_packages[@]}" "${aarch64_packages[@]}"
  scripts/aarch64_sysroot.sh build/aarch64-sysroot
  configure aarch64
  build aarch64
  local cpu
  for cpu in cortex-a72 max,sve128=on max,sve256=on max,sve512=on; do
    note "qemu-aarch64 -cpu $cpu"
    QEMU_CPU=$cpu KVANT_EMULATED=1 run_ctest aarch64
  done
}
