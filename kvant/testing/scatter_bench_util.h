// Tokens scattered into a cache, beside a copy of the same bytes to the same places.
#ifndef KVANT_TESTING_SCATTER_BENCH_UTIL_H_
#define KVANT_TESTING_SCATTER_BENCH_UTIL_H_

#include <cstring>
#include <initializer_list>
#include <random>
#include <string_view>
#include <vector>

#include "kvant/core/tensor.h"
#include "kvant/testing/bench_util.h"

namespace kvant::bench {

// Where tokens go: to the same random slots each time, to others each time, or to consecutive ones.
enum class Slots : uint8_t { kHot, kCold, kAscending };

constexpr std::string_view Name(Slots s) { return s == Slots::kHot ? "hot" : s == Slots::kCold ? "cold" : "ascending"; }

struct ScatterShape {
  int64_t tokens, heads, dim;
  Slots slots;
};

// `tokens` are n rows of from_bytes each, the cache has room for kPages pages of `positions` rows of to_bytes each.
// Both kinds of rows are whole cache lines.
class ScatterBench {
 public:
  static constexpr int64_t kPages = 64;

  ScatterBench(const ScatterShape& shape, int64_t from_bytes, int64_t to_bytes)
      : shape_(shape),
        from_bytes_(from_bytes),
        to_bytes_(to_bytes),
        positions_(to_bytes <= 2048 ? 4096 : 256),
        tokens_(shape.tokens * from_bytes),
        cache_(kPages * positions_ * to_bytes),
        write_(LoopFor(from_bytes, to_bytes, &units_)),
        read_(LoopFor(to_bytes, from_bytes, &read_units_)) {
    // Cold sets of slots come round again when 64 MB have been written.
    const int64_t sets = shape.slots == Slots::kCold ? (int64_t{64} << 20) / (shape.tokens * to_bytes) + 1 : 1;
    std::mt19937_64 random(1);
    std::uniform_int_distribution<int64_t> any(0, kPages * positions_ - 1);
    for (int64_t i = 0; i < sets * shape.tokens; ++i)
      slots_.push_back(shape.slots == Slots::kAscending ? i : any(random));
  }

  const Memory& tokens() const { return tokens_; }
  TensorView Cache(DType dtype) const { return {cache_.data(), dtype, {kPages, positions_, shape_.heads, shape_.dim}}; }

  // Times op(indices) in turns with `other`; of_copy is then other's time over op's.
  template <class Op, class Other>
  void MeasureBesideOther(benchmark::State& state, const Op& op, const Other& other) {
    MeasureBeside(
        state, shape_.tokens * (from_bytes_ + to_bytes_), shape_.tokens * shape_.heads * shape_.dim,
        [&] { op(ConstTensorView(Next(), DType::kInt64, {shape_.tokens})); }, other);
  }

  // Times op(indices), one thread beside one thread. What the copy writes beside rows of the cache: `param_bytes` bytes
  // of each of these tables for a slot.
  template <class Op>
  void Measure(benchmark::State& state, const Op& op, std::initializer_list<char*> tables = {},
               int64_t param_bytes = 0) {
    MeasureBesideOther(state, op, [&] {
      const int64_t* slots = Next();
      for (int64_t i = 0; i < shape_.tokens; ++i) {
        write_(tokens_.data() + i * from_bytes_, cache_.data() + slots[i] * to_bytes_, units_);
        for (char* table : tables) {
          std::memcpy(table + slots[i] * param_bytes, tokens_.data(), static_cast<size_t>(param_bytes));
        }
      }
    });
  }

  // The same for an op that reads the cache and writes the tokens.
  template <class Op>
  void MeasureReading(benchmark::State& state, const Op& op) {
    MeasureBesideOther(state, op, [&] {
      const int64_t* slots = Next();
      for (int64_t i = 0; i < shape_.tokens; ++i) {
        read_(cache_.data() + slots[i] * to_bytes_, tokens_.data() + i * from_bytes_, read_units_);
      }
    });
  }

 private:
  testing::roof::Loop LoopFor(int64_t read_bytes, int64_t write_bytes, int64_t* units) const {
    return testing::roof::PatternFor(read_bytes / 64, write_bytes / 64, units)
        .For(testing::RoofStores::kNormal, testing::RoofFromOf(shape_.tokens * read_bytes));
  }

  // Slots for a call; op and copy take turns, so that neither finds in cache what the other has just written.
  const int64_t* Next() {
    const int64_t* slots = slots_.data() + next_;
    next_ = (next_ + static_cast<size_t>(shape_.tokens)) % slots_.size();
    return slots;
  }

  const ScatterShape shape_;
  const int64_t from_bytes_, to_bytes_, positions_;
  const Memory tokens_, cache_;
  int64_t units_ = 0, read_units_ = 0;
  const testing::roof::Loop write_, read_;
  std::vector<int64_t> slots_;
  size_t next_ = 0;
};

// Decoding steps, a prompt, and long rows.
inline constexpr ScatterShape kScatterShapes[] = {
    {1, 8, 128, Slots::kHot},          {8, 8, 128, Slots::kHot},     {64, 8, 128, Slots::kHot},
    {1, 8, 128, Slots::kCold},         {8, 8, 128, Slots::kCold},    {64, 8, 128, Slots::kCold},
    {4096, 8, 128, Slots::kAscending}, {4096, 8, 128, Slots::kCold}, {64, 1, 4096, Slots::kCold},
};

}  // namespace kvant::bench

#endif  // KVANT_TESTING_SCATTER_BENCH_UTIL_H_
