#include "cli/cmd_targets.h"

#include <nlohmann/json.hpp>

#include "kvant/core/target.h"
#include "kvant/core/version.h"

namespace kvant::cli {

Status RunTargets(const TargetsOptions& options) {
  Target active;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&active));
  const int threads = DefaultParallelFor().num_threads;
  if (options.json) {
    nlohmann::ordered_json targets = nlohmann::ordered_json::array();
    for (const Target target : SupportedTargets()) targets.push_back(Name(target));
    PrintJson(
        {{"version", KVANT_VERSION_STRING}, {"targets", targets}, {"in_use", Name(active)}, {"threads", threads}});
    return {};
  }
  std::string names;
  for (const Target target : SupportedTargets()) {
    names += fmt::format("{}{}{}", names.empty() ? "" : ", ", Name(target), target == active ? " (in use)" : "");
  }
  Print(fmt::format("kvant    {}\ntargets  {}\nthreads  {}\n", KVANT_VERSION_STRING, names, threads));
  return {};
}

}  // namespace kvant::cli
