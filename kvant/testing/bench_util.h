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
#include <vector>

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

// Times `op`, which moves `bytes`, in turns with `copy`, which moves as many. Counters: elements and bytes per second,
// and of_copy, the median share of the copy's speed that op reaches.
template <class Op, class Copy>
void MeasureBeside(benchmark::State& state, int64_t bytes, int64_t elements, const Op& op, const Copy& copy) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  // Enough calls between two looks at the clock that looking costs nothing.
  op();
  const auto start = Clock::now();
  op();
  const int64_t calls = std::clamp<int64_t>(static_cast<int64_t>(20e-6 / seconds(Clock::now() - start)), 1, 1000);
  std::vector<double> shares;
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
  }
  std::nth_element(shares.begin(), shares.begin() + static_cast<int64_t>(shares.size()) / 2, shares.end());
  state.SetBytesProcessed(state.iterations() * bytes);
  state.SetItemsProcessed(state.iterations() * elements);
  state.counters["of_copy"] = shares[shares.size() / 2];
}

// `op` reads `from` and writes `to`; the copy runs on one thread.
template <class Op>
void MeasureBesideCopy(benchmark::State& state, const Memory& from, const Memory& to, int64_t elements, const Op& op,
                       bool streaming = false) {
  const auto stores = streaming ? testing::RoofStores::kStreaming : testing::RoofStores::kNormal;
  MeasureBeside(state, from.size() + to.size(), elements, op,
                [&] { testing::MoveBytes(from.data(), from.size(), to.data(), to.size(), stores); });
}

}  // namespace kvant::bench

#endif  // KVANT_TESTING_BENCH_UTIL_H_
