#include "cli/bench_util.h"

#include <algorithm>
#include <chrono>
#include <vector>

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

Status MeasureBesideCopy(const std::function<Status()>& op, const Traffic& traffic, const ParallelFor& parallel,
                         double budget_seconds, Timing* timing) {
  const auto copy = [&](testing::RoofStores stores) {
    testing::MoveBytes(parallel, traffic.from, traffic.read_bytes, traffic.to, traffic.write_bytes, stores);
  };
  // The copies go first: op's results are what remains.
  copy(testing::RoofStores::kNormal);
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
    for (int64_t i = 0; i < calls; ++i) copy(testing::RoofStores::kNormal);
    const double b = Now();
    for (int64_t i = 0; i < calls; ++i) copy(testing::RoofStores::kStreaming);
    const double c = Now();
    // The streamed lines have left the cache, and the operator would pay for bringing them back.
    copy(testing::RoofStores::kNormal);
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

}  // namespace kvant::cli
