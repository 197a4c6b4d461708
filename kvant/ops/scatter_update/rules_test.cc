// Every check, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

// self [4, 6, 3], updates [2, 2, 3] at 1 and 4 of axis 1.
class ScatterUpdateRules : public ::testing::Test {
 protected:
  ScatterUpdateRules()
      : self_(DType::kFloat16, {4, 6, 3}, rng_),
        indices_(DType::kInt32, {2}, rng_),
        updates_(DType::kFloat16, {2, 2, 3}, rng_),
        out_(DType::kFloat16, {4, 6, 3}, rng_) {
    indices_.Set(0, int32_t{1});
    indices_.Set(1, int32_t{4});
    indices_.Keep();
  }

  ScatterUpdateArgs Args() {
    ScatterUpdateArgs args;
    args.self = self_.view();
    args.indices = indices_.view();
    args.updates = updates_.view();
    args.index_mode = IndexMode::kBatch;
    args.out = out_.view();
    return args;
  }
  // Whatever `change` breaks, both forms say, and InferScatterUpdate too where it is known before any index is read.
  void Fails(StatusCode code, const std::string& text, const std::function<void(ScatterUpdateArgs&)>& change) {
    ScatterUpdateArgs args = Args();
    change(args);
    Expect(ScatterUpdate(args), code, "scatter_update: " + text);
    ScatterUpdateInPlaceArgs in_place;
    in_place.self = Writable(args.self);
    in_place.indices = args.indices;
    in_place.updates = args.updates;
    in_place.axis = args.axis;
    in_place.index_mode = args.index_mode;
    in_place.index_policy = args.index_policy;
    Expect(ScatterUpdateInPlace(in_place), code, "scatter_update_: " + text);
    TensorSpec spec;
    const Status inferred = InferScatterUpdate(args, &spec);
    if (code != kRange) Expect(inferred, code, "scatter_update: " + text);
  }
  void OutFails(StatusCode code, const std::string& text, const std::function<void(ScatterUpdateArgs&)>& change) {
    ScatterUpdateArgs args = Args();
    change(args);
    Expect(ScatterUpdate(args), code, "scatter_update: " + text);
  }
  void InPlaceFails(StatusCode code, const std::string& text,
                    const std::function<void(ScatterUpdateInPlaceArgs&)>& change) {
    ScatterUpdateInPlaceArgs args;
    args.self = self_.view();
    args.indices = indices_.view();
    args.updates = updates_.view();
    args.index_mode = IndexMode::kBatch;
    change(args);
    Expect(ScatterUpdateInPlace(args), code, "scatter_update_: " + text);
  }
  void Expect(const Status& status, StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), text);
    EXPECT_TRUE(self_.Untouched() && indices_.Untouched() && updates_.Untouched() && out_.Untouched()) << text;
  }

  static TensorView As(const ConstTensorView& t, DType dtype, Shape shape) {
    return {const_cast<void*>(t.data()), dtype, shape};
  }
  static TensorView Writable(const ConstTensorView& t) {
    if (!t.present()) return {};
    std::vector<int64_t> strides(t.strides().begin(), t.strides().end());
    strides.resize(t.shape().size());
    TensorView view(const_cast<void*>(t.data()), t.dtype(), t.shape(), strides);
    if (t.rank() > kMaxRank) view = {const_cast<void*>(t.data()), t.dtype(), Shape(static_cast<size_t>(t.rank()), 1)};
    view.set_device(t.device());
    return view;
  }

  Rng rng_{1};
  TestTensor self_, indices_, updates_, out_;
};

TEST_F(ScatterUpdateRules, ThePlainCallsAreLegal) {
  EXPECT_TRUE(ScatterUpdate(Args()).ok());
  EXPECT_FALSE(out_.Untouched());
  EXPECT_TRUE(self_.Untouched());
  TensorSpec spec;
  ASSERT_TRUE(InferScatterUpdate(Args(), &spec).ok());
  EXPECT_EQ(spec.dtype, DType::kFloat16);
  EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{4, 6, 3}));
}

TEST_F(ScatterUpdateRules, Missing) {
  Fails(kValue, "index_mode is missing, expected batch, pair or slot", [](auto& a) { a.index_mode.reset(); });
  Fails(kValue, "self is missing", [](auto& a) { a.self = {}; });
  Fails(kValue, "updates is missing", [](auto& a) { a.updates = {}; });
  Fails(kValue, "indices is missing", [](auto& a) { a.indices = {}; });
  OutFails(kValue, "out is missing", [](auto& a) { a.out = {}; });
}

TEST_F(ScatterUpdateRules, Tensors) {
  Fails(kValue, "self has shape [4], expected at least 2 dimensions",
        [](auto& a) { a.self = As(a.self, DType::kFloat16, {4}); });
  Fails(kValue, "self has 33 dimensions, at most 32 are supported",
        [](auto& a) { a.self = As(a.self, DType::kFloat16, Shape(33, 1)); });
  Fails(kValue, "updates.shape[0] is -2, a size cannot be negative", [](auto& a) {
    a.updates = As(a.updates, DType::kFloat16, {-2, 2, 3});
  });
  Fails(kValue, "indices has shape [2] but no memory",
        [](auto& a) { a.indices = ConstTensorView(nullptr, DType::kInt32, {2}); });
  OutFails(kValue, "self is on a CUDA device, expected a CPU tensor",
           [](auto& a) { a.self.set_device(Device::kCuda); });
}

TEST_F(ScatterUpdateRules, Axis) {
  for (const int axis : {-3, 0}) {
    Fails(kValue, "axis is " + std::to_string(axis) + ", expected 1 to 2 or -2 to -1",
          [axis](auto& a) { a.axis = axis; });
  }
  Fails(kValue, "axis is 3, expected 1 to 2 or -2 to -1", [](auto& a) { a.axis = 3; });
  Fails(kValue, "axis is -4, expected 1 to 2 or -2 to -1", [](auto& a) { a.axis = -4; });
  Fails(kValue, "axis is -2, expected 1 or -1", [](auto& a) { a.self = As(a.self, DType::kFloat16, {4, 6}); });
}

TEST_F(ScatterUpdateRules, Indices) {
  Fails(kType, "indices is float32, expected int32 or int64",
        [](auto& a) { a.indices = As(a.indices, DType::kFloat32, {2}); });
  Fails(kValue, "indices has shape [2, 1], expected [n] for index_mode batch", [](auto& a) {
    a.indices = As(a.indices, DType::kInt32, {2, 1});
  });
  Fails(kValue, "indices has shape [2], expected [n, 2] for index_mode pair",
        [](auto& a) { a.index_mode = IndexMode::kPair; });
  Fails(kValue, "indices has shape [1, 1], expected [n, 2] for index_mode pair", [](auto& a) {
    a.index_mode = IndexMode::kPair;
    a.indices = As(a.indices, DType::kInt32, {1, 1});
  });
  Fails(kValue, "indices has shape [], expected [n] for index_mode slot", [](auto& a) {
    a.index_mode = IndexMode::kSlot;
    a.indices = As(a.indices, DType::kInt32, {});
  });
}

TEST_F(ScatterUpdateRules, Updates) {
  Fails(kType, "updates is bfloat16, expected float16 as self", [](auto& a) {
    a.updates = As(a.updates, DType::kBFloat16, {2, 2, 3});
  });
  Fails(kValue,
        "updates has shape [2, 2, 2], expected [2, 2, 3] to match indices of shape [2] and self of shape [4, 6, 3]",
        [](auto& a) {
          a.updates = As(a.updates, DType::kFloat16, {2, 2, 2});
        });
  Fails(kValue,
        "updates has shape [1, 2, 3], expected [2, 2, 3] to match indices of shape [2] and self of shape [4, 6, 3]",
        [](auto& a) {
          a.updates = As(a.updates, DType::kFloat16, {1, 2, 3});
        });
  Fails(kValue,
        "updates has shape [2, 3], expected [2, 6, 3] to match indices of shape [2] and self of shape [4, 6, 3]",
        [](auto& a) {
          a.updates = As(a.updates, DType::kFloat16, {2, 3});
        });
  Fails(kValue,
        "updates has shape [2, 2, 3], expected [2, 3] to match indices of shape [2] and self of shape [4, 6, 3]",
        [](auto& a) { a.index_mode = IndexMode::kSlot; });
  Fails(kValue,
        "updates has shape [2, 2, 3], expected [1, 2, 3] to match indices of shape [1, 2] and self of shape [4, 6, 3]",
        [](auto& a) {
          a.index_mode = IndexMode::kPair;
          a.indices = As(a.indices, DType::kInt32, {1, 2});
        });
  Fails(kValue, "updates.shape[1] is 2, more than self.shape[1] = 1", [](auto& a) {
    a.self = As(a.self, DType::kFloat16, {4, 1, 3});
  });
  Fails(kValue, "updates.shape[0] is 2, more than self.shape[0] = 1", [](auto& a) {
    a.self = As(a.self, DType::kFloat16, {1, 6, 3});
  });
}

TEST_F(ScatterUpdateRules, ValuesOfIndices) {
  indices_.Set(1, int32_t{5});
  indices_.Keep();
  Fails(kRange, "indices[1] is 5, expected 0 to 4", [](auto&) {});
  indices_.Set(0, int32_t{-1});
  indices_.Keep();
  Fails(kRange, "indices[0] is -1, expected 0 to 4", [](auto&) {});
}

TEST_F(ScatterUpdateRules, Overlap) {
  OutFails(kType, "out is int8, expected float16", [](auto& a) { a.out = As(a.out, DType::kInt8, {4, 6, 3}); });
  OutFails(kValue, "out has shape [4, 3, 6], expected [4, 6, 3]", [](auto& a) {
    a.out = As(a.out, DType::kFloat16, {4, 3, 6});
  });
  OutFails(kValue, "self and out share memory", [](auto& a) { a.out = As(a.self, DType::kFloat16, {4, 6, 3}); });
  OutFails(kValue, "indices and out share memory", [](auto& a) { a.out = As(a.indices, DType::kFloat16, {4, 6, 3}); });
  OutFails(kValue, "updates and out share memory", [](auto& a) { a.out = As(a.updates, DType::kFloat16, {4, 6, 3}); });
  OutFails(kValue, "elements of out share memory: shape [4, 6, 3], strides [0, 3, 1]", [](auto& a) {
    a.out = TensorView(a.out.data(), DType::kFloat16, {4, 6, 3}, {0, 3, 1});
  });
  InPlaceFails(kValue, "elements of self share memory: shape [4, 6, 3], strides [18, 0, 1]", [](auto& a) {
    a.self = TensorView(a.self.data(), DType::kFloat16, {4, 6, 3}, {18, 0, 1});
  });
  InPlaceFails(kValue, "updates and self share memory", [](auto& a) {
    a.updates = As(a.self, DType::kFloat16, {2, 2, 3});
  });
  InPlaceFails(kValue, "indices and self share memory", [](auto& a) { a.indices = As(a.self, DType::kInt32, {2}); });
}

// Rows of self that are read while its other rows are written.
TEST_F(ScatterUpdateRules, InterleavedPartsOfOneTensorAreLegal) {
  ScatterUpdateInPlaceArgs args;
  char* data = static_cast<char*>(self_.view().data());
  args.self = {data, DType::kFloat16, {4, 3, 3}, {18, 6, 1}};
  args.updates = ConstTensorView(data + 6, DType::kFloat16, {4, 3, 3}, {18, 6, 1});
  int64_t zeros[4] = {};
  args.indices = ConstTensorView(zeros, DType::kInt64, {4});
  args.index_mode = IndexMode::kBatch;
  const std::vector<uint8_t> before = self_.Bytes();
  ASSERT_TRUE(ScatterUpdateInPlace(args).ok());
  const std::vector<uint8_t> after = self_.Bytes();
  for (size_t row = 0; row < 24; ++row) {
    for (size_t b = 0; b < 6; ++b) EXPECT_EQ(after[row * 6 + b], before[(row | 1) * 6 + b]);
  }
}

}  // namespace
}  // namespace kvant
