# shellcheck shell=bash
# ./run lint. Sourced by ./run.

# C++ files of this repository, tracked or about to be.
cpp_files() {
  git ls-files --cached --others --exclude-standard -- '*.h' '*.cc' '*.c' '*.inc' '*.cu' '*.cuh' | sort -u |
    grep -v '^third_party/' | while IFS= read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done
}

# Files that differ from the last commit; all of them before the first one.
changed_cpp_files() {
  git rev-parse -q --verify HEAD >/dev/null || { cpp_files; return; }
  comm -12 <(cpp_files) <({ git diff --name-only HEAD --; git ls-files --others --exclude-standard; } | sort -u)
}

# clang-tidy reads sources that a build knows. Files that re-include themselves once per SIMD target are left out: it
# would see a target that is not built, or each warning five times.
tidy_sources() {
  grep -E '\.(cc|c)$' | grep -Fx -f <(python3 scripts/list_sources.py build/test) |
    while IFS= read -r f; do grep -q 'hwy/foreach_target.h' "$f" || printf '%s\n' "$f"; done
}

cmd_lint() {
  local all=no fix=no
  for arg in "$@"; do
    case $arg in
      --all) all=yes ;;
      --fix) fix=yes ;;
      *) die "lint: unknown argument $arg" ;;
    esac
  done
  need_packages "${build_packages[@]}" "${test_packages[@]}" "${lint_packages[@]}"
  configure test
  local failed=() start=$SECONDS

  note "clang-format"
  local format=(--dry-run -Werror)
  [ "$fix" = no ] || format=(-i)
  cpp_files | xargs -r clang-format-14 "${format[@]}" || failed+=(clang-format)

  note "shellcheck"
  shellcheck -x run .ci/run scripts/*.sh tests/install_consumer/run.sh || failed+=(shellcheck)

  note "include rules and floating-point flags"
  python3 scripts/check_includes.py || failed+=(includes)
  python3 scripts/check_flags.py build/test || failed+=(flags)

  note "Python"
  need_torch
  if [ "$fix" = no ]; then
    build/venv-torch/bin/ruff format -q --check . || failed+=(ruff-format)
  else
    build/venv-torch/bin/ruff format -q .
  fi
  build/venv-torch/bin/ruff check -q . || failed+=(ruff)
  build/venv-torch/bin/mypy || failed+=(mypy)

  note "clang-tidy"
  local files
  if [ "$all" = yes ]; then
    files=$(cpp_files | tidy_sources || true)
  else
    files=$(changed_cpp_files | tidy_sources || true)
  fi
  if [ -n "$files" ]; then
    printf '%s\n' "$files" | xargs -P "$jobs" -n 1 clang-tidy-14 --quiet -p build/test \
      --extra-arg=-Wno-unknown-warning-option 2>&1 |
      { grep -v -E '^[0-9]+ warnings? .*(generated|treated)' || true; } || failed+=(clang-tidy)
  else
    echo "no changed source; --all checks every one"
  fi

  [ ${#failed[@]} -eq 0 ] || die "lint: failed: ${failed[*]}"
  note "lint: no problem ($((SECONDS - start)) s)"
}
