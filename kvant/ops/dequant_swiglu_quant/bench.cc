// dequant_swiglu_quant beside a copy of the same bytes, and its three steps one after the other through memory.
#include <fmt/format.h>

#include <random>
#include <string_view>

#include "kvant/core/visit.h"
#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"
#include "kvant/ops/dequant_swiglu_quant/kernels.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/testing/bench_util.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvant {
namespace {

struct Case {
  int64_t rows, columns;  // of x: [T, 2H]
  int64_t groups;
  DType dtype;
  int threads = 1;  // 0: the default pool
  bool dynamic = true;
  Format format = Format::kInt8;
  SwigluMode mode = SwigluMode::kSwish;
  float deviation = 2;  // of the gates
  bool unfused = false;
  Stores stores = Stores::kAuto;
};

// Data of a case: int32 as a matrix product leaves it, with scales that make gates of the wanted deviation.
class Problem {
 public:
  explicit Problem(const Case& c)
      : c_(c),
        h_(c.columns / 2),
        x_(c.rows * c.columns * ByteSize(c.dtype)),
        y_(c.rows * h_),
        scale_(c.rows),
        weight_(c.groups * c.columns),
        activation_(c.rows),
        smooth_(c.groups * h_),
        counts_(c.groups, c.rows / c.groups) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const auto fill = [&](auto element) {
      using T = decltype(element);
      T* to = reinterpret_cast<T*>(x_.data());
      for (int64_t i = 0; i < c.rows * c.columns; ++i) {
        if constexpr (std::is_same_v<T, int32_t>) {
          to[i] = static_cast<int32_t>(normal(random) * 8192);
        } else {
          to[i] = FromFloat32<T>(normal(random) * c.deviation);
        }
      }
    };
    if (c.dtype == DType::kInt32) {
      fill(int32_t{});
    } else {
      VisitFloat(c.dtype, fill);
    }
    for (float& v : weight_) v = (1 + 0.1f * normal(random)) * c.deviation / 8192;
    for (float& v : activation_) v = 1 + 0.1f * normal(random);
    for (float& v : smooth_) v = (1 + 0.1f * normal(random)) * (c.dynamic ? 1 : 0.1f);
    counts_.back() += c.rows % c.groups;

    args_.x = ConstTensorView(x_.data(), c.dtype, {c.rows, c.columns});
    if (c.dtype == DType::kInt32) {
      args_.weight_scale = ConstTensorView(weight_.data(), DType::kFloat32, {c.groups, c.columns});
      args_.activation_scale = ConstTensorView(activation_.data(), DType::kFloat32, {c.rows});
    }
    args_.quant_scale = ConstTensorView(smooth_.data(), DType::kFloat32, {c.groups, h_});
    if (c.groups > 1) args_.group_index = ConstTensorView(counts_.data(), DType::kInt64, {c.groups});
    args_.activate_left = true;
    args_.quant_mode = c.dynamic ? ScaleSource::kDynamic : ScaleSource::kStatic;
    args_.dst_type = c.format;
    args_.swiglu_mode = c.mode;
    args_.y = TensorView(y_.data(), StorageType(c.format), {c.rows, h_});
    args_.scale = TensorView(scale_.data(), DType::kFloat32, {c.rows});
  }

  const bench::Memory& x() const { return x_; }
  const bench::Memory& y() const { return y_; }
  const DequantSwigluQuantArgs& args() const { return args_; }

  // Dequantize to memory, SwiGLU to memory (by the operator's own kernel), dynamic_quant.
  bool Unfused(const ExecOptions& exec, const bench::Memory& values, const bench::Memory& s) {
    Target target{};
    if (!ActiveTarget(&target).ok()) return false;
    const auto& kernels = swiglu::GetSwigluKernels(target, DType::kFloat32);
    const int32_t* x = reinterpret_cast<const int32_t*>(x_.data());
    float* v = reinterpret_cast<float*>(values.data());
    float* to = reinterpret_cast<float*>(s.data());
    const int64_t rows_of_group = c_.rows / c_.groups;
    const auto group = [&](int64_t r) { return std::min(r / rows_of_group, c_.groups - 1); };
    for (int64_t r = 0; r < c_.rows; ++r) {
      Dequantize(x + r * c_.columns, weight_.data() + group(r) * c_.columns, activation_[static_cast<size_t>(r)],
                 c_.columns, v + r * c_.columns);
    }
    swiglu::Piece piece{};
    piece.smooth_mask = -1;
    piece.n = h_;
    for (int64_t r = 0; r < c_.rows; ++r) {
      piece.act = v + r * c_.columns;
      piece.lin = v + r * c_.columns + h_;
      piece.smooth = smooth_.data() + group(r) * h_;
      piece.s = to + r * h_;
      kernels.swiglu[0][0](piece);
    }
    DynamicQuantArgs quant;
    quant.x = ConstTensorView(to, DType::kFloat32, {c_.rows, h_});
    quant.symmetric = true;
    quant.y = args_.y;
    quant.scale = args_.scale;
    return DynamicQuant(quant, exec).ok();
  }

 private:
#if defined(__x86_64__)
  __attribute__((target("avx512f"))) static void DequantizeAvx512(const int32_t* x, const float* weight, float row,
                                                                  int64_t n, float* to) {
    const __m512 scale = _mm512_set1_ps(row);
    for (int64_t i = 0; i + 16 <= n; i += 16) {
      // Masked, because g++ 12 warns of the other form.
      const __m512 v = _mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_loadu_si512(x + i));
      _mm512_storeu_ps(to + i, _mm512_mul_ps(_mm512_mul_ps(v, _mm512_loadu_ps(weight + i)), scale));
    }
  }
#endif
  static void Dequantize(const int32_t* x, const float* weight, float row, int64_t n, float* to) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && n % 16 == 0) return DequantizeAvx512(x, weight, row, n, to);
#endif
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(x[i]) * weight[i] * row;
  }

  const Case c_;
  const int64_t h_;
  bench::Memory x_, y_;
  std::vector<float> scale_, weight_, activation_, smooth_;
  std::vector<int64_t> counts_;
  DequantSwigluQuantArgs args_;
};

void Run(benchmark::State& state, const Case& c) {
  Problem problem(c);
  ExecOptions exec;
  if (c.threads == 1) exec.parallel = &SerialFor();
  exec.stores = c.stores;
  const int64_t results = c.rows * c.columns / 2;
  const bool streaming = c.stores == Stores::kStreaming || (c.stores == Stores::kAuto && results > 8 * 1024 * 1024);
  if (!c.unfused) {
    bench::MeasureBesideCopy(
        state, problem.x(), problem.y(), results,
        [&] {
          if (!DequantSwigluQuant(problem.args(), exec).ok()) state.SkipWithError("dequant_swiglu_quant failed");
        },
        streaming);
    return;
  }
  // Beside the fused operator instead of a copy: of_copy says how many times faster it is.
  const bench::Memory values(c.rows * c.columns * 4), s(results * 4);
  bench::MeasureBeside(
      state, problem.x().size() + problem.y().size(), results,
      [&] {
        if (!DequantSwigluQuant(problem.args(), exec).ok()) state.SkipWithError("dequant_swiglu_quant failed");
      },
      [&] {
        if (!problem.Unfused(exec, values, s)) state.SkipWithError("the steps failed");
      });
  state.counters["times_unfused"] = state.counters["of_copy"];
  state.counters.erase("of_copy");
}

void Add(const Case& c) {
  std::string name =
      fmt::format("dequant_swiglu_quant/{}x{}/{}/groups:{}/{}/{}/{}", c.rows, c.columns, Name(c.dtype), c.groups,
                  Name(c.format), c.dynamic ? "dynamic" : "static", c.threads == 1 ? "1" : "threads");
  if (c.mode != SwigluMode::kSwish) name += fmt::format("/mode:{}", static_cast<int>(c.mode));
  if (c.deviation != 2) name += fmt::format("/deviation:{}", c.deviation);
  if (c.unfused) name += "/over_three_steps";
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  // The last is 36864 over eight machines.
  constexpr int64_t kShapes[][2] = {{1, 4096}, {64, 4096}, {4608, 2048}, {4096, 14336}, {8192, 4608}};
  for (const auto& [rows, columns] : kShapes) {
    for (const DType dtype : {DType::kInt32, DType::kBFloat16}) {
      for (const int64_t groups : {1, 8, 64}) {
        if (groups <= rows) Add({rows, columns, groups, dtype});
      }
      if (rows > 1) Add({rows, columns, 8, dtype, 0});
      if (rows <= 4096) Add({rows, columns, 1, dtype, 1, false});
    }
    for (const Format format : {Format::kFloat8E4M3FN, Format::kHiFloat8}) {
      Add({rows, columns, 1, DType::kInt32, 1, true, format});
    }
    Add({rows, columns, 1, DType::kInt32, 1, true, Format::kInt8, SwigluMode::kSwish, 2, true});
  }
  for (const SwigluMode mode : {SwigluMode::kClampedInterleaved, SwigluMode::kClamped}) {
    for (const DType dtype : {DType::kInt32, DType::kBFloat16}) {
      Add({64, 4096, 1, dtype, 1, true, Format::kInt8, mode});
    }
  }
  for (const float deviation : {40.0f, 80.0f}) {
    for (const DType dtype : {DType::kInt32, DType::kBFloat16}) {
      Add({64, 4096, 1, dtype, 1, true, Format::kInt8, SwigluMode::kSwish, deviation});
      Add({4608, 2048, 8, dtype, 1, true, Format::kInt8, SwigluMode::kSwish, deviation});
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant
