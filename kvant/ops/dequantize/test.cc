#include <bit>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "kvant/numerics/fp_env.h"
#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/rowwise/test_util.h"

namespace kvant {
namespace {

using testing::Layout;
using testing::OneIn;
using testing::OnEachTarget;
using testing::Rng;
using testing::TestPool;
using testing::TestTensor;
using testing::Uniform;

constexpr Format kFormats[] = {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kFloat8E5M2,
                               Format::kHiFloat8};
constexpr DType kResults[] = {DType::kFloat16, DType::kBFloat16, DType::kFloat32};

// What every code means, from exact rationals: numerics/golden.
float Decoded(Format format, int code) {
  static const auto golden = [] {
    std::map<std::string, std::vector<float>> table;
    std::ifstream file(KVANT_SOURCE_DIR "/kvant/numerics/golden/decode.txt");
    EXPECT_TRUE(file.is_open());
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line[0] == '#') continue;
      std::istringstream fields(line);
      std::string name;
      unsigned code, bits;
      fields >> name >> std::hex >> code >> bits;
      table[name].resize(std::max<size_t>(table[name].size(), code + 1));
      table[name][code] = std::bit_cast<float>(bits);
    }
    return table;
  }();
  return golden.at(std::string(Name(format))).at(code);
}

int CodeAt(TestTensor& y, Format format, int64_t i) {
  if (format != Format::kInt4) return *y.At(i);
  const int64_t per_element = CodesPerElement(format, y.dtype());
  const uint8_t byte = y.At(i / per_element)[i % per_element / 2];
  return i % 2 == 0 ? byte & 15 : byte >> 4;
}

struct Problem {
  Format format = Format::kInt8;
  QuantMode mode = QuantMode::kPerToken;
  int64_t group_size = 0;
  bool negate = false, has_offset = true;
  TestTensor y, scale, offset, x;

  DequantizeArgs Args() {
    DequantizeArgs args{y.view(), scale.view(), {}, format, mode, group_size, negate, x.view()};
    if (has_offset) args.offset = offset.view();
    return args;
  }

  // Which element of scale belongs to element i of x.
  int64_t ParameterOf(int64_t i) const {
    const int64_t h = x.shape().back();
    switch (mode) {
      case QuantMode::kPerTensor:
        return 0;
      case QuantMode::kPerChannel:
        return i / h / x.shape()[x.shape().size() - 2] * h + i % h;
      case QuantMode::kPerToken:
        return i / (group_size == 0 ? h : group_size);
    }
    return 0;
  }

  // The formula, an element at a time.
  void Expect() {
    const FpEnv env(FpEnv::kDefault);
    for (int64_t i = 0; i < x.elements(); ++i) {
      const int64_t k = ParameterOf(i);
      const int code = CodeAt(y, format, i);
      float v = Decoded(format, code);
      if (has_offset) {
        const float o = offset.Get<float>(k);
        v = negate ? v + o : v - o;
      }
      v *= scale.Get<float>(k);
      const auto fail = [&](uint32_t got, uint32_t expected) {
        ADD_FAILURE() << Name(format) << " to " << Name(x.dtype()) << ", " << Name(mode) << " element " << i << ": code "
                      << code << " scale " << scale.Get<float>(k) << (has_offset ? " offset " : " no offset ")
                      << (has_offset ? offset.Get<float>(k) : 0) << std::hex << " gives 0x" << got << ", expected 0x"
                      << expected;
      };
      if (x.dtype() == DType::kFloat32) {
        const uint32_t expected = std::isnan(v) ? 0x7FC00000 : std::bit_cast<uint32_t>(v);
        if (x.Get<uint32_t>(i) != expected) return fail(x.Get<uint32_t>(i), expected);
      } else {
        const bool half = x.dtype() == DType::kFloat16;
        const uint16_t expected = half ? FromFloat32<Float16>(v).bits : FromFloat32<BFloat16>(v).bits;
        if (x.Get<uint16_t>(i) != expected) return fail(x.Get<uint16_t>(i), expected);
      }
    }
  }

  void Run(const ExecOptions& exec) {
    x.Reset();
    const Status status = Dequantize(Args(), exec);
    ASSERT_TRUE(status.ok()) << status.message();
    x.ExpectOnlyElementsWritten();
    Expect();
  }
};

constexpr uint32_t kSpecials[] = {0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x3F800000,
                                  0xBF800000, 0x3F000000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000,
                                  0xFFC00001, 0x7F800001, 0x38800000, 0x33000000, 0x477FE000, 0x43000000, 0xC2FF0000};

// Ordinary numbers, extreme ones, and any bits at all.
float RandomParameter(Rng& rng) {
  if (OneIn(rng, 8)) return std::bit_cast<float>(kSpecials[Uniform(rng, 0, std::size(kSpecials) - 1)]);
  if (OneIn(rng, 8)) return std::bit_cast<float>(static_cast<uint32_t>(rng()));
  return std::ldexp(static_cast<float>(Uniform(rng, -(1 << 20), 1 << 20)), static_cast<int>(Uniform(rng, -30, 0)));
}

void FillParameters(TestTensor& t, Rng& rng, bool tame) {
  for (int64_t i = 0; i < t.elements(); ++i) {
    t.Set(i, tame ? static_cast<float>(Uniform(rng, 1, 1000)) / 1024 : RandomParameter(rng));
  }
}

Problem RandomProblem(Rng& rng, Format format, DType result, std::vector<int64_t> shape, bool any_layout) {
  Problem p;
  p.format = format;
  DType storage = StorageType(format);
  if (format == Format::kInt4 && OneIn(rng, 2)) storage = DType::kInt32;
  if (!IsInteger(format) && OneIn(rng, 3)) storage = DType::kUInt8;
  const int64_t per_element = CodesPerElement(format, storage);
  std::vector<int64_t> packed = shape;
  shape.back() = (shape.back() + per_element - 1) / per_element * per_element;
  packed.back() = shape.back() / per_element;
  p.mode = static_cast<QuantMode>(Uniform(rng, 0, shape.size() > 1 ? 2 : 1));
  std::vector<int64_t> params;
  if (p.mode == QuantMode::kPerTensor) {
    params = {1};
  } else if (p.mode == QuantMode::kPerToken) {
    params.assign(shape.begin(), shape.end() - 1);
    if (IsInteger(format) && OneIn(rng, 2)) {
      do {
        p.group_size = Uniform(rng, 1, shape.back());
      } while (shape.back() % p.group_size != 0 || (format == Format::kInt4 && p.group_size % 2 != 0));
      params.push_back(shape.back() / p.group_size);
    }
  } else {
    params = shape;
    params.erase(params.end() - 2);
  }
  p.has_offset = OneIn(rng, 2);
  p.negate = p.has_offset && OneIn(rng, 2);
  const auto layout = [&](Layout odd) { return any_layout && OneIn(rng, 2) ? odd : Layout::kContiguous; };
  p.y = TestTensor(storage, packed, layout(per_element > 1 ? Layout::kPacked : Layout::kStridedInput), rng);
  p.scale = TestTensor(DType::kFloat32, params, layout(Layout::kStridedInput), rng);
  p.offset = TestTensor(DType::kFloat32, params, layout(Layout::kStridedInput), rng);
  p.x = TestTensor(result, shape, layout(Layout::kStrided), rng);
  const bool tame = OneIn(rng, 2);
  FillParameters(p.scale, rng, tame);
  FillParameters(p.offset, rng, tame);
  return p;
}

TEST(Dequantize, EveryCodeIsExact) {
  Rng rng(1);
  for (const Format format : kFormats) {
    for (const DType result : kResults) {
      OnEachTarget([&] {
        Problem p;
        p.format = format;
        p.has_offset = false;
        p.y = TestTensor(StorageType(format), {256}, Layout::kContiguous, rng);
        for (int i = 0; i < 256; ++i) *p.y.At(i) = static_cast<uint8_t>(i);
        p.scale = TestTensor(DType::kFloat32, {}, Layout::kContiguous, rng);
        p.scale.Set(0, 1.0f);
        p.x = TestTensor(result, {256 * CodesPerElement(format, p.y.dtype())}, Layout::kContiguous, rng);
        p.Run({});
      });
    }
  }
}

// Every code with every pair of special parameters, in every form of the kernels.
TEST(Dequantize, SpecialParameters) {
  Rng rng(2);
  constexpr int64_t kCount = std::size(kSpecials);
  for (const Format format : kFormats) {
    const int64_t per_element = CodesPerElement(format, StorageType(format));
    for (const DType result : kResults) {
      for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerChannel}) {
        // pertoken [pair, code]; perchannel [code, pair].
        const bool token = mode == QuantMode::kPerToken;
        const int64_t pairs = kCount * kCount + 1, codes = 256;
        Problem p;
        p.format = format;
        p.mode = mode;
        p.y = TestTensor(StorageType(format), token ? std::vector{pairs, codes / per_element} : std::vector{codes, pairs / per_element},
                         Layout::kContiguous, rng);
        p.x = TestTensor(result, token ? std::vector{pairs, codes} : std::vector{codes, pairs / per_element * per_element},
                         Layout::kContiguous, rng);
        p.scale = TestTensor(DType::kFloat32, {token ? pairs : p.x.shape()[1]}, Layout::kContiguous, rng);
        p.offset = TestTensor(DType::kFloat32, p.scale.shape(), Layout::kContiguous, rng);
        for (int64_t i = 0; i < p.scale.elements(); ++i) {
          p.scale.Set(i, kSpecials[i % kCount]);
          p.offset.Set(i, kSpecials[i / kCount % kCount]);
        }
        for (int64_t i = 0; i < p.y.elements(); ++i) {
          *p.y.At(i) = static_cast<uint8_t>(token ? i % p.y.shape()[1] : i / p.y.shape()[1]);
        }
        for (p.negate = false;; p.negate = true) {
          OnEachTarget([&] { p.Run({&SerialFor()}); });
          if (p.negate) break;
        }
      }
    }
  }
}

TEST(Dequantize, AnyShapeAndLayout) {
  Rng rng(3);
  const TestPool two(2), seven(7);
  const ParallelFor* pools[] = {&SerialFor(), two.get(), seven.get()};
  for (int round = 0; round < 1200; ++round) {
    const int rank = static_cast<int>(Uniform(rng, 1, 8));
    Problem p = RandomProblem(rng, kFormats[round % 5], kResults[round / 5 % 3], testing::RandomShape(rng, rank, 3000), true);
    ExecOptions exec;
    exec.parallel = pools[Uniform(rng, 0, 2)];
    exec.stores = static_cast<Stores>(Uniform(rng, 0, 2));
    OnEachTarget([&] { p.Run(exec); });
    if (HasFailure()) return;
  }
}

// Rows of every length around the sizes of vectors and blocks, on each path of the row form.
TEST(Dequantize, EveryRowLength) {
  Rng rng(4);
  for (const Format format : kFormats) {
    for (const DType result : kResults) {
      for (int64_t n = 1; n <= 300; n += n < 140 ? 1 : 23) {
        if (format == Format::kInt4 && n % 2 != 0) continue;
        Problem p = RandomProblem(rng, format, result, {3, n}, false);
        ExecOptions exec;
        exec.stores = n % 3 == 0 ? Stores::kStreaming : Stores::kNormal;
        OnEachTarget([&] { p.Run(exec); });
        if (HasFailure()) return;
      }
    }
  }
}

// Large enough to be cut, by rows and within rows.
TEST(Dequantize, ThreadsDoNotMatter) {
  Rng rng(5);
  const TestPool two(2), seven(7);
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{1, 300000}, {3, 100000}, {2048, 128}, {90, 2101}}) {
    for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN}) {
      Problem p = RandomProblem(rng, format, kResults[Uniform(rng, 0, 2)], shape, false);
      for (const ParallelFor* parallel : {&SerialFor(), two.get(), seven.get()}) {
        for (const Stores stores : {Stores::kNormal, Stores::kStreaming}) p.Run({parallel, nullptr, 0, stores});
        p.Run({parallel});
      }
    }
  }
}

TEST(Dequantize, EmptyTensors) {
  Rng rng(6);
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{0}, {0, 8}, {8, 0}, {2, 0, 4}}) {
    for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerTensor, QuantMode::kPerChannel}) {
      if (mode == QuantMode::kPerChannel && shape.size() < 2) continue;
      Problem p;
      p.mode = mode;
      p.y = TestTensor(DType::kInt8, shape, Layout::kContiguous, rng);
      std::vector<int64_t> params = {1};
      if (mode == QuantMode::kPerToken) params.assign(shape.begin(), shape.end() - 1);
      if (mode == QuantMode::kPerChannel) (params = shape).erase(params.end() - 2);
      p.scale = p.offset = TestTensor(DType::kFloat32, params, Layout::kContiguous, rng);
      p.x = TestTensor(DType::kFloat32, shape, Layout::kContiguous, rng);
      OnEachTarget([&] { p.Run({}); });
    }
  }
}

#if defined(__x86_64__)
// Results may be subnormal, so the caller's flushing must not reach the arithmetic, and must be there afterwards.
TEST(Dequantize, CallersFloatingPointStateDoesNotMatter) {
  Rng rng(7);
  Problem p = RandomProblem(rng, Format::kInt8, DType::kFloat32, {7, 65}, false);
  p.mode = QuantMode::kPerToken;
  p.group_size = 0;
  p.scale = p.offset = TestTensor(DType::kFloat32, {7}, Layout::kContiguous, rng);
  for (int i = 0; i < 7; ++i) p.scale.Set(i, std::ldexp(1.0f, -140 + i));
  for (int i = 0; i < 7; ++i) p.offset.Set(i, std::ldexp(3.0f, -146 + i));
  OnEachTarget([&] {
    const uint32_t saved = _mm_getcsr();
    constexpr uint32_t kFlushTowardsZero = 0xFFC0;
    _mm_setcsr(kFlushTowardsZero);
    p.x.Reset();
    const Status status = Dequantize(p.Args());
    const uint32_t after = _mm_getcsr();
    _mm_setcsr(saved);
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(after & ~0x3Fu, kFlushTowardsZero & ~0x3Fu);
    p.Expect();
  });
}
#endif

// What dynamic_quant wrote comes back within half a step, and a little for the rounding of large offsets.
TEST(Dequantize, UndoesDynamicQuant) {
  Rng rng(8);
  const int64_t rows = 9, h = 130;
  for (const Format format : {Format::kInt8, Format::kInt4}) {
    for (const bool symmetric : {false, true}) {
      TestTensor x(DType::kFloat32, {rows, h}, Layout::kContiguous, rng), back = x;
      TestTensor y(StorageType(format), {rows, format == Format::kInt4 ? h / 2 : h}, Layout::kContiguous, rng);
      TestTensor scale(DType::kFloat32, {rows}, Layout::kContiguous, rng), offset = scale;
      std::normal_distribution<float> normal(0.5f, 2.0f);
      for (int64_t i = 0; i < rows * h; ++i) x.Set(i, normal(rng));
      DynamicQuantArgs quantize{.x = x.view(), .smooth_scales = {}, .group_index = {}, .dst_type = format};
      quantize.symmetric = symmetric;
      quantize.y = y.view();
      quantize.scale = scale.view();
      DequantizeArgs args{.y = y.view(), .scale = scale.view(), .offset = {}, .dst_type = format};
      args.x = back.view();
      if (!symmetric) quantize.offset = offset.view();
      if (!symmetric) args.offset = offset.view();
      ASSERT_TRUE(DynamicQuant(quantize).ok());
      ASSERT_TRUE(Dequantize(args).ok());
      const float range = format == Format::kInt8 ? 255 : 15;
      for (int64_t i = 0; i < rows * h; ++i) {
        const float o = symmetric ? 0 : offset.Get<float>(i / h);
        const float most = scale.Get<float>(i / h) * (0.5f + 0x1p-22f * (std::fabs(o) + range));
        EXPECT_LE(std::fabs(x.Get<float>(i) - back.Get<float>(i)), most) << i;
      }
    }
  }
}

}  // namespace
}  // namespace kvant
