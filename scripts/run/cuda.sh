# shellcheck shell=bash
# ./run test --cuda and ./run bench --cuda. Sourced by ./run.
#
# KVANT_DEPS_DIR: a folder that scripts/carry_deps.sh has filled, on a machine without apt and network.

# nvcc, or nothing.
find_nvcc() {
  command -v nvcc || { [ -x /usr/local/cuda/bin/nvcc ] && echo /usr/local/cuda/bin/nvcc; } || true
}

has_cuda_device() { [ -e /dev/nvidia0 ] || nvidia-smi -L 2>/dev/null | grep -q '^GPU'; }

# configure_cuda [CMake arguments]
configure_cuda() {
  local nvcc arguments=(-DKVANT_CLI=OFF)
  nvcc=$(find_nvcc)
  [ -n "$nvcc" ] || die "no nvcc: CUDA 12.4 or newer is needed, on the PATH or in /usr/local/cuda"
  arguments+=("-DCMAKE_CUDA_COMPILER=$nvcc")
  if [ -n "${KVANT_DEPS_DIR:-}" ]; then
    export KVANT_SKIP_PACKAGES=1 PATH=$KVANT_DEPS_DIR/python/cmake/data/bin:$KVANT_DEPS_DIR/python/bin:$PATH
    arguments+=("-DCMAKE_PREFIX_PATH=$KVANT_DEPS_DIR/usr")
  else
    need_packages "${build_packages[@]}" "${test_packages[@]}"
  fi
  configure cuda "${arguments[@]}" "$@"
}

# Every CUDA source for sm_90, its PTX, and, where there is a device, the tests that need one.
test_cuda() {
  configure_cuda
  build cuda kvant_cuda kvant_cuda_tests
  note "PTX"
  python3 scripts/check_ptx.py build/cuda/libkvant_cuda.so
  if ! has_cuda_device; then
    note "tests on a device: skipped: no CUDA device"
    return
  fi
  nvidia-smi -L || true
  ctest --test-dir build/cuda -L cuda --output-on-failure --no-tests=error -j 4
  if command -v compute-sanitizer >/dev/null && [ -n "${KVANT_SANITIZE_CUDA:-}" ]; then
    local program
    for program in build/cuda/tests/*_cuda_test; do
      note "compute-sanitizer $program"
      compute-sanitizer --error-exitcode 1 "$program" --gtest_filter='*EveryRegime*:*EveryRank*:*BadGroups*' >/dev/null
    done
  fi
}

# Times beside a device copy, on standard output and in build/speed/cuda.json.
bench_cuda() {
  if ! has_cuda_device; then
    note "skipped: no CUDA device"
    return
  fi
  configure_cuda
  build cuda kvant_cuda_bench
  mkdir -p build/speed
  build/cuda/kvant_cuda_bench "$@" --json build/speed/cuda.json | tee build/speed/cuda.md
  if python3 -c 'import torch, triton; assert torch.cuda.is_available()' 2>/dev/null; then
    note "beside torch.compile and Triton"
    python3 scripts/bench_cuda_peers.py build/speed/cuda.json --json build/speed/cuda_peers.json |
      tee build/speed/cuda_peers.md
  else
    note "beside torch.compile and Triton: skipped: no PyTorch with CUDA and Triton"
  fi
  if python3 -c 'import matplotlib' 2>/dev/null; then
    python3 scripts/plot_cuda.py build/speed/cuda.json build/speed/cuda_peers.json build/speed/cuda.svg
  else
    note "plot: skipped: no matplotlib; with it: python3 scripts/plot_cuda.py"
  fi
}
