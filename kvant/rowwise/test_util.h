// Tensors with odd layouts and guarded memory, and thread pools, for tests of operators.
#ifndef KVANT_ROWWISE_TEST_UTIL_H_
#define KVANT_ROWWISE_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kvant/core/half.h"
#include "kvant/core/parallel.h"
#include "kvant/core/target.h"
#include "kvant/core/tensor.h"

namespace kvant::testing {

using Rng = std::mt19937_64;

// Uniform in [low, high].
inline int64_t Uniform(Rng& rng, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(rng);
}
inline bool OneIn(Rng& rng, int n) { return Uniform(rng, 1, n) == 1; }

// Threads that are started for each call and take tasks in any order.
class TestPool {
 public:
  explicit TestPool(int threads) : parallel_{threads, this, Run} {}
  TestPool(const TestPool&) = delete;
  TestPool& operator=(const TestPool&) = delete;
  const ParallelFor* get() const { return &parallel_; }

 private:
  static void Run(void* pool, int tasks, void (*body)(void*, int), void* arg) {
    std::atomic<int> next{tasks - 1};
    const auto work = [&] {
      for (int t = next--; t >= 0; t = next--) body(arg, t);
    };
    std::vector<std::thread> threads;
    for (int i = 1; i < static_cast<TestPool*>(pool)->parallel_.num_threads; ++i) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
  }

  ParallelFor parallel_;
};

enum class Layout {
  kContiguous,
  kStrided,         // permuted dimensions, gaps, negative strides
  kStridedInput,    // and strides of 0
  kPacked,          // permuted leading dimensions with gaps; the last one contiguous
};

// A tensor in memory of its own between guard bands. Elements start as bytes of no meaning.
class TestTensor {
 public:
  TestTensor() = default;
  TestTensor(DType dtype, std::vector<int64_t> shape, Layout layout, Rng& rng) : dtype_(dtype), shape_(std::move(shape)) {
    const int rank = static_cast<int>(shape_.size());
    std::vector<int> order(rank);
    std::iota(order.rbegin(), order.rend(), 0);  // innermost first
    const bool packed = layout == Layout::kPacked;
    if (layout != Layout::kContiguous) std::shuffle(order.begin() + (packed && rank > 0 ? 1 : 0), order.end(), rng);
    strides_.resize(rank);
    int64_t size = 1, origin = 0;
    for (const int d : order) {
      const int64_t extent = std::max<int64_t>(shape_[d], 1);
      if (layout == Layout::kContiguous || (packed && d == rank - 1)) {
        strides_[d] = size;
      } else if (layout == Layout::kStridedInput && OneIn(rng, 6)) {
        strides_[d] = 0;
        continue;
      } else {
        strides_[d] = size * (OneIn(rng, 3) ? Uniform(rng, 2, 3) : 1);
      }
      const int64_t span = strides_[d] * (extent - 1);
      size = span + size + (layout == Layout::kContiguous || !OneIn(rng, 3) ? 0 : Uniform(rng, 1, 5));
      if (layout != Layout::kContiguous && !(packed && d == rank - 1) && OneIn(rng, 4)) {
        strides_[d] = -strides_[d];
        origin += span;
      }
    }
    const int64_t bytes = ByteSize(dtype);
    // Not always aligned to a vector.
    guard_ = kGuard + (layout == Layout::kContiguous ? 0 : Uniform(rng, 0, 7) * bytes);
    memory_.resize(size * bytes + guard_ + kGuard);
    for (uint8_t& byte : memory_) byte = static_cast<uint8_t>(rng());
    before_ = memory_;
    origin_ = guard_ + origin * bytes;
  }

  TensorView view() { return {memory_.data() + origin_, dtype_, shape_, strides_}; }
  DType dtype() const { return dtype_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t elements() const { return std::accumulate(shape_.begin(), shape_.end(), int64_t{1}, std::multiplies<>()); }

  // Where element `index` (row-major) lies.
  uint8_t* At(int64_t index) {
    int64_t offset = 0;
    for (size_t d = shape_.size(); d-- > 0;) {
      offset += index % shape_[d] * strides_[d];
      index /= shape_[d];
    }
    return memory_.data() + origin_ + offset * ByteSize(dtype_);
  }
  template <class T>
  T Get(int64_t index) {
    T value;
    std::memcpy(&value, At(index), sizeof(T));
    return value;
  }
  template <class T>
  void Set(int64_t index, T value) {
    std::memcpy(At(index), &value, sizeof(T));
  }
  // A number, rounded to the element type.
  void SetFloat(int64_t index, float value) {
    if (dtype_ == DType::kFloat16) return Set(index, FromFloat32<Float16>(value));
    if (dtype_ == DType::kBFloat16) return Set(index, FromFloat32<BFloat16>(value));
    Set(index, value);
  }
  float GetFloat(int64_t index) {
    if (dtype_ == DType::kFloat16) return ToFloat32(Get<Float16>(index));
    if (dtype_ == DType::kBFloat16) return ToFloat32(Get<BFloat16>(index));
    return Get<float>(index);
  }

  // All elements in row-major order.
  std::vector<uint8_t> Bytes() {
    const int64_t bytes = ByteSize(dtype_), n = elements();
    std::vector<uint8_t> all(n * bytes);
    for (int64_t i = 0; i < n; ++i) std::memcpy(all.data() + i * bytes, At(i), bytes);
    return all;
  }

  // The memory as it was made: guards, gaps and elements.
  void Reset() { memory_ = before_; }
  // That nothing but elements was written since Reset.
  void ExpectOnlyElementsWritten() {
    std::vector<uint8_t> now = memory_, was = before_;
    const int64_t bytes = ByteSize(dtype_);
    for (int64_t i = 0; i < elements(); ++i) {
      const auto offset = At(i) - memory_.data();
      std::fill_n(now.begin() + offset, bytes, uint8_t{0});
      std::fill_n(was.begin() + offset, bytes, uint8_t{0});
    }
    EXPECT_TRUE(now == was) << "bytes between or around the elements were written";
  }

 private:
  static constexpr int64_t kGuard = 256;

  DType dtype_ = DType::kFloat32;
  std::vector<int64_t> shape_, strides_;
  std::vector<uint8_t> memory_, before_;
  int64_t guard_ = 0, origin_ = 0;
};

// Runs a test's body on one target.
class ScopedTarget {
 public:
  explicit ScopedTarget(Target target) { EXPECT_TRUE(SetTarget(Name(target)).ok()); }
  ~ScopedTarget() { EXPECT_TRUE(SetTarget("auto").ok()); }
  ScopedTarget(const ScopedTarget&) = delete;
  ScopedTarget& operator=(const ScopedTarget&) = delete;
};

// Calls f once on each target, under a trace that names it; the scalar reference is among them.
template <class Function>
void OnEachTarget(const Function& f) {
  for (const Target target : SupportedTargets()) {
    SCOPED_TRACE(std::string(Name(target)));
    const ScopedTarget scoped(target);
    f();
  }
}

// A shape of `rank` dimensions with at most about `budget` elements.
inline std::vector<int64_t> RandomShape(Rng& rng, int rank, int64_t budget) {
  std::vector<int64_t> shape(rank);
  for (int64_t& extent : shape) {
    extent = OneIn(rng, 4) ? 1 : Uniform(rng, 1, std::clamp<int64_t>(budget, 1, 300));
    budget /= extent;
  }
  std::shuffle(shape.begin(), shape.end(), rng);
  return shape;
}

}  // namespace kvant::testing

#endif  // KVANT_ROWWISE_TEST_UTIL_H_
