// One problem in many layouts: results are those of contiguous tensors, byte for byte, and what lies between the
// elements stays as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kvant/testing/check_dynamic_quant.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::CheckOnEachTarget;
using testing::kFloats;
using testing::kFormats;
using testing::kModes;
using testing::OneIn;
using testing::PickFrom;
using testing::Rng;
using testing::RowwiseProblem;
using testing::Shape;
using testing::TestTensor;

enum class Cut {
  kTransposed,  // dimensions in reverse order
  kSliced,      // every third element
  kNegative,    // from back to front in every dimension
  kPaddedRows,  // contiguous rows, further apart than they are long
  kReversedRows,
  kInnerFirst,  // the last two dimensions exchanged
};
constexpr Cut kCuts[] = {Cut::kTransposed, Cut::kSliced,       Cut::kNegative,
                         Cut::kPaddedRows, Cut::kReversedRows, Cut::kInnerFirst};

Shape StridesOf(const Shape& shape, Cut cut) {
  const auto rank = static_cast<int>(shape.size());
  std::vector<int> order(shape.size());  // innermost first
  for (int d = 0; d < rank; ++d) order[static_cast<size_t>(d)] = cut == Cut::kTransposed ? d : rank - 1 - d;
  if (cut == Cut::kInnerFirst && rank > 1) std::swap(order[0], order[1]);
  Shape strides(shape.size());
  int64_t step = cut == Cut::kSliced ? 3 : 1;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto d = static_cast<size_t>(order[i]);
    const bool row = d + 1 != shape.size();
    strides[d] = cut == Cut::kNegative || (cut == Cut::kReversedRows && row) ? -step : step;
    step *= std::max<int64_t>(shape[d], 1);
    if (i == 0 && cut == Cut::kPaddedRows) step += 5;
  }
  return strides;
}

TestTensor InCut(TestTensor& t, Cut cut, Rng& rng) {
  TestTensor other(t.dtype(), t.shape(), StridesOf(t.shape(), cut), rng);
  other.SetBytes(t.Bytes());
  other.Keep();
  return other;
}

// Rows that a batch takes, rows that are taken one by one, and rows longer than what is gathered at once.
const std::vector<Shape> kShapes = {{3, 5, 48}, {2, 9, 136}, {1, 3, 4112}};

RowwiseProblem Contiguous(Format format, DType dtype, QuantMode mode, const Shape& shape, bool with_smooth, Rng& rng) {
  RowwiseProblem p;
  p.format = format;
  p.mode = mode;
  p.x = TestTensor(dtype, shape, rng);
  p.MakeOutputs(rng);
  std::vector<float> values(static_cast<size_t>(p.x.elements()));
  for (float& v : values) v = testing::Moderate(rng);
  p.x.SetFloats(values);
  p.x.Keep();
  if (with_smooth) {
    p.smooth.emplace(PickFrom(rng, kFloats), Shape{shape[shape.size() - (mode == QuantMode::kPerChannel ? 2 : 1)]},
                     rng);
    FillSmooth(*p.smooth, rng);
  }
  return p;
}

class DynamicQuantLayouts : public ::testing::TestWithParam<Format> {
 protected:
  // Runs `p` contiguous, then as `change` makes it; the results have to be the same bytes.
  template <class Function>
  void ExpectSame(RowwiseProblem p, const Function& change) {
    const RowwiseProblem::Expected expected = p.Expect();
    ASSERT_EQ(CheckOnEachTarget(p, expected), "");
    RowwiseProblem other = p;
    change(other);
    const Stores stores = OneIn(rng_, 2) ? Stores::kNormal : Stores::kStreaming;
    ASSERT_EQ(CheckOnEachTarget(other, expected, {nullptr, nullptr, 0, stores}), "");
    EXPECT_EQ(other.y.Bytes(), p.y.Bytes()) << other.Describe();
    EXPECT_EQ(other.scale.Bytes(), p.scale.Bytes()) << other.Describe();
    if (p.offset) {
      EXPECT_EQ(other.offset->Bytes(), p.offset->Bytes()) << other.Describe();
    }
  }
  // Calls f for every kind of problem.
  template <class Function>
  void ForEachProblem(const Function& f) {
    int i = 0;
    for (const QuantMode mode : kModes) {
      for (const Shape& shape : kShapes) {
        const DType dtype = kFloats[static_cast<size_t>(i++) % 3];
        for (const bool smooth : {false, true}) f(Contiguous(GetParam(), dtype, mode, shape, smooth, rng_));
      }
    }
  }
  // Codes of INT4 are packed: only their rows can be anywhere.
  std::vector<Cut> CutsOfCodes() const {
    if (GetParam() != Format::kInt4) return {std::begin(kCuts), std::end(kCuts)};
    return {Cut::kPaddedRows, Cut::kReversedRows};
  }

  Rng rng_{1};
};

TEST_P(DynamicQuantLayouts, OfX) {
  ForEachProblem([&](const RowwiseProblem& p) {
    for (const Cut cut : kCuts) ExpectSame(p, [&](RowwiseProblem& o) { o.x = InCut(o.x, cut, rng_); });
  });
}

TEST_P(DynamicQuantLayouts, OfCodes) {
  ForEachProblem([&](const RowwiseProblem& p) {
    for (const Cut cut : CutsOfCodes()) ExpectSame(p, [&](RowwiseProblem& o) { o.y = InCut(o.y, cut, rng_); });
  });
}

TEST_P(DynamicQuantLayouts, OfScaleAndOffset) {
  ForEachProblem([&](const RowwiseProblem& p) {
    for (const Cut cut : kCuts) {
      ExpectSame(p, [&](RowwiseProblem& o) { o.scale = InCut(o.scale, cut, rng_); });
      ExpectSame(p, [&](RowwiseProblem& o) { o.offset = InCut(*o.offset, cut, rng_); });
    }
  });
}

TEST_P(DynamicQuantLayouts, OfSmoothScales) {
  ForEachProblem([&](const RowwiseProblem& p) {
    if (!p.smooth) return;
    for (const Cut cut : {Cut::kSliced, Cut::kNegative}) {
      ExpectSame(p, [&](RowwiseProblem& o) { o.smooth = InCut(*o.smooth, cut, rng_); });
    }
  });
}

TEST_P(DynamicQuantLayouts, OfExpertsAndGroups) {
  for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerTensor}) {
    RowwiseProblem p = Contiguous(GetParam(), DType::kBFloat16, mode, {3, 5, 48}, false, rng_);
    if (mode == QuantMode::kPerToken && IsInteger(GetParam())) p.group_size = 12;
    p.MakeOutputs(rng_);
    p.group_index.emplace(DType::kInt64, Shape{4}, rng_);
    const int64_t ends[] = {4, 4, 11, 15};
    for (int64_t i = 0; i < 4; ++i) p.group_index->Set(i, ends[i]);
    p.group_index->Keep();
    p.smooth.emplace(DType::kFloat16, Shape{4, 48}, rng_);
    FillSmooth(*p.smooth, rng_);
    for (const Cut cut : kCuts) {
      ExpectSame(p, [&](RowwiseProblem& o) { o.smooth = InCut(*o.smooth, cut, rng_); });
      ExpectSame(p, [&](RowwiseProblem& o) { o.group_index = InCut(*o.group_index, cut, rng_); });
      ExpectSame(p, [&](RowwiseProblem& o) { o.x = InCut(o.x, cut, rng_); });
    }
    for (const Cut cut : CutsOfCodes()) ExpectSame(p, [&](RowwiseProblem& o) { o.y = InCut(o.y, cut, rng_); });
  }
}

// Inputs may repeat: one element, row or matrix seen many times.
TEST_P(DynamicQuantLayouts, StridesOfZero) {
  ForEachProblem([&](const RowwiseProblem& p) {
    const Shape& shape = p.x.shape();
    const std::vector<Shape> repeats = {{0, shape[2], 1}, {shape[2], 0, 1}, {0, 0, 1}, {shape[1], 1, 0}, {0, 0, 0}};
    for (const Shape& strides : repeats) {
      RowwiseProblem wide = p;
      wide.x = TestTensor(p.x.dtype(), shape, strides, rng_);
      std::vector<float> values(static_cast<size_t>(wide.x.elements()));
      for (float& v : values) v = testing::Moderate(rng_);
      wide.x.SetFloats(values);
      wide.x.Keep();
      RowwiseProblem dense = p;
      dense.x.SetBytes(wide.x.Bytes());
      dense.x.Keep();
      ExpectSame(dense, [&](RowwiseProblem& o) { o.x = wide.x; });
    }
    if (!p.smooth) return;
    RowwiseProblem dense = p;
    TestTensor repeated(p.smooth->dtype(), p.smooth->shape(), Shape{0}, rng_);
    repeated.SetFloat(0, 0.75f);
    repeated.Keep();
    dense.smooth->SetBytes(repeated.Bytes());
    dense.smooth->Keep();
    ExpectSame(dense, [&](RowwiseProblem& o) { o.smooth = repeated; });
  });
}

TEST_P(DynamicQuantLayouts, OfEverythingAtOnce) {
  ForEachProblem([&](const RowwiseProblem& p) {
    for (const Cut cut : kCuts) {
      ExpectSame(p, [&](RowwiseProblem& o) {
        o.x = InCut(o.x, cut, rng_);
        o.y = InCut(o.y, PickFrom(rng_, CutsOfCodes()), rng_);
        o.scale = InCut(o.scale, cut, rng_);
        o.offset = InCut(*o.offset, cut, rng_);
        if (o.smooth) o.smooth = InCut(*o.smooth, cut, rng_);
      });
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Layouts, DynamicQuantLayouts, ::testing::ValuesIn(kFormats),
                         [](const auto& info) { return std::string(Name(info.param)); });

// The words of INT4 are its bytes, and an odd number of bytes from row to row is as good as any.
TEST(DynamicQuantInt4, WordsAndBytesAreTheSameMemory) {
  Rng rng(2);
  for (const QuantMode mode : kModes) {
    for (const int64_t h : {8, 72, 264, 9000}) {
      RowwiseProblem bytes = Contiguous(Format::kInt4, DType::kFloat16, mode, {2, 7, h}, false, rng);
      ASSERT_EQ(CheckOnEachTarget(bytes), "");
      for (const int64_t gap : {0, 1, 3}) {
        RowwiseProblem words = bytes;
        words.y = TestTensor(DType::kInt32, {2, 7, h / 8}, {-7 * (h / 8 + gap), h / 8 + gap, 1}, rng);
        ASSERT_EQ(CheckOnEachTarget(words), "");
        EXPECT_EQ(words.y.Bytes(), bytes.y.Bytes());
        RowwiseProblem odd = bytes;
        odd.y = TestTensor(DType::kUInt8, {2, 7, h / 2}, {7 * (h / 2 + gap), h / 2 + gap, 1}, rng);
        ASSERT_EQ(CheckOnEachTarget(odd), "");
        EXPECT_EQ(odd.y.Bytes(), bytes.y.Bytes());
      }
    }
  }
}

// Element 2k is the low nibble of byte k, in words too.
TEST(DynamicQuantInt4, OrderOfNibbles) {
  Rng rng(3);
  RowwiseProblem p = Contiguous(Format::kInt4, DType::kFloat32, QuantMode::kPerToken, {1, 8}, false, rng);
  p.symmetric = true;
  p.x.SetFloats({7, 1, 2, -3, 4, -5, 6, -7});
  p.x.Keep();
  p.MakeOutputs(DType::kInt32, testing::Layout::kContiguous, testing::Layout::kContiguous, rng);
  ASSERT_EQ(CheckOnEachTarget(p), "");
  EXPECT_EQ(p.y.Get<uint32_t>(0), 0x96B4D217u);
}

}  // namespace
}  // namespace kvant
