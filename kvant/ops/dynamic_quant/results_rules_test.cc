// Every check of the results, with its exact text.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/testing/rules_test_util.h"

namespace kvant {
namespace {

using testing::DynamicQuantRulesTest;
using testing::RowwiseProblem;
using testing::Shape;

class DynamicQuantResultsRules : public DynamicQuantRulesTest {};

TEST_F(DynamicQuantResultsRules, Codes) {
  Fails(kValue, "y is missing", [](auto& a) { a.y = {}; });
  Fails(kValue, "y is on a CUDA device, expected a CPU tensor", [](auto& a) { a.y.set_device(Device::kCuda); });
  Fails(kValue, "y has shape [2, 3, 8] but no memory", [](auto& a) {
    a.y = TensorView(nullptr, DType::kInt8, {2, 3, 8});
  });
  Fails(kValue, "y has shape [2, 3, 9], expected [2, 3, 8]", [](auto& a) {
    a.y = TensorView(a.y.data(), DType::kInt8, {2, 3, 9});
  });
  Fails(kValue, "y has shape [6, 8], expected [2, 3, 8]", [](auto& a) {
    a.y = TensorView(a.y.data(), DType::kInt8, {6, 8});
  });
  const auto stored = [&](Format format, DType dtype, const Shape& shape) {
    return [format, dtype, shape](DynamicQuantArgs& a) {
      a.dst_type = format;
      a.y = TensorView(a.y.data(), dtype, shape);
    };
  };
  const Shape whole = {2, 3, 8};
  Fails(kType, "y is uint8, but codes of int8 are stored as int8", stored(Format::kInt8, DType::kUInt8, whole));
  Fails(kType, "y is int8, but codes of int4 are stored as uint8 or int32",
        stored(Format::kInt4, DType::kInt8, {2, 3, 4}));
  Fails(kType, "y is float8_e5m2, but codes of float8_e4m3fn are stored as float8_e4m3fn or uint8",
        stored(Format::kFloat8E4M3FN, DType::kFloat8E5M2, whole));
  Fails(kType, "y is int8, but codes of float8_e5m2 are stored as float8_e5m2 or uint8",
        stored(Format::kFloat8E5M2, DType::kInt8, whole));
  Fails(kType, "y is int8, but codes of hifloat8 are stored as uint8", stored(Format::kHiFloat8, DType::kInt8, whole));
  Fails(kValue, "y has shape [2, 3, 8], expected [2, 3, 4]", stored(Format::kInt4, DType::kUInt8, whole));
  Fails(kValue, "y has shape [2, 3, 2], expected [2, 3, 1]", stored(Format::kInt4, DType::kInt32, {2, 3, 2}));
  Fails(kValue, "x.shape[-1] is 4, but int32 holds 8 codes of int4 in an element", [&](auto& a) {
    stored(Format::kInt4, DType::kInt32, {2, 6, 1})(a);
    a.x = ConstTensorView(a.x.data(), DType::kFloat16, {2, 6, 4});
  });
  Fails(kValue, "y has stride 2 in its packed last dimension, expected 1", [](auto& a) {
    a.dst_type = Format::kInt4;
    a.y = TensorView(a.y.data(), DType::kUInt8, {2, 3, 4}, {24, 8, 2});
  });
}

TEST_F(DynamicQuantResultsRules, ScaleAndOffset) {
  for (const bool is_scale : {true, false}) {
    const std::string name = is_scale ? "scale" : "offset";
    const auto with = [&](const std::function<void(TensorView&)>& change) {
      return [=](DynamicQuantArgs& a) { change(is_scale ? a.scale : a.offset); };
    };
    Fails(kValue, name + " is missing", with([](auto& t) { t = {}; }));
    Fails(kValue, name + " is on a CUDA device, expected a CPU tensor",
          with([](auto& t) { t.set_device(Device::kCuda); }));
    Fails(kValue, name + " has shape [2, 3] but no memory", with([](auto& t) {
            t = TensorView(nullptr, DType::kFloat32, {2, 3});
          }));
    Fails(kType, name + " is float16, expected float32", with([](auto& t) {
            t = TensorView(t.data(), DType::kFloat16, {2, 3});
          }));
    Fails(kValue, name + " has shape [6], expected [2, 3]",
          with([](auto& t) { t = TensorView(t.data(), DType::kFloat32, {6}); }));
    Fails(kValue, name + " has shape [2, 3, 1], expected [2, 3]", with([](auto& t) {
            t = TensorView(t.data(), DType::kFloat32, {2, 3, 1});
          }));
  }
  Fails(kValue, "offset was given, but symmetric quantization has none", [](auto& a) { a.symmetric = true; });
  Fails(kValue, "scale has shape [2, 3], expected [1]", [](auto& a) { a.quant_mode = QuantMode::kPerTensor; });
  Fails(kValue, "scale has shape [2, 3], expected [2, 8]", [](auto& a) { a.quant_mode = QuantMode::kPerChannel; });
  Fails(kValue, "scale has shape [2, 3], expected [2, 3, 2]", [](auto& a) { a.group_size = 4; });
}

TEST_F(DynamicQuantResultsRules, Overlap) {
  Fails(kValue, "elements of y share memory: shape [2, 3, 8], strides [0, 8, 1]", [](auto& a) {
    a.y = TensorView(a.y.data(), DType::kInt8, {2, 3, 8}, {0, 8, 1});
  });
  Fails(kValue, "elements of scale share memory: shape [2, 3], strides [2, 1]", [](auto& a) {
    a.scale = TensorView(a.scale.data(), DType::kFloat32, {2, 3}, {2, 1});
  });
  Fails(kValue, "elements of scale share memory: shape [2, 3], strides [4611686018427387904, 1]", [](auto& a) {
    a.scale = TensorView(a.scale.data(), DType::kFloat32, {2, 3}, {int64_t{1} << 62, 1});  // 2^64 bytes from row to row
  });
  Fails(kValue, "elements of offset share memory: shape [2, 3], strides [1, 1]", [](auto& a) {
    a.offset = TensorView(a.offset.data(), DType::kFloat32, {2, 3}, {1, 1});
  });
  Fails(kValue, "y and scale share memory", [](auto& a) { a.scale = TensorView(a.y.data(), DType::kFloat32, {2, 3}); });
  Fails(kValue, "y and offset share memory", [](auto& a) {
    a.offset = TensorView(a.y.data(), DType::kFloat32, {2, 3});
  });
  Fails(kValue, "scale and offset share memory", [](auto& a) { a.offset = a.scale; });
  Fails(kValue, "x and y share memory", [](auto& a) {
    a.y = TensorView(static_cast<char*>(const_cast<void*>(a.x.data())) + 95, DType::kInt8, {2, 3, 8});
  });
  Fails(kValue, "x and scale share memory", [](auto& a) {
    a.scale = TensorView(const_cast<void*>(a.x.data()), DType::kFloat32, {2, 3});
  });
  Fails(kValue, "x and offset share memory", [](auto& a) {
    a.offset = TensorView(const_cast<void*>(a.x.data()), DType::kFloat32, {2, 3});
  });
  Fails(kValue, "smooth_scales and y share memory",
        [](auto& a) { a.smooth_scales = ConstTensorView(a.y.data(), DType::kFloat16, {8}); });
  Fails(kValue, "smooth_scales and scale share memory",
        [](auto& a) { a.smooth_scales = ConstTensorView(a.scale.data(), DType::kFloat16, {8}); });
  Fails(kValue, "group_index and offset share memory", [&](auto& a) {
    a.group_index = ConstTensorView(a.offset.data(), DType::kInt32, {2});
    a.smooth_scales = ConstTensorView(m_, DType::kFloat16, {2, 8});
  });
}

// Halves of one buffer touch, and interleave, but do not overlap.
TEST_F(DynamicQuantResultsRules, InterleavedResultsAreLegal) {
  float both[2][3][2];
  DynamicQuantArgs args = p_.DynamicArgs();
  args.scale = TensorView(&both[0][0][0], DType::kFloat32, {2, 3}, {6, 2});
  args.offset = TensorView(&both[0][0][1], DType::kFloat32, {2, 3}, {6, 2});
  const Status status = DynamicQuant(args);
  ASSERT_TRUE(status.ok()) << status.message();
  const RowwiseProblem::Expected expected = p_.Expect();
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(both[i / 3][i % 3][0], expected.params[static_cast<size_t>(i)].scale);
    EXPECT_EQ(both[i / 3][i % 3][1], expected.params[static_cast<size_t>(i)].offset);
  }
}

}  // namespace
}  // namespace kvant
