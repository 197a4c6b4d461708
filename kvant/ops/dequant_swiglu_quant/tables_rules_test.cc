// Every check of parameter tables and groups, with its exact text, and that a call that fails has written nothing.
#include <string>

#include "kvant/ops/dequant_swiglu_quant/rules_test_util.h"

namespace kvant {
namespace {

using testing::Shape;

TEST_F(DequantSwigluQuantRules, TablesWithoutGroups) {
  InputFails(kValue, "weight_scale has shape [4], expected [8] or [1, 8] without a group_index",
             [&](auto& a) { a.weight_scale = Floats({4}); });
  InputFails(kValue, "weight_scale has shape [2, 8], expected [8] or [1, 8] without a group_index", [&](auto& a) {
    a.weight_scale = Floats({2, 8});
  });
  InputFails(kValue, "weight_scale has shape [1], expected [8] or [1, 8] without a group_index",
             [&](auto& a) { a.weight_scale = Floats({1}); });
  InputFails(kValue, "bias has shape [1, 1, 8], expected [8] or [1, 8] without a group_index", [&](auto& a) {
    a.bias = Floats({1, 1, 8});
  });
  InputFails(kValue, "quant_scale has shape [3], expected [4], [1, 4] or [1] without a group_index",
             [&](auto& a) { a.quant_scale = Floats({3}); });
  InputFails(kValue, "quant_offset has shape [6, 1], expected [4], [1, 4] or [1] without a group_index", [&](auto& a) {
    a.quant_offset = Floats({6, 1});
  });
  InputFails(kValue, "quant_scale has shape [], expected [4], [1, 4] or [1] without a group_index",
             [&](auto& a) { a.quant_scale = Floats({}); });
  InputFails(kValue, "activation_scale has shape [2], expected 6 elements: one for each row of x",
             [&](auto& a) { a.activation_scale = Floats({2}); });
  for (const Shape& shape : {Shape{6}, Shape{2, 3}, Shape{6, 1}, Shape{1, 3, 1, 2}}) {
    Works([&](auto& a) { a.activation_scale = Floats(shape); });
  }
  for (const Shape& shape : {Shape{4}, Shape{1, 4}, Shape{1}, Shape{1, 1}}) {
    Works([&](auto& a) { a.quant_scale = a.quant_offset = Floats(shape); });
  }
}

TEST_F(DequantSwigluQuantRules, TablesWithCounts) {
  const std::string each = ": a row for each element of group_index, or one for all";
  InputFails(kValue, "weight_scale has shape [2, 8], expected [8], [1, 8] or [3, 8]" + each, [&](auto& a) {
    a.group_index = Groups({1, 2, 3});
    a.weight_scale = Floats({2, 8});
  });
  InputFails(kValue, "quant_scale has shape [2], expected [4], [1, 4], [3, 4], [1], [3] or [3, 1]" + each,
             [&](auto& a) {
               a.group_index = Groups({1, 2, 3});
               a.quant_scale = Floats({2});
             });
  for (const Shape& shape : {Shape{8}, Shape{1, 8}, Shape{3, 8}}) {
    Works([&](auto& a) {
      a.group_index = Groups({1, 2, 3});
      a.weight_scale = a.bias = Floats(shape);
    });
  }
  for (const Shape& shape : {Shape{4}, Shape{1, 4}, Shape{3, 4}, Shape{1}, Shape{3}, Shape{3, 1}, Shape{1, 1}}) {
    Works([&](auto& a) {
      a.group_index = Groups({1, 2, 3});
      a.quant_scale = Floats(shape);
    });
  }
}

TEST_F(DequantSwigluQuantRules, TablesWithPairs) {
  const std::string any = ": P parameter rows, or one for all";
  InputFails(kValue, "bias has shape [2, 8], expected [8], [1, 8] or [5, 8]" + any, [&](auto& a) {
    a.group_index = Groups({1, 2, 0, 3}, true);
    a.weight_scale = Floats({5, 8});
    a.bias = Floats({2, 8});
  });
  InputFails(kValue, "quant_scale has shape [3], expected [4], [1, 4], [P, 4], [1], [P] or [P, 1]" + any, [&](auto& a) {
    a.group_index = Groups({1, 2, 0, 3}, true);
    a.quant_scale = Floats({3});
  });
  Works([&](auto& a) {
    a.group_index = Groups({1, 2, 0, 3}, true);
    a.weight_scale = Floats({5, 8});
    a.quant_scale = Floats({5});
    a.quant_offset = Floats({4});
  });
}

TEST_F(DequantSwigluQuantRules, GroupIndex) {
  InputFails(kValue, "group_index has shape [2, 3], expected [G], row counts, or [G, 2], parameter rows and row counts",
             [&](auto& a) {
               a.group_index = Table(DType::kInt64, {2, 3});
             });
  InputFails(kValue, "group_index has shape [], expected [G], row counts, or [G, 2], parameter rows and row counts",
             [&](auto& a) { a.group_index = Table(DType::kInt64, {}); });
  Fails(kRange, "group_index[1] is -1, a number of rows cannot be negative", [&](auto& a) {
    a.group_index = Groups({1, -1});
  });
  Fails(kRange, "group_index[2] is 4, but after the groups before it 3 of the 6 rows of x are left", [&](auto& a) {
    a.group_index = Groups({2, 1, 4, 0});
  });
  Fails(kRange, "group_index[1] is 9223372036854775807, but after the groups before it 5 of the 6 rows of x are left",
        [&](auto& a) {
          a.group_index = Groups({1, INT64_MAX});
        });
  Works([&](auto& a) { a.group_index = Groups({2, 0, 3}); });
  Works([&](auto& a) { a.group_index = Groups({}); });
}

TEST_F(DequantSwigluQuantRules, CumulativeEndsAreRecognized) {
  Fails(kRange,
        "group_index[2] is 6, but after the groups before it 1 of the 6 rows of x are left; these look like "
        "cumulative end rows, row counts are wanted: counts_from_ends makes the one of the other",
        [&](auto& a) {
          a.group_index = Groups({2, 3, 6});
        });
  Fails(kRange,
        "group_index[1, 1] is 5, but after the groups before it 3 of the 6 rows of x are left; these look like "
        "cumulative end rows, row counts are wanted: counts_from_ends makes the one of the other",
        [&](auto& a) {
          a.group_index = Groups({0, 3, 1, 5}, true);
        });
  Fails(kRange, "group_index[1] is 6, but after the groups before it 3 of the 6 rows of x are left", [&](auto& a) {
    a.group_index = Groups({3, 6, 5});
  });
}

TEST_F(DequantSwigluQuantRules, ParameterRows) {
  Fails(kRange, "group_index[1, 0] is 3, but there are 3 parameter rows", [&](auto& a) {
    a.group_index = Groups({2, 1, 3, 0}, true);
    a.weight_scale = Floats({3, 8});
  });
  Fails(kRange, "group_index[0, 0] is -1, but there are 3 parameter rows", [&](auto& a) {
    a.group_index = Groups({-1, 1}, true);
    a.quant_scale = Floats({3, 1});
  });
  Fails(kRange, "group_index[0, 0] is 1, but there are 1 parameter rows", [&](auto& a) {
    a.group_index = Groups({1, 1}, true);
    a.weight_scale = Floats({1, 8});
  });
  Fails(kRange, "group_index[0, 0] is -2, a parameter row cannot be negative", [&](auto& a) {
    a.group_index = Groups({-2, 1}, true);
  });
  Fails(kRange, "group_index[1, 1] is -5, a number of rows cannot be negative", [&](auto& a) {
    a.group_index = Groups({0, 1, 0, -5}, true);
  });
  Works([&](auto& a) { a.group_index = Groups({77, 1}, true); });
}

}  // namespace
}  // namespace kvant
