// pack_int4 and unpack_int4 beside a copy of the same bytes.
#include <fmt/format.h>

#include "kvant/ops/pack_int4/pack_int4.h"
#include "kvant/testing/bench_util.h"

namespace kvant {
namespace {

struct Case {
  int64_t rows, columns;
  bool unpack;
  bench::Way way = {};
};

void Run(benchmark::State& state, const Case& c) {
  const int64_t elements = c.rows * c.columns;
  const bench::Memory codes(elements), packed(elements / 2);
  for (int64_t i = 0; i < elements; ++i) codes.data()[i] = static_cast<char>(i * 7 % 16 - 8);
  const TensorView wide(codes.data(), DType::kInt8, {c.rows, c.columns});
  const TensorView narrow(packed.data(), DType::kUInt8, {c.rows, c.columns / 2});
  bench::MeasureBesideCopy(state, c.unpack ? packed : codes, c.unpack ? codes : packed, elements, c.way,
                           [&](const ExecOptions& exec) {
                             return c.unpack ? UnpackInt4({narrow, wide}, exec) : PackInt4({wide, narrow}, exec);
                           });
}

void Add(const Case& c) {
  const std::string name =
      fmt::format("{}/{}x{}/{}", c.unpack ? "unpack_int4" : "pack_int4", c.rows, c.columns, Name(c.way));
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  for (const bool unpack : {false, true}) {
    Add({16, 4096, unpack});
    Add({4096, 4096, unpack});
    Add({4096, 4096, unpack, {Stores::kNormal, true}});
  }
  return true;
}();

}  // namespace
}  // namespace kvant
