// kvant: quantize, look at and compare tensor files.
#include <cstdio>
#include <exception>
#include <new>

#include "cli/arguments.h"
#include "cli/common.h"
#include "cli/io/message.h"

namespace {

int Run(int argc, char** argv) {
  using namespace kvant::cli;  // NOLINT(google-build-using-namespace)
  std::function<kvant::Status()> run;
  if (const auto exit_code = ParseArguments(argc, argv, &run)) return *exit_code;
  kvant::Status status = run();
  if (status.ok()) status = FinishOutput();
  if (status.ok()) return kExitOk;
  PrintError(fmt::format("kvant: {}\n", Printable(status.message(), std::string_view::npos)));
  return status.code() == kvant::StatusCode::kOutOfMemory ? kExitInternal : kExitUser;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("kvant: not enough memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kvant: internal error: %s\n", error.what());
  }
  return kvant::cli::kExitInternal;
}
