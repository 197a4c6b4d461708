# shellcheck shell=bash
# ./run test --cuda and ./run bench --cuda. Sourced by ./run.
#
# KVANT_DEPS_DIR: a folder that scripts/carry_deps.sh has filled, on a machine without apt and network.

# nvcc, or nothing.
find_nvcc() {
  command -v nvcc || { [ -x /usr/local/cuda/bin/nvcc ] && echo /usr/local/cuda/bin/nvcc; } || true
}

has_cuda_device() { [ -e /dev/nvidia0 ] || nvidia-smi -L 2>/dev/null | grep -q '^GPU'; }

# torch_folder PYTHON [cuda]: where that Python has PyTorch 2.11 or newer, with CUDA or of any kind; else nothing. It is
# not imported, which takes seconds.
torch_folder() {
  "$1" - "${2:-}" 2>/dev/null <<'PYTHON' || true
import importlib.util, runpy, sys

folder = importlib.util.find_spec("torch").submodule_search_locations[0]
about = runpy.run_path(f"{folder}/version.py")
if tuple(map(int, about["__version__"].split(".")[:2])) >= (2, 11) and (sys.argv[1] != "cuda" or about["cuda"]):
    print(folder)
PYTHON
}

# The PyTorch that the operators for CUDA tensors are built with: in $torch_cuda that of python3 if it has CUDA, which
# can run them, and in $torch_any that one or else the one of build/venv-torch, which can link them.
find_torch() {
  torch_cuda=$(torch_folder python3 cuda)
  torch_any=$torch_cuda
  [ -n "$torch_any" ] || torch_any=$(torch_folder build/venv-torch/bin/python)
}

# configure_cuda [CMake arguments]
configure_cuda() {
  local nvcc arguments=(-DKVANT_CLI=OFF -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON)
  find_torch
  if [ -n "$torch_any" ]; then
    arguments+=(-DKVANT_TORCH=ON "-DKVANT_TORCH_ROOT=$torch_any")
  else
    arguments+=(-DKVANT_TORCH=OFF)
  fi
  nvcc=$(find_nvcc)
  [ -n "$nvcc" ] || die "no nvcc: CUDA 12.8 or newer is needed, on the PATH or in /usr/local/cuda"
  arguments+=("-DCMAKE_CUDA_COMPILER=$nvcc")
  if [ -n "${KVANT_DEPS_DIR:-}" ]; then
    export KVANT_SKIP_PACKAGES=1 PATH=$KVANT_DEPS_DIR/python/cmake/data/bin:$KVANT_DEPS_DIR/python/bin:$PATH
    # Another compiler than Debian's may warn of other things.
    arguments+=("-DCMAKE_PREFIX_PATH=$KVANT_DEPS_DIR/usr" -DKVANT_WERROR=OFF)
  else
    need_packages "${build_packages[@]}" "${test_packages[@]}"
  fi
  configure cuda "${arguments[@]}" "$@"
}

# Every CUDA source for sm_90, its PTX, and, where there is a device, the tests that need one.
test_cuda() {
  local targets=(kvant_cuda kvant_cuda_tests) failed=()
  configure_cuda
  if [ -z "$torch_any" ]; then
    note "operators for PyTorch: skipped: neither python3 nor build/venv-torch has PyTorch 2.11 or newer"
  else
    note "operators for PyTorch: with $torch_any"
    targets+=(kvant_torch_cuda)
  fi
  if [ -n "$torch_cuda" ] && has_cuda_device; then targets+=(kvant_torch); fi
  build cuda "${targets[@]}"
  note "PTX"
  python3 scripts/check_ptx.py build/cuda/libkvant_cuda.so || failed+=(PTX)
  if has_cuda_device; then
    nvidia-smi -L || true
    ctest --test-dir build/cuda -L cuda --output-on-failure --no-tests=error -j 4 || failed+=("C++ tests")
    test_torch_cuda || failed+=(PyTorch)
    [ -z "${KVANT_SANITIZE_CUDA:-}" ] || sanitize_cuda || failed+=(compute-sanitizer)
  else
    note "tests on a device: skipped: no CUDA device"
  fi
  [ ${#failed[@]} -eq 0 ] || die "test --cuda: failed: ${failed[*]}"
}

# Random problems of every operator under compute-sanitizer, fewer than without it.
sanitize_cuda() {
  local tool program log status=0
  command -v compute-sanitizer >/dev/null || { note "compute-sanitizer: skipped: it is not here"; return; }
  for tool in memcheck racecheck initcheck; do
    for program in build/cuda/tests/*_cuda_test; do
      log=build/cuda/$tool-$(basename "$program").log
      note "compute-sanitizer --tool $tool $program"
      KVANT_EMULATED=1 compute-sanitizer --tool "$tool" --error-exitcode 1 --log-file "$log" "$program" \
        --gtest_filter='*Any*:*EveryRank*:*Duplicates*:*BadGroups*' || { status=1; cat "$log"; }
    done
  done
  return $status
}

# The Python package of build/cuda, in build/cuda/python, and the tests of CUDA tensors with it.
test_torch_cuda() {
  local missing
  if [ -z "$torch_cuda" ]; then
    note "PyTorch on a device: skipped: python3 has no PyTorch 2.11 or newer with CUDA"
    return
  fi
  missing=$(python3 -c 'import importlib.util as u
print(*[name for name in ("pytest", "numpy", "ml_dtypes") if u.find_spec(name) is None])')
  if [ -n "$missing" ]; then
    note "PyTorch on a device: skipped: python3 has no $missing"
    return
  fi
  note "PyTorch: pytest tests/torch/test_cuda*.py"
  python3 scripts/stage_torch_cuda.py build/cuda build/cuda/python &&
    PYTHONPATH=$PWD/build/cuda/python python3 -m pytest -q -rs tests/torch/test_cuda*.py
}

# Times beside a device copy, on standard output and in build/speed/cuda.json.
bench_cuda() {
  local about=no failed=0
  case " $* " in *" --list "* | *" --help "*) about=yes ;; esac
  if [ $about = no ] && ! has_cuda_device; then
    note "skipped: no CUDA device"
    return
  fi
  configure_cuda
  build cuda kvant_cuda_bench
  if [ $about = yes ]; then
    build/cuda/kvant_cuda_bench "$@"
    return
  fi
  mkdir -p build/speed
  build/cuda/kvant_cuda_bench "$@" --json build/speed/cuda.json | tee build/speed/cuda.md || failed=1
  if python3 -c 'import torch, triton; assert torch.cuda.is_available()' 2>/dev/null; then
    note "beside torch.compile and Triton"
    python3 scripts/bench_cuda_peers.py build/speed/cuda.json --json build/speed/cuda_peers.json |
      tee build/speed/cuda_peers.md || failed=1
  else
    note "beside torch.compile and Triton: skipped: no PyTorch with CUDA and Triton"
  fi
  if python3 -c 'import matplotlib' 2>/dev/null; then
    python3 scripts/plot_cuda.py build/speed/cuda.json build/speed/cuda_peers.json build/speed/cuda.svg
  else
    note "plot: skipped: no matplotlib; with it: python3 scripts/plot_cuda.py"
  fi
  return $failed
}
