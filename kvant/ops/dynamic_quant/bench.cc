// dynamic_quant beside a copy of the same bytes, like with like: normal stores with a copy by normal stores, streaming
// with streaming.
#include <fmt/format.h>

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
  Stores stores;
  int threads;  // 0: the default pool
  float subnormal_share = 0;
  int64_t group_size = 0;
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
  const int64_t elements = c.rows * c.columns;
  const int64_t params = c.rows * (c.group_size == 0 ? 1 : c.columns / c.group_size);
  const int64_t codes = CodeBytes(c.format, elements), param_bytes = params * 4;
  // Scales and offsets of groups of 32 are half as many bytes as INT4 codes; those of whole rows are next to nothing.
  const bool counts = c.group_size != 0;
  const bench::Memory x(elements * ByteSize(c.dtype)), y(codes + (counts ? 2 * param_bytes : 0));
  Fill(c, x.data());
  std::vector<float> apart(counts ? 0 : 2 * params);
  float* const scale = counts ? reinterpret_cast<float*>(y.data() + codes) : apart.data();
  const auto shape = [&] {
    return counts ? std::vector<int64_t>{c.rows, c.columns / c.group_size} : std::vector<int64_t>{c.rows};
  }();
  DynamicQuantArgs args;
  args.x = ConstTensorView(x.data(), c.dtype, {c.rows, c.columns});
  args.dst_type = c.format;
  args.symmetric = c.symmetric;
  args.y = TensorView(y.data(), StorageType(c.format), {c.rows, c.columns * Info(c.format).bits / 8});
  args.group_size = c.group_size;
  args.scale = TensorView(scale, DType::kFloat32, shape);
  if (!c.symmetric) args.offset = TensorView(scale + params, DType::kFloat32, shape);
  ExecOptions exec;
  if (c.threads == 1) exec.parallel = &SerialFor();
  exec.stores = c.stores;
  bench::MeasureBesideCopy(
      state, x, y, elements,
      [&] {
        if (!DynamicQuant(args, exec).ok()) state.SkipWithError("dynamic_quant failed");
      },
      c.stores == Stores::kStreaming);
}

void Add(const Case& c) {
  std::string name =
      fmt::format("dynamic_quant/{}x{}/{}/{}/{}/{}/{}", c.rows, c.columns, Name(c.dtype), Name(c.format),
                  c.symmetric ? "symmetric" : "asymmetric", c.stores == Stores::kStreaming ? "streaming" : "normal",
                  c.threads == 1 ? "1" : "threads");
  if (c.subnormal_share > 0) name += "/subnormals";
  if (c.group_size != 0) name += fmt::format("/group{}", c.group_size);
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
          Add({rows, columns, dtype, to.format, to.symmetric, stores, 1});
        }
        if (rows * columns > 32) Add({rows, columns, dtype, to.format, to.symmetric, Stores::kNormal, 0});
      }
    }
  }
  for (const int64_t rows : {16, 4096}) {
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
      for (const Format format : {Format::kInt8, Format::kInt4}) {
        for (const int64_t group_size : {32, 64, 128}) {
          Add({rows, 4096, dtype, format, false, Stores::kNormal, 1, 0, group_size});
        }
      }
    }
  }
  Add({16, 4096, DType::kBFloat16, Format::kInt8, false, Stores::kNormal, 1, 0.01f});
  Add({16, 4096, DType::kBFloat16, Format::kInt8, false, Stores::kNormal, 1, 0.5f});
  return true;
}();

}  // namespace
}  // namespace kvant
