// Tensors in odd layouts, in memory of their own between guard bands, for tests of operators.
#ifndef KVANT_TESTING_TENSORS_H_
#define KVANT_TESTING_TENSORS_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "kvant/core/half.h"
#include "kvant/core/tensor.h"

namespace kvant::testing {

// SplitMix64: as good as tests need, and several times faster than the engines of <random>.
class Rng {
 public:
  using result_type = uint64_t;
  explicit Rng(uint64_t seed) : state_(seed) {}
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return ~uint64_t{0}; }
  uint64_t operator()() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }

 private:
  uint64_t state_;
};

using Shape = std::vector<int64_t>;

// Uniform in [low, high], the same numbers with every standard library.
inline int64_t Uniform(Rng& rng, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(rng() % static_cast<uint64_t>(high - low + 1));
}
inline bool OneIn(Rng& rng, int n) { return Uniform(rng, 1, n) == 1; }
template <class T>
const T& PickFrom(Rng& rng, const std::vector<T>& list) {
  return list[static_cast<size_t>(Uniform(rng, 0, static_cast<int64_t>(list.size()) - 1))];
}

enum class Layout : uint8_t {
  kContiguous,
  kStrided,       // permuted dimensions, gaps, negative strides
  kStridedInput,  // and strides of 0
  kPacked,        // permuted leading dimensions, gaps, negative strides; the last dimension contiguous
};

// A tensor whose memory starts as bytes of no meaning.
class TestTensor {
 public:
  TestTensor() = default;
  TestTensor(DType dtype, Shape shape, Layout layout, Rng& rng) : dtype_(dtype), shape_(std::move(shape)) {
    const size_t rank = shape_.size();
    std::vector<size_t> order(rank);
    std::iota(order.rbegin(), order.rend(), size_t{0});  // innermost first
    const bool odd = layout != Layout::kContiguous, packed = layout == Layout::kPacked;
    if (odd) std::shuffle(order.begin() + (packed && rank > 0 ? 1 : 0), order.end(), rng);
    strides_.resize(rank);
    int64_t size = 1;
    for (const size_t d : order) {
      if (layout == Layout::kStridedInput && OneIn(rng, 6)) continue;
      const bool dense = !odd || (packed && d == rank - 1);
      strides_[d] = size * (!dense && OneIn(rng, 3) ? Uniform(rng, 2, 3) : 1);
      size += strides_[d] * (std::max<int64_t>(shape_[d], 1) - 1) + (odd && OneIn(rng, 3) ? Uniform(rng, 1, 5) : 0);
      if (!dense && OneIn(rng, 4)) strides_[d] = -strides_[d];
    }
    Allocate(odd ? Uniform(rng, 0, 7) : 0, rng);
  }
  TestTensor(DType dtype, Shape shape, Rng& rng) : TestTensor(dtype, std::move(shape), Layout::kContiguous, rng) {}
  // Strides as the test wants them.
  TestTensor(DType dtype, Shape shape, Shape strides, Rng& rng)
      : dtype_(dtype), shape_(std::move(shape)), strides_(std::move(strides)) {
    Allocate(Uniform(rng, 0, 7), rng);
  }

  TensorView view() { return {memory_.data() + origin_, dtype_, shape_, strides_}; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int64_t elements() const { return std::accumulate(shape_.begin(), shape_.end(), int64_t{1}, std::multiplies<>()); }

  // Calls f(i, p) for the elements in row-major order: i counts them, p is where they lie.
  template <class Function>
  void ForEach(const Function& f) {
    const int64_t n = elements();
    Shape at(shape_.size());
    uint8_t* p = memory_.data() + origin_;
    for (int64_t i = 0; i < n; ++i) {
      f(i, p);
      for (size_t d = shape_.size(); d-- > 0;) {
        p += strides_[d] * ByteSize(dtype_);
        if (++at[d] < shape_[d]) break;
        p -= strides_[d] * shape_[d] * ByteSize(dtype_);
        at[d] = 0;
      }
    }
  }

  // Where element `index`, counted row-major, lies.
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

  // Numbers of a float tensor. A number that is set is rounded to the element type.
  void SetFloat(int64_t index, float value) { StoreFloat(At(index), value); }
  float GetFloat(int64_t index) { return LoadFloat(At(index)); }
  void SetFloats(const std::vector<float>& values) {
    ForEach([&](int64_t i, uint8_t* p) { StoreFloat(p, values[static_cast<size_t>(i)]); });
  }
  std::vector<float> Floats() {
    std::vector<float> values(static_cast<size_t>(elements()));
    ForEach([&](int64_t i, const uint8_t* p) { values[static_cast<size_t>(i)] = LoadFloat(p); });
    return values;
  }

  // All elements, row-major.
  std::vector<uint8_t> Bytes() {
    const auto bytes = static_cast<size_t>(ByteSize(dtype_));
    std::vector<uint8_t> all(static_cast<size_t>(elements()) * bytes);
    ForEach([&](int64_t i, const uint8_t* p) { std::memcpy(all.data() + static_cast<size_t>(i) * bytes, p, bytes); });
    return all;
  }
  // Elements from somewhere else; those of a tensor with strides of 0 keep the last value written.
  void SetBytes(const std::vector<uint8_t>& all) {
    const auto bytes = static_cast<size_t>(ByteSize(dtype_));
    ForEach([&](int64_t i, uint8_t* p) { std::memcpy(p, all.data() + static_cast<size_t>(i) * bytes, bytes); });
  }

  // All of the memory, gaps and guard bands included.
  uint8_t* memory() { return memory_.data(); }
  size_t memory_bytes() const { return memory_.size(); }

  // Remembers the memory as it is now; brings that back.
  void Keep() { kept_ = memory_; }
  void Reset() { memory_ = kept_; }
  // Nothing was written since then, or nothing but elements was: neither guard bands nor gaps.
  bool Untouched() const { return memory_ == kept_; }
  bool OnlyElementsWritten() {
    std::vector<uint8_t> expected = kept_;
    ForEach([&](int64_t, const uint8_t* p) {
      std::memcpy(expected.data() + (p - memory_.data()), p, static_cast<size_t>(ByteSize(dtype_)));
    });
    return memory_ == expected;
  }

 private:
  static constexpr int64_t kGuard = 256;

  // `shift` elements off the alignment of the allocator.
  void Allocate(int64_t shift, Rng& rng) {
    int64_t low = 0, high = 0;
    for (size_t d = 0; d < shape_.size(); ++d) {
      const int64_t span = strides_[d] * (std::max<int64_t>(shape_[d], 1) - 1);
      (span < 0 ? low : high) += span;
    }
    const int64_t bytes = ByteSize(dtype_);
    origin_ = kGuard + (shift - low) * bytes;
    memory_.resize(static_cast<size_t>(origin_ + (high + 1) * bytes + kGuard));
    uint64_t bits = 0;
    for (size_t i = 0; i < memory_.size(); ++i, bits >>= 8) {
      if (i % 8 == 0) bits = rng();
      memory_[i] = static_cast<uint8_t>(bits);
    }
    Keep();
  }

  void StoreFloat(uint8_t* p, float value) const {
    if (dtype_ == DType::kFloat16) {
      const Float16 rounded = FromFloat32<Float16>(value);
      std::memcpy(p, &rounded, sizeof(rounded));
    } else if (dtype_ == DType::kBFloat16) {
      const BFloat16 rounded = FromFloat32<BFloat16>(value);
      std::memcpy(p, &rounded, sizeof(rounded));
    } else {
      std::memcpy(p, &value, sizeof(value));
    }
  }
  float LoadFloat(const uint8_t* p) const {
    uint16_t half = 0;
    float value = 0;
    if (dtype_ == DType::kFloat32) {
      std::memcpy(&value, p, sizeof(value));
      return value;
    }
    std::memcpy(&half, p, sizeof(half));
    return dtype_ == DType::kFloat16 ? ToFloat32(Float16{half}) : ToFloat32(BFloat16{half});
  }

  DType dtype_ = DType::kFloat32;
  Shape shape_, strides_;
  std::vector<uint8_t> memory_, kept_;
  int64_t origin_ = 0;
};

}  // namespace kvant::testing

#endif  // KVANT_TESTING_TENSORS_H_
