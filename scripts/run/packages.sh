# shellcheck shell=bash
# What each command needs from the system, and how it gets there. Sourced by ./run.

build_packages=(cmake g++ ninja-build libhwy-dev libfmt-dev libcli11-dev nlohmann-json3-dev)
test_packages=(libgtest-dev libbenchmark-dev pkg-config)
# libomp: clang's omp.h; libclang-rt: its sanitizers.
lint_packages=(git python3 clang-format-14 clang-tidy-14 libomp-14-dev shellcheck)
fuzz_packages=(clang-14 libclang-rt-14-dev libfuzzer-14-dev libomp-14-dev)
aarch64_packages=(g++-aarch64-linux-gnu qemu-user)

note() { printf '\n== %s\n' "$*"; }
die() {
  printf 'run: %s\n' "$*" >&2
  exit 1
}

# no_arguments COMMAND "$@": a command that takes none.
no_arguments() { [ $# -eq 1 ] || die "$1: unknown argument $2"; }

# Installs what is missing of the given Debian packages, or says what to do and stops.
need_packages() {
  [ -z "${KVANT_SKIP_PACKAGES:-}" ] || return 0
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    note "This system has no apt-get. Needed (Debian's names): $*"
    return 0
  fi
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      root=(sudo)
    else
      die "some packages are missing; as root, run
  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    fi
  fi
  note "installing: ${missing[*]}"
  "${root[@]}" apt-get -q -o Acquire::Retries=3 update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
    install --no-install-recommends "${missing[@]}" </dev/null
}

# build/venv with what the Python tests need.
need_python() { need_python_with build/venv tests/python/requirements.txt; }

# build/venv-torch: PyTorch, what builds the Python package, and what checks and tests it. torch.compile includes Python.h.
need_torch() {
  need_python_with build/venv-torch tests/torch/requirements.txt
  [ -f "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || need_packages python3-dev
}

# The package of this tree in build/venv-torch. What has not changed is not built again.
need_kvant_for_torch() {
  need_torch
  note "install kvant in build/venv-torch"
  pip_build install .
}

# pip with the build of build/wheel: pip_build install|wheel ...
pip_build() {
  local command=$1
  shift
  if command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
  CMAKE_BUILD_PARALLEL_LEVEL=$jobs build/venv-torch/bin/python -m pip "$command" -q --disable-pip-version-check \
    --no-build-isolation --no-deps "$@"
}

# A Python environment, made anew when the file of its requirements changes.
need_python_with() {
  local venv=$1 requirements=$2 stamp
  command -v python3 >/dev/null || need_packages python3 python3-venv
  python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3-venv
  stamp=$(cat "$requirements" <(python3 --version) | sha256sum)
  if [ "$(cat "$venv/stamp" 2>/dev/null || true)" != "$stamp" ]; then
    note "Python environment: $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --retries 3 -r "$requirements"
    printf '%s\n' "$stamp" >"$venv/stamp"
  fi
}
