// The command line of kvant_cuda_bench.
#ifndef KVANT_TESTING_CUDA_BENCH_OPTIONS_H_
#define KVANT_TESTING_CUDA_BENCH_OPTIONS_H_

#include <span>
#include <string>
#include <string_view>

namespace kvant::bench {

struct CudaBenchOptions {
  std::string filter, json;
  bool quick = false, list = false, help = false;
};

inline constexpr std::string_view kCudaBenchHelp =
    "kvant_cuda_bench: the operators on the current CUDA device, beside copies of as many bytes\n"
    "\n"
    "  --quick        about a third of the cases\n"
    "  --filter TEXT  only cases whose names contain TEXT\n"
    "  --json FILE    the times as JSON too\n"
    "  --list         print the cases' names and run nothing; needs no device\n"
    "  --help\n"
    "\n"
    "Names are op/shape/dtype/format/... The summary at the end counts the cases of 64 MiB and more below 90 % of the\n"
    "copy's bandwidth and those of few rows that take longer than 3 microseconds. Exit codes: 1 a call failed, 2 the\n"
    "command line is wrong.\n";

// Returns what is wrong with the arguments, which are without the program's name; nothing: "".
inline std::string ParseCudaBenchOptions(std::span<const char* const> arguments, CudaBenchOptions* options) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view option = arguments[i];
    if (option == "--quick") {
      options->quick = true;
    } else if (option == "--list") {
      options->list = true;
    } else if (option == "--help" || option == "-h") {
      options->help = true;
    } else if (option == "--filter" || option == "--json") {
      if (i + 1 == arguments.size() || std::string_view(arguments[i + 1]).empty()) {
        return std::string(option) + " needs a value";
      }
      (option == "--filter" ? options->filter : options->json) = arguments[++i];
    } else {
      return "unknown argument '" + std::string(option) + "'; --help lists what there is";
    }
  }
  return "";
}

}  // namespace kvant::bench

#endif  // KVANT_TESTING_CUDA_BENCH_OPTIONS_H_
