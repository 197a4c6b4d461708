#include "kvant/core/target.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "hwy/targets.h"

namespace kvant {
namespace {

constexpr struct {
  Target target;
  std::string_view name;
} kNames[] = {
#define KVANT_ROW(id, name) {Target::id, name},
    KVANT_TARGET_LIST(KVANT_ROW)
#undef KVANT_ROW
};

struct Supported {
  Target list[std::size(kNames)];
  size_t count = 0;

  Supported() {
    const int64_t cpu = hwy::SupportedTargets();
    const auto add = [&](int64_t bit, Target target) {
      if ((cpu & bit) != 0) list[count++] = target;
    };
#if defined(__x86_64__) || defined(__i386__)
    add(HWY_AVX3_DL, Target::kAVX3_DL);
    add(HWY_AVX3, Target::kAVX3);
    add(HWY_AVX2, Target::kAVX2);
#elif defined(__aarch64__)
    add(HWY_SVE2_128, Target::kSVE2_128);
    add(HWY_SVE_256, Target::kSVE_256);
    add(HWY_SVE2, Target::kSVE2);
    add(HWY_SVE, Target::kSVE);
    add(HWY_NEON, Target::kNEON);
#endif
    (void)add;
    list[count++] = Target::kScalar;
  }
};

const Supported& GetSupported() {
  static const Supported supported;
  return supported;
}

Status Find(std::string_view name, std::string_view source, Target* target) {
  for (const Target t : SupportedTargets()) {
    if (Name(t) == name) {
      *target = t;
      return {};
    }
  }
  std::string message(source);
  message.append(" is \"").append(name).append("\", but this build and CPU have:");
  for (const Target t : SupportedTargets()) message.append(" ").append(Name(t));
  return Status::Unavailable(std::move(message));
}

// What the environment asks for, read once.
struct FromEnvironment {
  Target target = SupportedTargets().front();
  Status status;

  FromEnvironment() {
    const char* name = std::getenv("KVANT_TARGET");
    if (name != nullptr && *name != '\0' && std::string_view(name) != "auto") {
      status = Find(name, "KVANT_TARGET", &target);
    }
  }
};

constexpr int kNotSet = -1;
std::atomic<int> chosen{kNotSet};

}  // namespace

std::string_view Name(Target target) {
  for (const auto& row : kNames) {
    if (row.target == target) return row.name;
  }
  return "unknown";
}

std::span<const Target> SupportedTargets() { return {GetSupported().list, GetSupported().count}; }

Status ActiveTarget(Target* target) {
  const int set = chosen.load(std::memory_order_relaxed);
  if (set != kNotSet) {
    *target = static_cast<Target>(set);
    return {};
  }
  static const FromEnvironment environment;
  *target = environment.target;
  return environment.status.ok() ? Status() : environment.status;  // not a copy of its text for each call
}

Status SetTarget(std::string_view name) {
  if (name == "auto") {
    chosen.store(kNotSet, std::memory_order_relaxed);
    return {};
  }
  Target target{};
  KVANT_RETURN_IF_ERROR(Find(name, "SetTarget", &target));
  chosen.store(static_cast<int>(target), std::memory_order_relaxed);
  return {};
}

}  // namespace kvant
