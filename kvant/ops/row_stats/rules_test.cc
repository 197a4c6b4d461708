// Every check, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/numerics/test_util.h"
#include "kvant/testing/rowwise_problem.h"
#include "kvant/testing/status_codes.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

class RowStatsRules : public ::testing::Test {
 protected:
  RowStatsRules()
      : x_(DType::kFloat16, {2, 3, 8}, rng_),
        min_(DType::kFloat32, {2, 3}, rng_),
        max_(DType::kFloat32, {2, 3}, rng_),
        amax_(DType::kFloat32, {2, 3}, rng_) {}

  RowStatsArgs Args() {
    RowStatsArgs args;
    args.x = x_.view();
    args.min = min_.view();
    args.max = max_.view();
    args.amax = amax_.view();
    return args;
  }
  using Change = std::function<void(RowStatsArgs&)>;
  void ExpectFailure(const Status& status, StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_EQ(status.message(), text);
    EXPECT_TRUE(x_.Untouched() && min_.Untouched() && max_.Untouched() && amax_.Untouched()) << text;
  }
  void MinMaxFails(StatusCode code, const std::string& text, const Change& change) {
    RowStatsArgs args = Args();
    change(args);
    ExpectFailure(RowMinMax(args), code, "row_minmax: " + text);
  }
  void AmaxFails(StatusCode code, const std::string& text, const Change& change) {
    RowStatsArgs args = Args();
    change(args);
    ExpectFailure(RowAmax(args), code, "row_amax: " + text);
  }
  // What concerns the inputs is the same for both functions, and for the shapes.
  void AllFail(StatusCode code, const std::string& text, const Change& change) {
    MinMaxFails(code, text, change);
    AmaxFails(code, text, change);
    RowStatsArgs args = Args();
    change(args);
    TensorSpec spec;
    ExpectFailure(InferRowStats(args, &spec), code, "row_stats: " + text);
  }

  Rng rng_{1};
  TestTensor x_, min_, max_, amax_;
  uint64_t memory_[64] = {};
};

TEST_F(RowStatsRules, ThePlainCallsAreLegal) {
  EXPECT_TRUE(RowMinMax(Args()).ok());
  EXPECT_FALSE(min_.Untouched());
  EXPECT_FALSE(max_.Untouched());
  EXPECT_TRUE(amax_.Untouched());
  min_.Reset();
  max_.Reset();
  EXPECT_TRUE(RowAmax(Args()).ok());
  EXPECT_FALSE(amax_.Untouched());
  EXPECT_TRUE(min_.Untouched() && max_.Untouched());
}

TEST_F(RowStatsRules, Inputs) {
  AllFail(kValue, "x is missing", [](auto& a) { a.x = {}; });
  AllFail(kType, "x is int8, expected float16, bfloat16 or float32", [&](auto& a) {
    a.x = ConstTensorView(memory_, DType::kInt8, {2, 3, 8});
  });
  AllFail(kValue, "x has no dimensions, expected at least 1",
          [&](auto& a) { a.x = ConstTensorView(memory_, DType::kFloat16, {}); });
  AllFail(kValue, "x has shape [8], quant_mode perchannel needs at least 2 dimensions", [&](auto& a) {
    a.x = ConstTensorView(memory_, DType::kFloat16, {8});
    a.quant_mode = QuantMode::kPerChannel;
  });
  AllFail(kValue, "group_size is 3, which does not divide x.shape[-1] = 8", [](auto& a) { a.group_size = 3; });
  AllFail(kValue, "group_size is 4, but quant_mode is pertensor: groups are for pertoken", [](auto& a) {
    a.group_size = 4;
    a.quant_mode = QuantMode::kPerTensor;
  });
  AllFail(kValue, "smooth_scales has shape [3], expected [8] to match x.shape[-1]",
          [&](auto& a) { a.smooth_scales = ConstTensorView(memory_, DType::kFloat32, {3}); });
  AllFail(kValue, "group_index needs smooth_scales of shape [2, 8]",
          [&](auto& a) { a.group_index = ConstTensorView(memory_, DType::kInt64, {2}); });
}

TEST_F(RowStatsRules, GroupIndexValues) {
  const int64_t ends[] = {4, 3, 6};
  const Change change = [&](RowStatsArgs& a) {
    a.group_index = ConstTensorView(ends, DType::kInt64, {3});
    a.smooth_scales = ConstTensorView(memory_, DType::kFloat16, {3, 8});
  };
  const std::string text = "group_index[1] is 3, but group_index[0] is 4: cumulative end rows cannot decrease";
  MinMaxFails(StatusCode::kOutOfRange, text, change);
  AmaxFails(StatusCode::kOutOfRange, text, change);
}

TEST_F(RowStatsRules, Results) {
  MinMaxFails(kValue, "min is missing", [](auto& a) { a.min = {}; });
  MinMaxFails(kValue, "max is missing", [](auto& a) { a.max = {}; });
  AmaxFails(kValue, "amax is missing", [](auto& a) { a.amax = {}; });
  const auto other = [](TensorView& t, DType dtype, Shape shape) { t = TensorView(t.data(), dtype, shape); };
  MinMaxFails(kType, "min is float16, expected float32", [&](auto& a) { other(a.min, DType::kFloat16, {2, 3}); });
  MinMaxFails(kType, "max is int32, expected float32", [&](auto& a) { other(a.max, DType::kInt32, {2, 3}); });
  AmaxFails(kType, "amax is bfloat16, expected float32", [&](auto& a) { other(a.amax, DType::kBFloat16, {2, 3}); });
  MinMaxFails(kValue, "min has shape [6], expected [2, 3]", [&](auto& a) { other(a.min, DType::kFloat32, {6}); });
  MinMaxFails(kValue, "max has shape [2, 3], expected [2, 3, 2]", [&](auto& a) {
    other(a.min, DType::kFloat32, {2, 3, 2});
    a.group_size = 4;
  });
  AmaxFails(kValue, "amax has shape [2, 3], expected [1]", [](auto& a) { a.quant_mode = QuantMode::kPerTensor; });
  AmaxFails(kValue, "amax is on a CUDA device, expected a CPU tensor",
            [](auto& a) { a.amax.set_device(Device::kCuda); });
  MinMaxFails(kValue, "max is on a CUDA device, expected a CPU tensor",
              [](auto& a) { a.max.set_device(Device::kCuda); });
}

TEST_F(RowStatsRules, Overlap) {
  MinMaxFails(kValue, "min and max share memory", [](auto& a) { a.max = a.min; });
  MinMaxFails(kValue, "elements of max share memory: shape [2, 3], strides [1, 1]", [](auto& a) {
    a.max = TensorView(a.max.data(), DType::kFloat32, {2, 3}, {1, 1});
  });
  AmaxFails(kValue, "x and amax share memory", [](auto& a) {
    a.amax = TensorView(const_cast<void*>(a.x.data()), DType::kFloat32, {2, 3});
  });
  MinMaxFails(kValue, "smooth_scales and max share memory",
              [](auto& a) { a.smooth_scales = ConstTensorView(a.max.data(), DType::kFloat16, {8}); });
}

TEST_F(RowStatsRules, InferGivesTheShape) {
  RowStatsArgs args;
  args.x = x_.view();
  TensorSpec spec;
  const auto shape = [&] {
    const Status status = InferRowStats(args, &spec);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(spec.dtype, DType::kFloat32);
    return Shape(spec.dims().begin(), spec.dims().end());
  };
  EXPECT_EQ(shape(), (Shape{2, 3}));
  args.group_size = 2;
  EXPECT_EQ(shape(), (Shape{2, 3, 4}));
  args.group_size = 0;
  args.quant_mode = QuantMode::kPerTensor;
  EXPECT_EQ(shape(), (Shape{1}));
  args.quant_mode = QuantMode::kPerChannel;
  EXPECT_EQ(shape(), (Shape{2, 8}));
}

// 2^31 tasks that want 1.7 petabytes of scratch between them; x repeats one element, so it exists.
TEST_F(RowStatsRules, NoMemoryForScratch) {
  if (SlowMachine()) GTEST_SKIP() << "sanitizers end a program that asks for so much";
  const int64_t columns = 100000;
  TestTensor min(DType::kFloat32, {columns}, rng_), max(DType::kFloat32, {columns}, rng_);
  RowStatsArgs args;
  args.x = ConstTensorView(memory_, DType::kFloat16, {int64_t{1} << 34, columns}, {0, 0});
  args.quant_mode = QuantMode::kPerChannel;
  args.min = min.view();
  args.max = max.view();
  ParallelFor many = SerialFor();
  many.num_threads = INT32_MAX;
  const Status status = RowMinMax(args, {&many});
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_EQ(status.message(), "kvant: no memory for a workspace of 1717986917600000 bytes");
  EXPECT_TRUE(min.Untouched() && max.Untouched());
}

}  // namespace
}  // namespace kvant
