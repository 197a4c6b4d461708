// Operators beside a copy of the same bytes, measured in turns in the same run: clocks and neighbours change, their
// ratio does not.
#ifndef KVANT_TESTING_BENCH_UTIL_H_
#define KVANT_TESTING_BENCH_UTIL_H_

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/visit.h"
#include "kvant/formats/format.h"
#include "kvant/testing/copy_roof.h"

namespace kvant::bench {

// Memory whose pages have been touched, aligned to pages.
class Memory {
 public:
  explicit Memory(int64_t bytes)
      : bytes_(bytes),
        data_(static_cast<char*>(std::aligned_alloc(4096, static_cast<size_t>((bytes + 4095) / 4096 * 4096)))) {
    std::memset(data_.get(), 1, static_cast<size_t>(bytes));
  }
  char* data() const { return data_.get(); }
  int64_t size() const { return bytes_; }

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  int64_t bytes_;
  std::unique_ptr<char, Free> data_;
};

// Standard normal numbers.
inline void FillNormal(DType dtype, int64_t n, std::mt19937* random, char* to) {
  std::normal_distribution<float> normal;
  VisitFloat(dtype, [&](auto element) {
    using T = decltype(element);
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<T*>(to)[i] = FromFloat32<T>(normal(*random));
  });
}

// A row, a few, a prompt; a matrix; and heads, each a row of its own.
inline constexpr int64_t kMatrixShapes[][2] = {{1, 4096}, {16, 4096}, {128, 7168}, {4096, 4096}, {65536, 128}};
inline constexpr Format kFormats[] = {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kFloat8E5M2,
                                      Format::kHiFloat8};

// How often operators and copies take turns: an odd number, for medians.
inline constexpr int kRounds = 101;

// Times `op`, which moves `bytes`, in turns with `copy`, which moves as many. Counters, medians: elements and bytes per
// second, and of_copy, the share of the copy's speed that op reaches.
template <class Op, class Copy>
void MeasureBeside(benchmark::State& state, int64_t bytes, int64_t elements, const Op& op, const Copy& copy) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  // Enough calls between two looks at the clock that looking costs nothing.
  op();
  const auto start = Clock::now();
  op();
  const int64_t calls = std::clamp<int64_t>(static_cast<int64_t>(20e-6 / seconds(Clock::now() - start)), 1, 1000);
  std::vector<double> shares, times;
  for (auto _ : state) {
    op();  // what the copy left in cache, or pushed out of it, is not op's business
    const auto a = Clock::now();
    for (int64_t i = 0; i < calls; ++i) op();
    const auto b = Clock::now();
    copy();
    const auto c = Clock::now();
    for (int64_t i = 0; i < calls; ++i) copy();
    const auto d = Clock::now();
    benchmark::ClobberMemory();
    state.SetIterationTime(seconds(b - a) / static_cast<double>(calls));
    shares.push_back(seconds(d - c) / seconds(b - a));
    times.push_back(seconds(b - a) / static_cast<double>(calls));
  }
  const auto median = [](std::vector<double>& v) {
    std::nth_element(v.begin(), v.begin() + static_cast<int64_t>(v.size()) / 2, v.end());
    return v[v.size() / 2];
  };
  const double time = median(times);
  state.counters["bytes_per_second"] = static_cast<double>(bytes) / time;
  state.counters["items_per_second"] = static_cast<double>(elements) / time;
  state.counters["of_copy"] = median(shares);
}

template <class Function>
void Register(const std::string& name, Function function) {
  benchmark::RegisterBenchmark(name.c_str(), function)->UseManualTime()->Iterations(kRounds);
}

// `op` reads `from` and writes `to`; the copy runs on one thread.
template <class Op>
void MeasureBesideCopy(benchmark::State& state, const Memory& from, const Memory& to, int64_t elements, const Op& op,
                       bool streaming = false) {
  const auto stores = streaming ? testing::RoofStores::kStreaming : testing::RoofStores::kNormal;
  MeasureBeside(state, from.size() + to.size(), elements, op,
                [&] { testing::MoveBytes(from.data(), from.size(), to.data(), to.size(), stores); });
}

// How an operator runs: its stores, and on the default pool or on the caller's thread alone.
struct Way {
  Stores stores = Stores::kNormal;
  bool threads = false;
};

// How names end: "normal/1", "streaming/threads".
inline std::string Name(const Way& way) {
  return std::string(way.stores == Stores::kStreaming ? "streaming" : "normal") + (way.threads ? "/threads" : "/1");
}

// Times op(exec), which returns a Status, like with like: beside a copy with the same stores, on one thread.
template <class Op>
void MeasureBesideCopy(benchmark::State& state, const Memory& from, const Memory& to, int64_t elements, const Way& way,
                       const Op& op) {
  ExecOptions exec;
  if (!way.threads) exec.parallel = &SerialFor();
  exec.stores = way.stores;
  MeasureBesideCopy(
      state, from, to, elements,
      [&] {
        if (const Status status = op(exec); !status.ok()) state.SkipWithError(status.message().c_str());
      },
      way.stores == Stores::kStreaming);
}

}  // namespace kvant::bench

#endif  // KVANT_TESTING_BENCH_UTIL_H_
