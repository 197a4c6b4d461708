// dynamic_quant beside a copy of the same bytes, each moved once.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "kvant/core/visit.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/testing/bench_util.h"

namespace kvant {
namespace {

struct Case {
  int64_t rows, columns;
  DType dtype;
  Format format;
  bool symmetric;
  bench::Way way = {};
  float subnormal_share = 0;
  int64_t group_size = 0;
  QuantMode mode = QuantMode::kPerToken;
  int64_t experts = 0;  // rows of smooth_scales; 0: none
};

void Fill(const Case& c, char* to) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  VisitFloat(c.dtype, [&](auto element) {
    using T = decltype(element);
    T* x = reinterpret_cast<T*>(to);
    for (int64_t i = 0; i < c.rows * c.columns; ++i) {
      const bool tiny = static_cast<float>(random() >> 8) * 0x1p-24f < c.subnormal_share;
      x[i] = FromFloat32<T>(tiny ? 1e-39f : normal(random));
    }
  });
}

void Run(benchmark::State& state, const Case& c) {
  const int64_t elements = c.rows * c.columns, factors = c.experts * c.columns;
  const bench::Memory x(elements * ByteSize(c.dtype) + factors * 4);
  Fill(c, x.data());
  DynamicQuantArgs args;
  args.x = ConstTensorView(x.data(), c.dtype, {c.rows, c.columns});
  args.dst_type = c.format;
  args.symmetric = c.symmetric;
  args.quant_mode = c.mode;
  args.group_size = c.group_size;
  std::vector<int64_t> ends;
  for (int64_t e = 1; e <= c.experts; ++e) ends.push_back(c.rows * e / c.experts);
  float* const smooth = reinterpret_cast<float*>(x.data() + elements * ByteSize(c.dtype));
  std::fill_n(smooth, factors, 1.25f);
  if (c.experts == 1) args.smooth_scales = ConstTensorView(smooth, DType::kFloat32, {c.columns});
  if (c.experts > 1) {
    args.smooth_scales = ConstTensorView(smooth, DType::kFloat32, {c.experts, c.columns});
    args.group_index = ConstTensorView(ends.data(), DType::kInt64, {c.experts});
  }
  DynamicQuantOutputs out;
  if (const Status status = InferDynamicQuant(args, &out); !status.ok()) {
    return state.SkipWithError(status.message().c_str());
  }
  const int64_t codes = out.y.bytes(), params = out.scale.elements();
  // Scales and offsets of groups of 32 are half as many bytes as INT4 codes; those of whole rows are next to nothing.
  const bool counts = c.group_size != 0 || c.mode == QuantMode::kPerChannel;
  const bench::Memory y(codes + (counts ? 2 * params * 4 : 0));
  std::vector<float> apart(counts ? 0 : 2 * params);
  float* const scale = counts ? reinterpret_cast<float*>(y.data() + codes) : apart.data();
  args.y = TensorView(y.data(), out.y.dtype, out.y.dims());
  args.scale = TensorView(scale, DType::kFloat32, out.scale.dims());
  if (!c.symmetric) args.offset = TensorView(scale + params, DType::kFloat32, out.offset.dims());
  bench::MeasureBesideCopy(state, x, y, elements, c.way,
                           [&](const ExecOptions& exec) { return DynamicQuant(args, exec); });
}

void Add(const Case& c) {
  std::string name = fmt::format("dynamic_quant/{}x{}/{}/{}/{}/{}", c.rows, c.columns, Name(c.dtype), Name(c.format),
                                 c.symmetric ? "symmetric" : "asymmetric", Name(c.way));
  if (c.subnormal_share > 0) name += "/subnormals";
  if (c.group_size != 0) name += fmt::format("/group{}", c.group_size);
  if (c.mode != QuantMode::kPerToken) name += fmt::format("/{}", Name(c.mode));
  if (c.experts == 1) name += "/smooth";
  if (c.experts > 1) name += fmt::format("/experts{}", c.experts);
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  constexpr int64_t kShapes[][2] = {{1, 32},      {1, 4096},    {16, 4096},  {128, 7168},
                                    {4096, 4096}, {4096, 7168}, {65536, 128}};
  constexpr struct {
    Format format;
    bool symmetric;
  } kTo[] = {{Format::kInt8, false}, {Format::kInt8, true},         {Format::kInt4, false},
             {Format::kInt4, true},  {Format::kFloat8E4M3FN, true}, {Format::kHiFloat8, true}};
  for (const auto& [rows, columns] : kShapes) {
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
      for (const auto& to : kTo) {
        for (const Stores stores : {Stores::kNormal, Stores::kStreaming}) {
          if (stores == Stores::kStreaming && rows * columns < (1 << 20)) continue;
          Add({rows, columns, dtype, to.format, to.symmetric, {stores}});
        }
        if (rows * columns > 32) Add({rows, columns, dtype, to.format, to.symmetric, {Stores::kNormal, true}});
      }
    }
  }
  for (const int64_t rows : {16, 4096}) {
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
      for (const Format format : {Format::kInt8, Format::kInt4}) {
        for (const int64_t group_size : {32, 64, 128}) {
          Add({rows, 4096, dtype, format, false, {}, 0, group_size});
        }
      }
    }
  }
  Add({16, 4096, DType::kBFloat16, Format::kInt8, false, {}, 0.01f});
  Add({16, 4096, DType::kBFloat16, Format::kInt8, false, {}, 0.5f});
  for (const int64_t rows : {16, 4096}) {
    Add({rows, 4096, DType::kFloat16, Format::kFloat8E5M2, true});
    for (const QuantMode mode : {QuantMode::kPerTensor, QuantMode::kPerChannel}) {
      for (const bool symmetric : {false, true}) {
        Add({rows, 4096, DType::kFloat16, Format::kInt8, symmetric, {}, 0, 0, mode});
      }
    }
    for (const int64_t experts : {1, 8}) {
      Add({rows, 4096, DType::kFloat16, Format::kInt8, true, {}, 0, 0, QuantMode::kPerToken, experts});
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant
