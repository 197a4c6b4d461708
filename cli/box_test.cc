#include "cli/box.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace kvant::cli {
namespace {

constexpr QuantMode kModes[] = {QuantMode::kPerToken, QuantMode::kPerTensor, QuantMode::kPerChannel};

TEST(WholeTensor, SeesAnyRankAsBatchRowColumn) {
  const std::vector<int64_t> shape = {2, 3, 4, 5};
  EXPECT_EQ(WholeTensor(shape, QuantMode::kPerToken).size, (std::array<int64_t, 3>{1, 24, 5}));
  EXPECT_EQ(WholeTensor(shape, QuantMode::kPerTensor).size, (std::array<int64_t, 3>{1, 24, 5}));
  EXPECT_EQ(WholeTensor(shape, QuantMode::kPerChannel).size, (std::array<int64_t, 3>{6, 4, 5}));
  EXPECT_EQ(WholeTensor(std::vector<int64_t>{7}, QuantMode::kPerChannel).size, (std::array<int64_t, 3>{1, 1, 7}));
  EXPECT_EQ(WholeTensor({}, QuantMode::kPerToken).size, (std::array<int64_t, 3>{1, 1, 1}));
}

// How often each element is in a piece of a domain, and each scale in a domain.
struct Visits {
  std::vector<int> elements, params;
};

class Boxes : public ::testing::Test {
 protected:
  Box tensor_;
  QuantMode mode_ = QuantMode::kPerToken;
  int64_t group_size_ = 0, max_elements_ = 1, unit_ = 1;

  int64_t ParamOf(int64_t element) const {
    const int64_t column = element % tensor_.columns(), row = element / tensor_.columns();
    if (mode_ == QuantMode::kPerTensor) return 0;
    if (mode_ == QuantMode::kPerChannel) return row / tensor_.rows() * tensor_.columns() + column;
    return group_size_ == 0 ? row : row * (tensor_.columns() / group_size_) + column / group_size_;
  }

  Visits Walk() const {
    Visits visits;
    visits.elements.resize(static_cast<size_t>(tensor_.elements()));
    visits.params.resize(static_cast<size_t>(ParamOf(tensor_.elements() - 1) + 1));
    const Status status =
        ForEachBox(tensor_, DomainSize(tensor_, mode_, group_size_, max_elements_), [&](const Box& domain) {
          const ParamRange range = ParamsOf(tensor_, domain, mode_, group_size_);
          for (int64_t i = 0; i < range.count; ++i) ++visits.params[static_cast<size_t>(range.first + i)];
          return ForEachBox(domain, PieceSize(domain, unit_, max_elements_), [&](const Box& piece) {
            EXPECT_EQ(piece.first[2] % unit_, 0);
            EXPECT_LE(piece.elements(), std::max(max_elements_, unit_));
            EXPECT_TRUE(piece.columns() == tensor_.columns() || piece.batches() == 1);
            return ForEachRun(tensor_, piece, [&](int64_t first, int64_t n) {
              for (int64_t i = first; i < first + n; ++i) {
                ++visits.elements[static_cast<size_t>(i)];
                EXPECT_GE(ParamOf(i), range.first);
                EXPECT_LT(ParamOf(i), range.first + range.count);
              }
              return Status();
            });
          });
        });
    EXPECT_TRUE(status.ok());
    return visits;
  }
};

TEST_F(Boxes, CoverEveryElementAndEveryScaleOnce) {
  std::mt19937 rng(1);
  const auto pick = [&](int64_t n) { return static_cast<int64_t>(rng() % static_cast<uint32_t>(n)) + 1; };
  for (int i = 0; i < 3000; ++i) {
    mode_ = kModes[pick(3) - 1];
    unit_ = mode_ == QuantMode::kPerToken && pick(2) == 1 ? pick(4) : 1;
    group_size_ = unit_ > 1 ? unit_ : 0;
    tensor_.size = {mode_ == QuantMode::kPerChannel ? pick(5) : 1, pick(7), pick(6) * unit_};
    max_elements_ = pick(2 * tensor_.elements());
    SCOPED_TRACE(::testing::Message() << Name(mode_) << " " << tensor_.size[0] << "x" << tensor_.size[1] << "x"
                                      << tensor_.size[2] << ", unit " << unit_ << ", at most " << max_elements_);
    const Visits visits = Walk();
    EXPECT_EQ(visits.elements, std::vector<int>(visits.elements.size(), 1));
    EXPECT_EQ(visits.params, std::vector<int>(visits.params.size(), 1));
    if (HasFailure()) return;
  }
}

TEST_F(Boxes, APieceOfTheWholeTensorIsContiguous) {
  for (const int64_t max_elements : {1, 4, 6, 13, 24, 50, 1000}) {
    tensor_.size = {3, 4, 6};
    int64_t next = 0;
    const Status status = ForEachBox(tensor_, PieceSize(tensor_, 2, max_elements), [&](const Box& piece) {
      int runs = 0;
      return ForEachRun(tensor_, piece, [&](int64_t first, int64_t n) {
        EXPECT_EQ(first, next);
        EXPECT_EQ(++runs, 1);
        next = first + n;
        return Status();
      });
    });
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(next, 72);
  }
}

TEST_F(Boxes, WithoutElementsStillHaveTheirScales) {
  tensor_.size = {1, 3, 0};
  int64_t params = 0;
  const Status status = ForEachBox(tensor_, DomainSize(tensor_, mode_, 0, 100), [&](const Box& domain) {
    params += ParamsOf(tensor_, domain, mode_, 0).count;
    return Status();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(params, 3);
}

TEST_F(Boxes, WithoutElementsHaveNoPlaces) {
  const auto no_place = [](auto...) {
    ADD_FAILURE();
    return Status();
  };
  tensor_.size = {1, 0, 32};
  EXPECT_TRUE(ForEachPiece(tensor_, 1, 8, no_place).ok());
  EXPECT_TRUE(ForEachBox(tensor_, DomainSize(tensor_, mode_, 2, 8), [&](const Box& domain) {
                EXPECT_EQ(ParamsOf(tensor_, domain, mode_, 2).count, 0);
                EXPECT_EQ(ParamsOf(tensor_, domain, mode_, 2).first, 0);
                return ForEachRun(tensor_, domain, no_place);
              }).ok());
}

TEST_F(Boxes, TheFirstFailureEndsTheWalk) {
  tensor_.size = {1, 5, 2};
  int calls = 0;
  const Status status = ForEachBox(tensor_, {1, 1, 2},
                                   [&](const Box&) { return ++calls == 2 ? Status::OutOfRange("second") : Status(); });
  EXPECT_EQ(status.message(), "second");
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace kvant::cli
