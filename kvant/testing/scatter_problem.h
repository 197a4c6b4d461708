// A random scatter of any rank, axis, index mode and layout, and its result by the definition, an element at a time.
#ifndef KVANT_TESTING_SCATTER_PROBLEM_H_
#define KVANT_TESTING_SCATTER_PROBLEM_H_

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "kvant/core/index_mode.h"
#include "kvant/testing/tensors.h"

namespace kvant::testing {

inline const std::vector<IndexMode> kIndexModes = {IndexMode::kBatch, IndexMode::kPair, IndexMode::kSlot};

struct ScatterProblem {
  IndexMode mode = IndexMode::kBatch;
  IndexPolicy policy = IndexPolicy::kError;
  int axis = 1;  // as the caller writes it
  TestTensor self, indices, updates;

  size_t rank() const { return self.shape().size(); }
  size_t Axis() const { return static_cast<size_t>(axis < 0 ? axis + static_cast<int>(rank()) : axis); }
  int64_t n() const { return indices.shape()[0]; }
  int64_t length() const { return mode == IndexMode::kSlot ? 1 : updates.shape()[Axis()]; }

  int64_t Index(int64_t at) {
    return indices.dtype() == DType::kInt64 ? indices.Get<int64_t>(at) : indices.Get<int32_t>(at);
  }
  void SetIndex(int64_t at, int64_t value) {
    indices.dtype() == DType::kInt64 ? indices.Set(at, value) : indices.Set(at, static_cast<int32_t>(value));
  }

  // Where update i begins along dimension 0 and the axis; false if it is not written.
  bool Place(int64_t i, int64_t* first, int64_t* start) {
    const int64_t positions = self.shape()[Axis()], firsts = self.shape()[0];
    if (mode == IndexMode::kSlot) {
      const int64_t slot = Index(i);
      if (slot < 0 || positions == 0 || slot / positions >= firsts) return false;
      *first = slot / positions;
      *start = slot % positions;
      return true;
    }
    *first = mode == IndexMode::kPair ? Index(2 * i) : i;
    *start = mode == IndexMode::kPair ? Index(2 * i + 1) : Index(i);
    return *first >= 0 && *first < firsts && *start >= 0 && *start <= positions - length();
  }

  // The bytes of self, row-major, after `rows`, the bytes of updates in self's dtype, have been written into `before`.
  std::vector<uint8_t> Expected(std::vector<uint8_t> before, const std::vector<uint8_t>& rows) {
    const auto bytes = static_cast<size_t>(ByteSize(self.dtype()));
    const Shape& shape = updates.shape();
    const int64_t count = updates.elements();
    for (int64_t e = 0; e < count; ++e) {
      Shape at(shape.size());
      int64_t rest = e;
      for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) at[d] = rest % shape[d];
      int64_t first, start;
      if (!Place(at[0], &first, &start)) continue;
      if (mode == IndexMode::kSlot) at.insert(at.begin() + static_cast<int64_t>(Axis()), 0);
      at[0] = first;
      at[Axis()] += start;
      int64_t to = 0;
      for (size_t d = 0; d < rank(); ++d) to = to * self.shape()[d] + at[d];
      std::memcpy(before.data() + static_cast<size_t>(to) * bytes, rows.data() + static_cast<size_t>(e) * bytes, bytes);
    }
    return before;
  }

  std::string Describe() const {
    const auto tensor = [](const char* name, const TestTensor& t) {
      std::string text = std::string(" ") + name + " [";
      for (size_t d = 0; d < t.shape().size(); ++d) {
        text += (d == 0 ? "" : ", ") + std::to_string(t.shape()[d]) + " by " + std::to_string(t.strides()[d]);
      }
      return text + "] of " + std::string(Name(t.dtype()));
    };
    return std::string(Name(mode)) + " axis " + std::to_string(axis) + tensor("self", self) +
           tensor("indices", indices) + tensor("updates", updates);
  }
};

// Values for all indices: legal ones, some of which follow the one before them, padding, and, under kSkip, ones that
// are not.
inline void FillIndices(ScatterProblem& p, Rng& rng) {
  const int64_t firsts = p.self.shape()[0], positions = p.self.shape()[p.Axis()];
  const bool bad = p.policy == IndexPolicy::kSkip && OneIn(rng, 2), padded = OneIn(rng, 3);
  const auto value = [&](int64_t legal) -> int64_t {
    const bool none = legal <= 0;
    if (p.mode != IndexMode::kBatch && (none || (padded && OneIn(rng, 3)))) return -1;
    if (none) return 0;
    if (!bad || !OneIn(rng, 3)) return Uniform(rng, 0, legal - 1);
    const std::vector<int64_t> wrong = {-1, -2, legal, legal + 1, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
    return PickFrom(rng, wrong);
  };
  const int64_t starts = positions - p.length() + 1;
  const int64_t places = p.mode == IndexMode::kSlot ? firsts * positions : starts;
  const bool follow = OneIn(rng, 3);
  std::vector<Shape> all;
  for (int64_t i = 0; i < p.n(); ++i) {
    if (follow && i != 0 && !OneIn(rng, 4)) {
      Shape next = all.back();
      if (next.back() >= 0 && next.back() < places - p.length()) {
        next.back() += p.length();
        all.push_back(next);
        continue;
      }
    }
    if (p.mode == IndexMode::kPair) {
      all.push_back({value(firsts), value(starts)});
    } else {
      all.push_back({value(places)});
    }
  }
  if (OneIn(rng, 2)) std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t c = 0; c < all[i].size(); ++c) p.SetIndex(static_cast<int64_t>(i * all[i].size() + c), all[i][c]);
  }
  p.indices.Keep();
}

struct ScatterSizes {
  int64_t most_updates = 10;
  int64_t most_last = 70;  // of the last dimension
  bool any_layout = true;
};

// Elements of self and updates are bytes of no meaning.
inline ScatterProblem RandomScatter(IndexMode mode, size_t rank, size_t axis, DType self, DType updates,
                                    const ScatterSizes& sizes, Rng& rng) {
  ScatterProblem p;
  p.mode = mode;
  p.policy = OneIn(rng, 2) ? IndexPolicy::kError : IndexPolicy::kSkip;
  p.axis = static_cast<int>(axis) - (OneIn(rng, 2) ? static_cast<int>(rank) : 0);
  Shape shape(rank);
  for (int64_t& extent : shape) extent = OneIn(rng, 60) ? 0 : Uniform(rng, 1, rank < 4 ? 6 : rank < 6 ? 4 : 2);
  shape[axis] = Uniform(rng, 1, 9);
  if (axis + 1 < rank) shape.back() = OneIn(rng, 60) ? 0 : Uniform(rng, 1, rank < 5 ? sizes.most_last : 12);
  Shape update = shape;
  update[0] = OneIn(rng, 15) ? 0 : Uniform(rng, 0, mode == IndexMode::kBatch ? shape[0] : sizes.most_updates);
  if (mode == IndexMode::kSlot) {
    update.erase(update.begin() + static_cast<int64_t>(axis));
  } else if (OneIn(rng, 2)) {
    update[axis] = 1;
  } else {
    update[axis] = Uniform(rng, 0, shape[axis]);
  }
  const auto layout = [&](Layout odd) { return sizes.any_layout && OneIn(rng, 2) ? odd : Layout::kContiguous; };
  p.self = TestTensor(self, shape, layout(Layout::kStrided), rng);
  p.updates = TestTensor(updates, update, layout(Layout::kStridedInput), rng);
  const Shape pairs = {update[0], 2}, plain = {update[0]};
  p.indices = TestTensor(OneIn(rng, 2) ? DType::kInt64 : DType::kInt32, mode == IndexMode::kPair ? pairs : plain,
                         layout(p.policy == IndexPolicy::kSkip ? Layout::kStridedInput : Layout::kStrided), rng);
  FillIndices(p, rng);
  return p;
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_SCATTER_PROBLEM_H_
