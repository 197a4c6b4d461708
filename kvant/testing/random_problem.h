// Random row-wise problems: any dtypes, format, mode, layout and, above all, values of every kind.
#ifndef KVANT_TESTING_RANDOM_PROBLEM_H_
#define KVANT_TESTING_RANDOM_PROBLEM_H_

#include <bit>
#include <cmath>
#include <vector>

#include "kvant/testing/pools.h"
#include "kvant/testing/rowwise_problem.h"

namespace kvant::testing {

inline const std::vector<Format> kFormats = {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kFloat8E5M2,
                                             Format::kHiFloat8};
inline const std::vector<DType> kFloats = {DType::kFloat16, DType::kBFloat16, DType::kFloat32};
inline const std::vector<QuantMode> kModes = {QuantMode::kPerToken, QuantMode::kPerTensor, QuantMode::kPerChannel};

// How the numbers of one row, tensor or channel look.
enum class Values : uint8_t {
  kModerate,  // around a power of two near 1
  kAnyPower,  // around any power of two
  kPositive,  // of one sign
  kNegative,
  kConstant,    // all the same number
  kZeros,       // of both signs
  kSubnormal,   // a few units of the smallest subnormal
  kLarge,       // near the largest number: ranges overflow
  kTies,        // multiples of half a step of INT8 and INT4
  kOneSpecial,  // moderate, and one infinity or NaN
  kAnyBits,
};
inline constexpr int kNumValues = 11;

inline float AnyFloat(Rng& rng) { return std::bit_cast<float>(static_cast<uint32_t>(rng())); }

// In (-4, 4), denser around 0.
inline float Moderate(Rng& rng) {
  const auto unit = [&] { return static_cast<float>(Uniform(rng, -(1 << 23), 1 << 23)) * 0x1p-23f; };
  return unit() * unit() + 2 * unit() * unit() + unit();
}

// Draws numbers that are meant to share a scale.
class ValueSource {
 public:
  ValueSource(Values kind, DType dtype, Rng& rng) : kind_(kind), dtype_(dtype) {
    const bool half = dtype == DType::kFloat16;
    power_ = static_cast<int>(kind == Values::kAnyPower ? Uniform(rng, half ? -24 : -149, half ? 13 : 125)
                                                        : Uniform(rng, -8, 8));
    constant_ = std::ldexp(Moderate(rng), power_);
  }

  float operator()(Rng& rng) const {
    switch (kind_) {
      case Values::kPositive:
        return std::ldexp(std::fabs(Moderate(rng)), power_);
      case Values::kNegative:
        return std::ldexp(-std::fabs(Moderate(rng)), power_);
      case Values::kConstant:
        return constant_;
      case Values::kZeros:
        return OneIn(rng, 2) ? 0.0f : -0.0f;
      case Values::kSubnormal:
        return std::ldexp(static_cast<float>(Uniform(rng, -300, 300)), Smallest());
      case Values::kLarge:
        return (OneIn(rng, 2) ? 1.0f : -1.0f) * (1 - std::fabs(Moderate(rng)) * 0x1p-4f) * Largest();
      case Values::kTies:
        return std::ldexp(
            OneIn(rng, 8) ? (OneIn(rng, 2) ? 254.0f : 14.0f) : static_cast<float>(Uniform(rng, -254, 254)), power_ - 4);
      case Values::kAnyBits:
        return AnyBits(rng);
      default:
        return std::ldexp(Moderate(rng), power_);
    }
  }

  static float Special(Rng& rng) {
    constexpr uint32_t kBits[] = {0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF};
    return std::bit_cast<float>(kBits[Uniform(rng, 0, 5)]);
  }

 private:
  int Smallest() const { return dtype_ == DType::kFloat16 ? -24 : dtype_ == DType::kBFloat16 ? -133 : -149; }
  float Largest() const { return dtype_ == DType::kFloat16 ? 65504.0f : 0x1.FEp127f; }
  float AnyBits(Rng& rng) const {
    if (dtype_ == DType::kFloat16) return ToFloat32(Float16{static_cast<uint16_t>(rng())});
    return AnyFloat(rng);
  }

  Values kind_;
  DType dtype_;
  int power_;
  float constant_;
};

// Fills x, every set of elements with one scale in a way of its own.
inline void FillX(RowwiseProblem& p, Rng& rng) {
  std::vector<ValueSource> sources;
  std::vector<int64_t> left;  // elements until the special one
  for (int64_t i = 0; i < p.params(); ++i) {
    const auto kind = static_cast<Values>(Uniform(rng, 0, kNumValues - 1));
    sources.emplace_back(kind, p.x.dtype(), rng);
    left.push_back(kind == Values::kOneSpecial ? Uniform(rng, 0, 40) : -1);
  }
  std::vector<float> values(static_cast<size_t>(p.x.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto set = static_cast<size_t>(p.ParamOf(static_cast<int64_t>(i)));
    values[i] = left[set]-- == 0 ? ValueSource::Special(rng) : sources[set](rng);
  }
  p.x.SetFloats(values);
  p.x.Keep();
}

// Smooth scales: mostly ordinary, sometimes tiny, huge or special.
inline void FillSmooth(TestTensor& t, Rng& rng) {
  const bool wild = OneIn(rng, 4);
  std::vector<float> values(static_cast<size_t>(t.elements()));
  for (float& v : values) {
    v = std::fabs(Moderate(rng)) + 0.0625f;
    if (wild && OneIn(rng, 10)) v = AnyFloat(rng);
    if (wild && OneIn(rng, 10)) v = std::ldexp(v, static_cast<int>(Uniform(rng, -140, 100)));
    if (OneIn(rng, 50)) v = -v;
  }
  t.SetFloats(values);
  t.Keep();
}

// Cumulative end rows of 1..6 experts, some of them empty.
inline TestTensor RandomGroups(int64_t rows, Layout layout, Rng& rng) {
  std::vector<int64_t> ends;
  for (int64_t i = Uniform(rng, 0, 5); i > 0; --i)
    ends.push_back(OneIn(rng, 3) && !ends.empty() ? ends.back() : Uniform(rng, 0, rows));
  ends.push_back(rows);
  std::sort(ends.begin(), ends.end());
  const bool wide = OneIn(rng, 2);
  TestTensor t(wide ? DType::kInt64 : DType::kInt32, {static_cast<int64_t>(ends.size())}, layout, rng);
  if (t.strides()[0] == 0) t = TestTensor(t.dtype(), t.shape(), Layout::kContiguous, rng);
  for (size_t i = 0; i < ends.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    wide ? t.Set(at, ends[i]) : t.Set(at, static_cast<int32_t>(ends[i]));
  }
  t.Keep();
  return t;
}

// A last dimension around the sizes of vectors, blocks, batches and pieces, or any; at most `most`.
inline int64_t RandomLength(Rng& rng, int64_t most) {
  static const std::vector<int64_t> kAround = {0, 1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  const int64_t n = OneIn(rng, 3) ? Uniform(rng, 0, most) : PickFrom(rng, kAround) + Uniform(rng, -3, 3);
  return std::clamp<int64_t>(n, OneIn(rng, 40) ? 0 : 1, std::max<int64_t>(most, 1));
}

// `rank` dimensions of about `budget` elements.
inline Shape RandomShape(Rng& rng, int64_t rank, int64_t budget) {
  Shape shape(static_cast<size_t>(rank));
  shape.back() = RandomLength(rng, budget);
  budget /= std::max<int64_t>(shape.back(), 1);
  for (size_t d = 0; d + 1 < shape.size(); ++d) {
    shape[d] = OneIn(rng, 50) ? 0 : OneIn(rng, 4) ? 1 : Uniform(rng, 1, std::clamp<int64_t>(budget, 1, 300));
    budget /= std::max<int64_t>(shape[d], 1);
  }
  if (rank > 1) std::shuffle(shape.begin(), shape.end() - 1, rng);
  return shape;
}

// A divisor of the last dimension that is legal as group_size, 0 included.
inline int64_t RandomGroupSize(const RowwiseProblem& p, Rng& rng) {
  const int64_t h = p.x.shape().back(), step = p.format == Format::kInt4 ? 2 : 1;
  std::vector<int64_t> sizes = {0};
  for (int64_t g = step; g <= h; g += step) {
    if (h % g == 0) sizes.push_back(g);
  }
  return PickFrom(rng, sizes);
}

// `odd`: layouts too.
inline RowwiseProblem RandomProblem(Rng& rng, Format format, DType x_dtype, Shape shape, bool odd) {
  RowwiseProblem p;
  p.format = format;
  p.symmetric = OneIn(rng, 2);
  DType storage = StorageType(format);
  if (format == Format::kInt4 && OneIn(rng, 2)) storage = DType::kInt32;
  if (!IsInteger(format) && OneIn(rng, 3)) storage = DType::kUInt8;
  const int64_t packed = CodesPerElement(format, storage);
  shape.back() = (shape.back() + packed - 1) / packed * packed;
  if (format == Format::kHiFloat8 && OneIn(rng, 2)) {
    p.dst_type_max = OneIn(rng, 2) ? 15
                                   : std::ldexp(static_cast<double>(Uniform(rng, 1, 1 << 20)),
                                                static_cast<int>(Uniform(rng, -50, -5)));
  }
  const auto layout = [&](Layout l) { return odd && OneIn(rng, 2) ? l : Layout::kContiguous; };
  p.x = TestTensor(x_dtype, shape, layout(Layout::kStridedInput), rng);
  p.mode = PickFrom(rng, kModes);
  if (shape.size() < 2 && p.mode == QuantMode::kPerChannel) p.mode = QuantMode::kPerToken;
  if (p.mode == QuantMode::kPerToken && IsInteger(format) && OneIn(rng, 2)) p.group_size = RandomGroupSize(p, rng);
  p.MakeOutputs(storage, layout(Layout::kStrided), layout(Layout::kStrided), rng);
  FillX(p, rng);
  if (OneIn(rng, 2)) return p;
  const DType smooth_dtype = PickFrom(rng, kFloats);
  const Layout smooth_layout = layout(Layout::kStridedInput);
  if (p.mode == QuantMode::kPerChannel) {
    p.smooth.emplace(smooth_dtype, Shape{shape[shape.size() - 2]}, smooth_layout, rng);
  } else if (OneIn(rng, 2)) {
    int64_t rows = 1;
    for (size_t d = 0; d + 1 < shape.size(); ++d) rows *= shape[d];
    p.group_index = RandomGroups(rows, layout(Layout::kStrided), rng);
    p.smooth.emplace(smooth_dtype, Shape{p.group_index->elements(), shape.back()}, smooth_layout, rng);
  } else {
    p.smooth.emplace(smooth_dtype, Shape{shape.back()}, smooth_layout, rng);
  }
  FillSmooth(*p.smooth, rng);
  return p;
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_RANDOM_PROBLEM_H_
