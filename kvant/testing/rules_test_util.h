// For tests of dynamic_quant's checks: a legal call, and what has to hold when a change makes it illegal.
#ifndef KVANT_TESTING_RULES_TEST_UTIL_H_
#define KVANT_TESTING_RULES_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "kvant/testing/rowwise_problem.h"
#include "kvant/testing/status_codes.h"

namespace kvant::testing {

// x [2, 3, 8], so that S = 6 and H = 8.
class DynamicQuantRulesTest : public ::testing::Test {
 protected:
  using Change = std::function<void(DynamicQuantArgs&)>;

  DynamicQuantRulesTest() {
    p_.x = TestTensor(DType::kFloat16, {2, 3, 8}, rng_);
    p_.MakeOutputs(rng_);
    p_.x.SetFloats(std::vector<float>(48, 1.5f));
    p_.x.Keep();
  }

  // The call fails so, and has written nothing.
  void Fails(StatusCode code, const std::string& text, const Change& change) {
    p_.Reset();
    DynamicQuantArgs args = p_.DynamicArgs();
    change(args);
    Expect(DynamicQuant(args), code, text);
    EXPECT_TRUE(p_.NothingWritten()) << text;
  }
  // For what is known before any result: InferDynamicQuant says the same.
  void FailsEarly(StatusCode code, const std::string& text, const Change& change) {
    Fails(code, text, change);
    DynamicQuantArgs args = p_.DynamicArgs();
    change(args);
    args.y = args.scale = args.offset = {};
    DynamicQuantOutputs outputs;
    Expect(InferDynamicQuant(args, &outputs), code, text);
  }

  static ConstTensorView OnCuda(ConstTensorView t) {
    t.set_device(Device::kCuda);
    return t;
  }

  Rng rng_{1};
  RowwiseProblem p_;
  uint64_t memory_[512] = {};  // for inputs whose contents do not matter
  void* const m_ = memory_;

 private:
  static void Expect(const Status& status, StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_EQ(status.message(), "dynamic_quant: " + text);
  }
};

}  // namespace kvant::testing

#endif  // KVANT_TESTING_RULES_TEST_UTIL_H_
