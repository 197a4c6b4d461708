// Every check of the inputs and attributes, with its exact text.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "kvant/testing/rules_test_util.h"

namespace kvant {
namespace {

using testing::DynamicQuantRulesTest;
using testing::Shape;

class DynamicQuantRules : public DynamicQuantRulesTest {};

TEST_F(DynamicQuantRules, ThePlainCallIsLegal) {
  const Status status = DynamicQuant(p_.DynamicArgs());
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_FALSE(p_.y.Untouched());  // so NothingWritten() can tell
  EXPECT_FALSE(p_.scale.Untouched());
  EXPECT_FALSE(p_.offset->Untouched());
}

TEST_F(DynamicQuantRules, X) {
  FailsEarly(kValue, "x is missing", [](auto& a) { a.x = {}; });
  FailsEarly(kValue, "x has no dimensions, expected at least 1",
             [&](auto& a) { a.x = ConstTensorView(m_, DType::kFloat16, {}); });
  FailsEarly(kValue, "x has 33 dimensions, at most 32 are supported",
             [&](auto& a) { a.x = ConstTensorView(m_, DType::kFloat16, Shape(33, 1)); });
  FailsEarly(kValue, "x has 3 dimensions, but 2 strides", [&](auto& a) {
    a.x = ConstTensorView(m_, DType::kFloat16, {2, 3, 8}, {24, 8});
  });
  FailsEarly(kValue, "x has shape [4611686018427387904, 16], at most 2^52 elements are supported", [&](auto& a) {
    a.x = ConstTensorView(m_, DType::kFloat16, {int64_t{1} << 62, 16}, {0, 0});
  });
  FailsEarly(kValue, "x.shape[1] is -3, a size cannot be negative", [&](auto& a) {
    a.x = ConstTensorView(m_, DType::kFloat16, {2, -3, 8});
  });
  Fails(kValue, "x is on a CUDA device, expected a CPU tensor", [](auto& a) { a.x = OnCuda(a.x); });
  FailsEarly(kValue, "x has shape [2, 3, 8] but no memory", [](auto& a) {
    a.x = ConstTensorView(nullptr, DType::kFloat16, {2, 3, 8});
  });
  for (const DType dtype :
       {DType::kInt8, DType::kUInt8, DType::kInt32, DType::kInt64, DType::kFloat8E4M3FN, DType::kFloat8E5M2}) {
    FailsEarly(kType, "x is " + std::string(Name(dtype)) + ", expected float16, bfloat16 or float32", [&](auto& a) {
      a.x = ConstTensorView(m_, dtype, {2, 3, 8});
    });
  }
  FailsEarly(kValue, "x has shape [8], quant_mode perchannel needs at least 2 dimensions", [&](auto& a) {
    a.x = ConstTensorView(m_, DType::kFloat16, {8});
    a.quant_mode = QuantMode::kPerChannel;
  });
}

TEST_F(DynamicQuantRules, GroupSize) {
  for (const QuantMode mode : {QuantMode::kPerTensor, QuantMode::kPerChannel}) {
    FailsEarly(kValue, "group_size is 4, but quant_mode is " + std::string(Name(mode)) + ": groups are for pertoken",
               [&](auto& a) {
                 a.group_size = 4;
                 a.quant_mode = mode;
               });
  }
  FailsEarly(kValue, "group_size is 3, which does not divide x.shape[-1] = 8", [](auto& a) { a.group_size = 3; });
  FailsEarly(kValue, "group_size is 16, which does not divide x.shape[-1] = 8", [](auto& a) { a.group_size = 16; });
  FailsEarly(kValue, "group_size is -4, which does not divide x.shape[-1] = 8", [](auto& a) { a.group_size = -4; });
  for (const Format format : {Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8}) {
    FailsEarly(kValue,
               "group_size is 4, but dst_type is " + std::string(Name(format)) + ": groups are for int8 and int4",
               [&](auto& a) {
                 a.group_size = 4;
                 a.dst_type = format;
               });
  }
  FailsEarly(kValue, "group_size is 3, int4 packs pairs and needs an even one", [&](auto& a) {
    a.x = ConstTensorView(m_, DType::kFloat16, {2, 3, 6});
    a.group_size = 3;
    a.dst_type = Format::kInt4;
  });
}

TEST_F(DynamicQuantRules, Int4NeedsPairs) {
  FailsEarly(kValue, "x.shape[-1] is 7, int4 packs pairs and needs an even one", [&](auto& a) {
    a.x = ConstTensorView(m_, DType::kFloat16, {2, 3, 7});
    a.dst_type = Format::kInt4;
  });
}

TEST_F(DynamicQuantRules, DstTypeMax) {
  for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kFloat8E5M2}) {
    FailsEarly(kValue, "dst_type_max is 15, but dst_type is " + std::string(Name(format)) + ": it is for hifloat8",
               [&](auto& a) {
                 a.dst_type = format;
                 a.dst_type_max = 15;
               });
  }
  const auto with = [](double max) {
    return [max](DynamicQuantArgs& a) {
      a.dst_type = Format::kHiFloat8;
      a.dst_type_max = max;
    };
  };
  FailsEarly(kValue, "dst_type_max is -1, expected 0 to 32768", with(-1));
  FailsEarly(kValue, "dst_type_max is 32769, expected 0 to 32768", with(32769));
  FailsEarly(kValue, "dst_type_max is inf, expected 0 to 32768", with(std::numeric_limits<double>::infinity()));
  FailsEarly(kValue, "dst_type_max is nan, expected 0 to 32768", with(std::numeric_limits<double>::quiet_NaN()));
}

TEST_F(DynamicQuantRules, SmoothScales) {
  const auto smooth = [&](DType dtype, const Shape& shape) {
    return [this, dtype, shape](DynamicQuantArgs& a) { a.smooth_scales = ConstTensorView(m_, dtype, shape); };
  };
  const DType f = DType::kFloat32;
  FailsEarly(kValue, "smooth_scales has shape [7], expected [8] to match x.shape[-1]", smooth(f, {7}));
  FailsEarly(kValue, "smooth_scales has shape [], expected [8] to match x.shape[-1]", smooth(f, {}));
  FailsEarly(kValue, "smooth_scales has shape [1, 1, 8], expected [8] to match x.shape[-1]", smooth(f, {1, 1, 8}));
  FailsEarly(kValue, "smooth_scales has shape [2, 8], which needs a group_index; without one it is [8]",
             smooth(f, {2, 8}));
  FailsEarly(kType, "smooth_scales is int32, expected float16, bfloat16 or float32", smooth(DType::kInt32, {8}));
  FailsEarly(kValue, "smooth_scales.shape[0] is -8, a size cannot be negative", smooth(f, {-8}));
  FailsEarly(kValue, "smooth_scales has 40 dimensions, at most 32 are supported", smooth(f, Shape(40, 1)));
  FailsEarly(kValue, "smooth_scales has shape [8] but no memory",
             [](auto& a) { a.smooth_scales = ConstTensorView(nullptr, DType::kFloat16, {8}); });
  Fails(kValue, "smooth_scales is on a CUDA device, expected a CPU tensor",
        [&](auto& a) { a.smooth_scales = OnCuda(ConstTensorView(m_, DType::kFloat16, {8})); });
  FailsEarly(kValue, "smooth_scales has shape [8], expected [3] to match x.shape[-2]", [&](auto& a) {
    a.smooth_scales = ConstTensorView(m_, DType::kFloat16, {8});
    a.quant_mode = QuantMode::kPerChannel;
  });
  FailsEarly(kValue, "smooth_scales has shape [2, 3], expected [3] to match x.shape[-2]", [&](auto& a) {
    a.smooth_scales = ConstTensorView(m_, DType::kFloat16, {2, 3});
    a.quant_mode = QuantMode::kPerChannel;
  });
}

TEST_F(DynamicQuantRules, GroupIndex) {
  const auto with = [&](const ConstTensorView& groups, const Shape& smooth) {
    return [this, groups, smooth](DynamicQuantArgs& a) {
      a.group_index = groups;
      a.smooth_scales = ConstTensorView(m_, DType::kFloat32, smooth);
    };
  };
  const ConstTensorView two(m_, DType::kInt32, {2});
  FailsEarly(kValue, "group_index needs smooth_scales of shape [2, 8]", [&](auto& a) { a.group_index = two; });
  const std::string columns = ": a row for each element of group_index, a column for each of x";
  FailsEarly(kValue, "smooth_scales has shape [8], expected [2, 8]" + columns, with(two, {8}));
  FailsEarly(kValue, "smooth_scales has shape [3, 8], expected [2, 8]" + columns, with(two, {3, 8}));
  FailsEarly(kValue, "smooth_scales has shape [2, 7], expected [2, 8]" + columns, with(two, {2, 7}));
  FailsEarly(kType, "group_index is float32, expected int32 or int64",
             with(ConstTensorView(m_, DType::kFloat32, {2}), {2, 8}));
  FailsEarly(kValue, "group_index has shape [2, 1], expected one dimension",
             with(ConstTensorView(m_, DType::kInt64, {2, 1}), {2, 8}));
  FailsEarly(kValue, "group_index has shape [], expected one dimension",
             with(ConstTensorView(m_, DType::kInt64, {}), {2, 8}));
  Fails(kValue, "group_index is on a CUDA device, expected a CPU tensor", with(OnCuda(two), {2, 8}));
  FailsEarly(kValue, "group_index has shape [2] but no memory",
             with(ConstTensorView(nullptr, DType::kInt64, {2}), {2, 8}));
  FailsEarly(kValue, "group_index.shape[0] is -2, a size cannot be negative",
             with(ConstTensorView(m_, DType::kInt64, {-2}), {2, 8}));
  FailsEarly(kValue, "group_index has 33 dimensions, at most 32 are supported",
             with(ConstTensorView(m_, DType::kInt64, Shape(33, 1)), {2, 8}));
  FailsEarly(kValue, "group_index cannot be used with quant_mode perchannel", [&](auto& a) {
    with(two, {2, 8})(a);
    a.quant_mode = QuantMode::kPerChannel;
  });
}

TEST_F(DynamicQuantRules, GroupIndexValues) {
  const auto ends = [&](const std::vector<int64_t>& values) {
    return [this, values](DynamicQuantArgs& a) {
      int64_t* const data = reinterpret_cast<int64_t*>(m_);
      std::copy(values.begin(), values.end(), data);
      const auto n = static_cast<int64_t>(values.size());
      a.group_index = ConstTensorView(data, DType::kInt64, {n});
      a.smooth_scales = ConstTensorView(memory_ + 64, DType::kFloat16, {n, 8});
    };
  };
  Fails(kRange, "group_index[0] is -1, outside the 0..6 rows of x", ends({-1, 6}));
  Fails(kRange, "group_index[1] is 7, outside the 0..6 rows of x", ends({2, 7}));
  Fails(kRange, "group_index[1] is 4294967302, outside the 0..6 rows of x", ends({2, 4294967302}));
  Fails(kRange, "group_index[2] is 3, but group_index[1] is 4: cumulative end rows cannot decrease",
        ends({0, 4, 3, 6}));
  Fails(kRange, "group_index[1] is 5, the last end, but x has 6 rows", ends({2, 5}));
  Fails(kRange, "group_index is empty, but x has 6 rows", ends({}));
  Fails(kRange, "group_index[0] is 0, the last end, but x has 1 row", [&](auto& a) {
    ends({0})(a);
    a.x = ConstTensorView(memory_ + 128, DType::kFloat16, {8});
    a.y = TensorView(p_.y.view().data(), DType::kInt8, {8});
    a.scale = TensorView(p_.scale.view().data(), DType::kFloat32, {});
    a.offset = TensorView(p_.offset->view().data(), DType::kFloat32, {});
  });
  // What decides is checked, not only the first and last: pertensor reads group_index as well.
  Fails(kRange, "group_index[1] is 9, outside the 0..6 rows of x", [&](auto& a) {
    ends({1, 9, 6})(a);
    a.quant_mode = QuantMode::kPerTensor;
    a.scale = TensorView(p_.scale.view().data(), DType::kFloat32, {1});
    a.offset = TensorView(p_.offset->view().data(), DType::kFloat32, {1});
  });
}

TEST_F(DynamicQuantRules, OneErrorIsReportedAndItIsTheFirst) {
  Fails(kValue, "x is missing", [](auto& a) { a = {}; });
}

}  // namespace
}  // namespace kvant
