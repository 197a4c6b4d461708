// dynamic_quant in parts: statistics, parameters from them, codes with those, byte for byte what one call gives; also
// when statistics come from pieces of the tensor, as they do when it is spread over machines.
#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/params/params.h"
#include "kvant/testing/check_dynamic_quant.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::kFloats;
using testing::kFormats;
using testing::Layout;
using testing::OneIn;
using testing::Rng;
using testing::RowwiseProblem;
using testing::ScopedTarget;
using testing::Shape;
using testing::Statistics;
using testing::TestTensor;
using testing::Uniform;

// Statistics as tensors: min and max, or amax in `max`.
struct StatisticTensors {
  TestTensor min, max;
  StatisticTensors(const RowwiseProblem& p, Rng& rng)
      : min(DType::kFloat32, p.ParamShape(), rng), max(DType::kFloat32, p.ParamShape(), rng) {}
};

Status Measure(RowStatsArgs args, bool symmetric, StatisticTensors& out) {
  if (symmetric) {
    args.amax = out.max.view();
    return RowAmax(args);
  }
  args.min = out.min.view();
  args.max = out.max.view();
  return RowMinMax(args);
}

// Parameters go into p.scale and p.offset.
Status Finish(RowwiseProblem& p, StatisticTensors& s) {
  if (p.symmetric) return ParamsFromAmax({s.max.view(), p.format, p.dst_type_max, p.scale.view()});
  return ParamsFromMinMax({s.min.view(), s.max.view(), p.format, p.dst_type_max, p.scale.view(), p.offset->view()});
}

TEST(Parts, GiveTheBytesOfDynamicQuant) {
  Rng rng(1);
  const int rounds = SlowMachine() ? 150 : 1200;
  for (int i = 0; i < rounds; ++i) {
    const int64_t budget = OneIn(rng, 40) ? 150000 : OneIn(rng, 3) ? 20000 : 3000;
    RowwiseProblem whole =
        RandomProblem(rng, kFormats[static_cast<size_t>(i) % 5], kFloats[static_cast<size_t>(i) / 5 % 3],
                      testing::RandomShape(rng, Uniform(rng, 1, 5), budget), OneIn(rng, 2));
    RowwiseProblem parts = whole;
    StatisticTensors statistics(parts, rng);
    for (const Target target : SupportedTargets()) {
      const ScopedTarget scoped(target);
      whole.Reset();
      parts.Reset();
      const auto run = [&]() -> Status {
        KVANT_RETURN_IF_ERROR(DynamicQuant(whole.DynamicArgs()));
        KVANT_RETURN_IF_ERROR(Measure(parts.StatsArgs(), parts.symmetric, statistics));
        KVANT_RETURN_IF_ERROR(Finish(parts, statistics));
        return QuantizeWithParams(parts.QuantizeArgs());
      };
      const Status status = run();
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_EQ(parts.scale.Bytes(), whole.scale.Bytes()) << Name(target) << " " << whole.Describe();
      if (whole.offset) {
        ASSERT_EQ(parts.offset->Bytes(), whole.offset->Bytes()) << Name(target) << " " << whole.Describe();
      }
      ASSERT_EQ(parts.y.Bytes(), whole.y.Bytes()) << Name(target) << " " << whole.Describe();
    }
  }
}

// Elements [from, from + n) of dimension d, counted from the end.
template <class View>
View Slice(const View& v, int d, int64_t from, int64_t n) {
  Shape shape(v.shape().begin(), v.shape().end());
  const auto axis = static_cast<size_t>(int64_t{v.rank()} + d);
  shape[axis] = n;
  auto* data = static_cast<std::conditional_t<std::is_same_v<View, TensorView>, char*, const char*>>(v.data());
  return View(data + from * v.stride(d) * ByteSize(v.dtype()), v.dtype(), shape, v.strides());
}

// Both pieces of a tensor that is cut along what is reduced: the last dimension, perchannel the one before it. Each
// piece knows its own statistics; merged, they make the parameters with which each encodes its own codes.
TEST(Parts, GiveTheBytesOfDynamicQuantWhenTheTensorIsCut) {
  Rng rng(2);
  for (int i = 0; i < 600; ++i) {
    const Shape shape = {Uniform(rng, 1, 5), Uniform(rng, 2, 9), 8 * Uniform(rng, 2, 60)};
    RowwiseProblem p = RandomProblem(rng, kFormats[static_cast<size_t>(i) % 5], kFloats[static_cast<size_t>(i) / 5 % 3],
                                     shape, OneIn(rng, 2));
    p.group_size = 0;
    p.MakeOutputs(p.y.dtype(), Layout::kContiguous, Layout::kContiguous, rng);
    FillX(p, rng);
    ASSERT_EQ(CheckDynamicQuant(p, p.Expect()), "");
    const std::vector<uint8_t> codes = p.Codes();
    const std::vector<uint8_t> scale = p.scale.Bytes(), offset = p.offset ? p.offset->Bytes() : scale;

    const bool channels = p.mode == QuantMode::kPerChannel;
    const int axis = channels ? -2 : -1;
    const int64_t length = shape[channels ? 1 : 2];
    // Codes of INT4 are cut where storage elements end.
    const int64_t step = channels ? 1 : CodesPerElement(p.format, p.y.dtype());
    const int64_t cut = Uniform(rng, 1, length / step - 1) * step;
    const auto pieces = [&](const auto& f) {
      f(0, cut);
      f(cut, length - cut);
    };
    std::vector<Statistics> merged(static_cast<size_t>(p.params()));
    pieces([&](int64_t from, int64_t n) {
      RowStatsArgs args = p.StatsArgs();
      args.x = Slice(args.x, axis, from, n);
      if (p.smooth) args.smooth_scales = Slice(args.smooth_scales, -1, from, n);
      StatisticTensors part(p, rng);
      const Status status = Measure(args, p.symmetric, part);
      ASSERT_TRUE(status.ok()) << status.message();
      for (size_t k = 0; k < merged.size(); ++k) {
        if (!p.symmetric) merged[k].Add(part.min.Get<float>(static_cast<int64_t>(k)));
        merged[k].Add(part.max.Get<float>(static_cast<int64_t>(k)));
      }
    });
    StatisticTensors whole(p, rng);
    for (size_t k = 0; k < merged.size(); ++k) {
      whole.min.Set(static_cast<int64_t>(k), merged[k].min);
      whole.max.Set(static_cast<int64_t>(k), p.symmetric ? merged[k].amax : merged[k].max);
    }
    p.Reset();
    ASSERT_TRUE(Finish(p, whole).ok());
    EXPECT_EQ(p.scale.Bytes(), scale) << p.Describe();
    EXPECT_EQ(p.offset ? p.offset->Bytes() : scale, offset) << p.Describe();
    pieces([&](int64_t from, int64_t n) {
      QuantizeWithParamsArgs args = p.QuantizeArgs();
      args.x = Slice(args.x, axis, from, n);
      if (p.smooth) args.smooth_scales = Slice(args.smooth_scales, -1, from, n);
      args.y = Slice(args.y, axis, from / step, n / step);
      const Status status = QuantizeWithParams(args);
      ASSERT_TRUE(status.ok()) << status.message();
    });
    ASSERT_EQ(p.Codes(), codes) << p.Describe() << " cut at " << cut;
  }
}

// g = H is g = 0 but for the shape.
TEST(Parts, OneGroupIsTheWholeRow) {
  Rng rng(3);
  for (int i = 0; i < 60; ++i) {
    const Format format = i % 2 == 0 ? Format::kInt8 : Format::kInt4;
    RowwiseProblem row =
        RandomProblem(rng, format, kFloats[static_cast<size_t>(i) % 3], {7, 2 * Uniform(rng, 1, 700)}, false);
    row.mode = QuantMode::kPerToken;
    row.smooth.reset();
    row.group_index.reset();
    row.group_size = 0;
    row.MakeOutputs(rng);
    FillX(row, rng);
    RowwiseProblem group = row;
    group.group_size = group.x.shape()[1];
    group.MakeOutputs(rng);
    ASSERT_EQ(CheckDynamicQuant(row, row.Expect()), "");
    ASSERT_EQ(CheckDynamicQuant(group, group.Expect()), "");
    EXPECT_EQ(group.y.Bytes(), row.y.Bytes());
    EXPECT_EQ(group.scale.Bytes(), row.scale.Bytes());
  }
}

}  // namespace
}  // namespace kvant
