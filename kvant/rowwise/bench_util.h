// Operators beside a copy of the same bytes, measured in turns in the same run: clocks and neighbours change, their ratio
// does not.
#ifndef KVANT_ROWWISE_BENCH_UTIL_H_
#define KVANT_ROWWISE_BENCH_UTIL_H_

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace kvant::bench {

// Memory whose pages have been touched, aligned to cache lines.
class Memory {
 public:
  explicit Memory(int64_t bytes) : bytes_(bytes), data_(static_cast<char*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096))) {
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

using Line = uint64_t __attribute__((vector_size(64), aligned(64)));

// Reads without writing.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
inline void ReadAll(const char* from, int64_t bytes) {
  Line a{}, b{};
  for (int64_t i = 0; i + 128 <= bytes; i += 128) {
    a |= *reinterpret_cast<const Line*>(from + i);
    b |= *reinterpret_cast<const Line*>(from + i + 64);
  }
  a |= b;
  benchmark::DoNotOptimize(a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7]);
}

// The traffic of an operator that reads `from` once and writes `to` once, with normal stores: copies what both have, and
// reads or writes the rest, a page of the longer one at a time.
inline void CopySameBytes(const Memory& from, const Memory& to) {
  constexpr int64_t kPage = 4096;
  const int64_t pages = (std::max(from.size(), to.size()) + kPage - 1) / kPage;
  const auto cut = [&](const Memory& m, int64_t page) { return m.size() * page / pages / 64 * 64; };
  for (int64_t page = 0; page < pages; ++page) {
    const int64_t in = cut(from, page), out = cut(to, page);
    const int64_t in_bytes = cut(from, page + 1) - in, out_bytes = cut(to, page + 1) - out;
    const int64_t both = std::min(in_bytes, out_bytes);
    std::memcpy(to.data() + out, from.data() + in, static_cast<size_t>(both));
    if (out_bytes > both) std::memset(to.data() + out + both, 1, static_cast<size_t>(out_bytes - both));
    if (in_bytes > both) ReadAll(from.data() + in + both, in_bytes - both);
  }
}

// Times `op`, which reads `from` and writes `to`, in turns with the copy. Counters: elements and bytes per second, and
// of_copy, the median share of the copy's speed that op reaches.
template <class Op>
void MeasureBesideCopy(benchmark::State& state, const Memory& from, const Memory& to, int64_t elements, const Op& op) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  // Enough calls between two looks at the clock that looking costs nothing.
  op();
  const auto start = Clock::now();
  op();
  const int64_t calls = std::clamp<int64_t>(static_cast<int64_t>(20e-6 / seconds(Clock::now() - start)), 1, 1000);
  std::vector<double> shares;
  for (auto _ : state) {
    const auto a = Clock::now();
    for (int64_t i = 0; i < calls; ++i) op();
    const auto b = Clock::now();
    for (int64_t i = 0; i < calls; ++i) CopySameBytes(from, to);
    const auto c = Clock::now();
    benchmark::ClobberMemory();
    state.SetIterationTime(seconds(b - a) / static_cast<double>(calls));
    shares.push_back(seconds(c - b) / seconds(b - a));
  }
  std::nth_element(shares.begin(), shares.begin() + static_cast<int64_t>(shares.size()) / 2, shares.end());
  state.SetBytesProcessed(state.iterations() * (from.size() + to.size()));
  state.SetItemsProcessed(state.iterations() * elements);
  state.counters["of_copy"] = shares[shares.size() / 2];
}

}  // namespace kvant::bench

#endif  // KVANT_ROWWISE_BENCH_UTIL_H_
