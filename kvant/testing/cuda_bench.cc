#include "kvant/testing/cuda_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>

#include "kvant/core/half.h"
#include "kvant/core/visit.h"
#include "kvant/testing/cuda_bench_options.h"
#include "kvant/testing/cuda_bench_run.h"

namespace kvant::bench {
namespace {

std::vector<CudaCase>& Cases() {
  static std::vector<CudaCase> cases;
  return cases;
}

constexpr double kGoalShare = 0.9, kGoalMicros = 3.0;

constexpr std::string_view GoalName(Goal goal) {
  return goal == Goal::kBandwidth ? "bandwidth" : goal == Goal::kLatency ? "latency" : "";
}

std::string TableRow(const CudaResult& r) {
  const auto moved = static_cast<double>(r.of->moved);
  return fmt::format("| {} | {:.2f} | {:.2f} | {:.0f} | {:.2f} | {:.0f} % |\n", r.of->name, moved / 1e6, r.micros,
                     r.micros == 0 ? 0 : moved / r.micros / 1e3, r.copy, 100 * r.share());
}

std::string Json(std::string_view device, const std::vector<CudaResult>& results) {
  std::string rows;
  for (const CudaResult& r : results) {
    rows += fmt::format(
        "{}\n  {{\"name\": \"{}\", \"bytes\": {}, \"us\": {:.4f}, \"copy_us\": {:.4f}, \"goal\": \"{}\", \"quick\": "
        "{}}}",
        rows.empty() ? "" : ",", r.of->name, r.of->moved, r.micros, r.copy, GoalName(r.of->goal), r.of->quick);
  }
  return fmt::format("{{\"device\": \"{}\", \"cases\": [{}\n]}}\n", device, rows);
}

bool Write(const std::string& path, std::string_view text) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
  return file != nullptr && std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
}

// How many of the cases of `goal` miss it and the worst five of them; `missed` is how far a case is from the goal, more
// than 0 if it misses it.
template <class Missed>
std::string GoalText(const std::vector<CudaResult>& results, Goal goal, std::string_view title, const Missed& missed) {
  std::vector<const CudaResult*> misses;
  int64_t all = 0;
  for (const CudaResult& r : results) {
    if (r.of->goal != goal || r.micros == 0) continue;
    ++all;
    if (missed(r) > 0) misses.push_back(&r);
  }
  std::stable_sort(misses.begin(), misses.end(),
                   [&](const CudaResult* a, const CudaResult* b) { return missed(*a) > missed(*b); });
  std::string text = fmt::format("{}: {} of {}\n", title, misses.size(), all);
  if (misses.size() > 5) misses.resize(5);
  for (const CudaResult* r : misses) {
    text += fmt::format("- {}: {:.2f} us, {:.0f} %\n", r->of->name, r->micros, 100 * r->share());
  }
  return text;
}

std::string Summary(const std::vector<CudaResult>& results) {
  std::string text = GoalText(results, Goal::kBandwidth, "64 MiB and more, below 90 % of the copy",
                              [](const CudaResult& r) { return kGoalShare - r.share(); });
  text += GoalText(results, Goal::kLatency, "few rows, over 3 us",
                   [](const CudaResult& r) { return r.micros - kGoalMicros; });
  for (const CudaResult& r : results) {
    if (r.micros == 0) text += fmt::format("failed: {}\n", r.of->name);
  }
  return text;
}

std::vector<const CudaCase*> Chosen(const CudaBenchOptions& options) {
  std::vector<const CudaCase*> chosen;
  for (const CudaCase& c : Cases()) {
    if ((c.quick || !options.quick) && c.name.find(options.filter) != std::string::npos) chosen.push_back(&c);
  }
  return chosen;
}

int Main(int argc, char** argv) {
  CudaBenchOptions options;
  std::string wrong = ParseCudaBenchOptions({argv + 1, static_cast<size_t>(std::max(argc - 1, 0))}, &options);
  const std::vector<const CudaCase*> cases = Chosen(options);
  if (wrong.empty() && cases.empty()) wrong = fmt::format("no case has '{}' in its name", options.filter);
  if (!wrong.empty()) {
    fmt::print(stderr, "kvant_cuda_bench: {}\n", wrong);
    return 2;
  }
  if (options.help) {
    fmt::print("{}", kCudaBenchHelp);
    return 0;
  }
  if (options.list) {
    for (const CudaCase* c : cases) fmt::print("{}\n", c->name);
    return 0;
  }
  if (!testing::HasCudaDevice()) {
    fmt::print("skipped: no CUDA device\n");
    return 0;
  }
  const testing::CudaDeviceInfo device = testing::DescribeCudaDevice();
  fmt::print("{}, {} multiprocessors, {} MB of L2\n\n", device.name, device.sms, device.l2_bytes >> 20);
  fmt::print("| case | MB moved | us | GB/s | copy us | share of the copy |\n|---|---|---|---|---|---|\n");
  CudaBench bench(device.l2_bytes);
  std::vector<CudaResult> results;
  // After every case: what there is survives a run that is cut off.
  const auto save = [&] { return options.json.empty() || Write(options.json, Json(device.name, results)); };
  bool saved = save();
  for (const CudaCase* c : cases) {
    if (!saved) break;
    results.push_back(bench.Run(*c));
    fmt::print("{}", TableRow(results.back()));
    std::fflush(stdout);
    saved = save();
  }
  if (!saved) {
    fmt::print(stderr, "kvant_cuda_bench: cannot write {}\n", options.json);
    return 2;
  }
  fmt::print("\n{}", Summary(results));
  return std::any_of(results.begin(), results.end(), [](const CudaResult& r) { return r.micros == 0; }) ? 1 : 0;
}

template <class T>
std::vector<uint8_t> BytesOf(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// Enough for several of the longest rows.
template <class T, class Make>
std::vector<uint8_t> NormalBytes(const Make& make) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<T> values(size_t{1} << 18);
  for (T& v : values) v = make(normal(random));
  return BytesOf(values);
}

}  // namespace

void AddCudaCase(CudaCase c) {
  std::vector<CudaCase>& cases = Cases();
  const auto there = std::find_if(cases.begin(), cases.end(), [&](const CudaCase& o) { return o.name == c.name; });
  if (there == cases.end()) cases.push_back(std::move(c));
}

Goal GoalOf(int64_t rows, int64_t columns, int64_t moved) {
  if (moved >= kGoalBytes) return columns >= 512 && columns <= 16384 ? Goal::kBandwidth : Goal::kNone;
  return rows <= 16 && columns <= 8192 ? Goal::kLatency : Goal::kNone;
}

bool QuickLength(int64_t columns) {
  constexpr int64_t kQuick[] = {512, 1000, 2048, 2056, 4096, 7168, 11008, 14344};
  return std::find(std::begin(kQuick), std::end(kQuick), columns) != std::end(kQuick);
}

Contents RandomSlots(int64_t tokens) {
  return [=] {
    std::vector<int64_t> slots(static_cast<size_t>(PagesFor(tokens) * kPage));
    std::iota(slots.begin(), slots.end(), 0);
    std::shuffle(slots.begin(), slots.end(), std::mt19937(1));
    slots.resize(static_cast<size_t>(tokens));
    return BytesOf(slots);
  };
}

Contents Normal(DType dtype) {
  return [=] {
    std::vector<uint8_t> bytes;
    VisitFloat(dtype, [&](auto element) {
      using T = decltype(element);
      bytes = NormalBytes<T>([](float v) { return FromFloat32<T>(v); });
    });
    return bytes;
  };
}

Contents NormalInt32(float factor) {
  return [=] { return NormalBytes<int32_t>([=](float v) { return static_cast<int32_t>(v * factor); }); };
}

Contents Constant(float value) {
  return [=] { return BytesOf(std::vector<float>{value}); };
}

Contents Codes() {
  return [] {
    std::vector<uint8_t> codes(size_t{1} << 18);
    std::mt19937 random(1);
    for (uint8_t& c : codes) c = static_cast<uint8_t>(0x30 | (random() & 0x8F));
    return codes;
  };
}

}  // namespace kvant::bench

int main(int argc, char** argv) { return kvant::bench::Main(argc, argv); }
