// For tests of dequant_swiglu_quant's checks: a legal call, and what has to hold when a change makes it illegal.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_RULES_TEST_UTIL_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_RULES_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {

// x [2, 3, 8], so 6 rows and H = 4.
class DequantSwigluQuantRules : public ::testing::Test {
 protected:
  using Change = std::function<void(DequantSwigluQuantArgs&)>;

  DequantSwigluQuantRules()
      : x_(DType::kInt32, {2, 3, 8}, rng_), y_(DType::kInt8, {2, 3, 4}, rng_), scale_(DType::kFloat32, {2, 3}, rng_) {}

  DequantSwigluQuantArgs Args() {
    DequantSwigluQuantArgs args;
    args.x = x_.view();
    args.y = y_.view();
    args.scale = scale_.view();
    return args;
  }
  // Whatever `change` breaks about inputs and attributes, InferDequantSwigluQuant says the same.
  void InputFails(StatusCode code, const std::string& text, const Change& change) {
    DequantSwigluQuantArgs args = Args();
    change(args);
    args.y = args.scale = {};
    TensorSpec y, scale;
    const Status status = InferDequantSwigluQuant(args, &y, &scale);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "dequant_swiglu_quant: " + text);
    Fails(code, text, change);
  }
  void Fails(StatusCode code, const std::string& text, const Change& change) {
    y_.Reset();
    scale_.Reset();
    DequantSwigluQuantArgs args = Args();
    change(args);
    const Status status = DequantSwigluQuant(args);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "dequant_swiglu_quant: " + text);
    EXPECT_TRUE(x_.Untouched() && y_.Untouched() && scale_.Untouched()) << text;
  }
  void Works(const Change& change) {
    DequantSwigluQuantArgs args = Args();
    change(args);
    const Status status = DequantSwigluQuant(args);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  ConstTensorView Table(DType dtype, const testing::Shape& shape) const { return {memory_, dtype, shape}; }
  ConstTensorView Floats(const testing::Shape& shape) const { return Table(DType::kFloat32, shape); }
  ConstTensorView Groups(const std::vector<int64_t>& values, bool pairs = false) {
    kept_ = values;
    const auto n = static_cast<int64_t>(values.size());
    return {kept_.data(), DType::kInt64, pairs ? testing::Shape{n / 2, 2} : testing::Shape{n}};
  }

  testing::Rng rng_{1};
  testing::TestTensor x_, y_, scale_;
  uint64_t memory_[256] = {};  // for inputs whose contents do not matter
  std::vector<int64_t> kept_;
};

}  // namespace kvant

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_RULES_TEST_UTIL_H_
