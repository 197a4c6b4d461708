#include "cli/bench_util.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "kvant/core/half.h"
#include "kvant/core/visit.h"
#include "kvant/testing/copy_roof.h"

namespace kvant::cli {
namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<int64_t>(values.size()) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Status MeasureBeside(const std::function<Status()>& op, const std::function<void(bool)>& copy, double budget_seconds,
                     Timing* timing) {
  constexpr bool kNormal = false, kStreaming = true;
  // The copies go first: op's results are what remains.
  copy(kNormal);
  KVANT_RETURN_IF_ERROR(op());
  const double before = Now();
  KVANT_RETURN_IF_ERROR(op());
  // Enough calls between two looks at the clock that looking costs nothing.
  const auto calls = std::clamp<int64_t>(static_cast<int64_t>(20e-6 / (Now() - before)), 1, 1000);

  const auto each = static_cast<double>(calls);
  std::vector<double> seconds, copies, streams, of_copy, of_streaming;
  const double end = Now() + budget_seconds;
  do {
    const double a = Now();
    for (int64_t i = 0; i < calls; ++i) copy(kNormal);
    const double b = Now();
    for (int64_t i = 0; i < calls; ++i) copy(kStreaming);
    const double c = Now();
    // The streamed lines have left the cache, and the operator would pay for bringing them back.
    copy(kNormal);
    const double d = Now();
    for (int64_t i = 0; i < calls; ++i) KVANT_RETURN_IF_ERROR(op());
    seconds.push_back((Now() - d) / each);
    copies.push_back((b - a) / each);
    streams.push_back((c - b) / each);
    of_copy.push_back(copies.back() / seconds.back());
    of_streaming.push_back(streams.back() / seconds.back());
  } while (Now() < end || seconds.size() < 5);
  *timing = {Median(seconds), Median(copies), Median(streams), Median(of_copy), Median(of_streaming)};
  return {};
}

Status MeasureBesideCopy(const std::function<Status()>& op, const Traffic& traffic, const ParallelFor& parallel,
                         double budget_seconds, Timing* timing) {
  const auto copy = [&](bool streaming) {
    const auto stores = streaming ? testing::RoofStores::kStreaming : testing::RoofStores::kNormal;
    testing::MoveBytes(parallel, traffic.from, traffic.read_bytes, traffic.to, traffic.write_bytes, stores);
  };
  return MeasureBeside(op, copy, budget_seconds, timing);
}

void FillActivations(DType dtype, int64_t n, char* data) {
  // A million of them, repeated: making more would take longer than measuring.
  constexpr int64_t kPeriod = 1'000'003;
  VisitFloat(dtype, [&](auto element) {
    using T = decltype(element);
    auto* const x = reinterpret_cast<T*>(data);
    uint64_t state = 1;
    const auto uniform = [&] {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return static_cast<float>(state >> 40) * 0x1p-24f - 0.5f;
    };
    for (int64_t i = 0; i < std::min(n, kPeriod); ++i) {
      const float normal = 1.7f * (uniform() + uniform() + uniform() + uniform());
      x[i] = FromFloat32<T>(i % 997 == 0 ? 12 * normal : normal);
    }
    for (int64_t i = kPeriod; i < n; ++i) x[i] = x[i - kPeriod];
  });
}

}  // namespace kvant::cli
