// The command line.
#ifndef CLI_ARGUMENTS_H_
#define CLI_ARGUMENTS_H_

#include <functional>
#include <optional>

#include "kvant/core/status.h"

namespace kvant::cli {

// Parses the arguments and sets `run` to what they ask for, --help and --version included. If there is nothing to run,
// because of an error, that has been printed and the exit code is returned.
std::optional<int> ParseArguments(int argc, char** argv, std::function<Status()>* run);

inline constexpr int kExitOk = 0;
inline constexpr int kExitInternal = 1;  // kvant's own fault, or no memory
inline constexpr int kExitUser = 2;      // bad arguments, files, or a machine that cannot do it

}  // namespace kvant::cli

#endif  // CLI_ARGUMENTS_H_
