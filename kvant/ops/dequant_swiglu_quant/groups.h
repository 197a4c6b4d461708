// group_index of dequant_swiglu_quant: consecutive groups of rows, and the parameter row of each.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_GROUPS_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_GROUPS_H_

#include <algorithm>
#include <cstdint>

#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/ops/dequant_swiglu_quant/rules.h"

namespace kvant::swiglu {

// Refers to the caller's memory.
class Groups {
 public:
  Groups() = default;
  // `rows`: of x.
  Groups(const ConstTensorView& index, const Problem& problem);

  // kOutOfRange for a negative count, more rows in groups than there are, or a parameter row that there is not.
  Status Check();

  // Rows that have a group; after Check.
  int64_t used() const { return used_; }

  // Calls f(parameter_row, first, end) for the rows of each group within [begin, end), of [0, used()).
  template <class Function>
  void ForEach(int64_t begin, int64_t end, const Function& f) const {
    if (grouping_ == Grouping::kNone) {
      if (begin < end) f(int64_t{0}, begin, end);
      return;
    }
    int64_t first = 0;
    for (int64_t i = 0; i < size_ && first < end; ++i) {
      const int64_t next = first + Count(i);
      const int64_t from = std::max(first, begin), to = std::min(next, end);
      if (from < to) f(grouping_ == Grouping::kPairs ? At(i, 0) : i, from, to);
      first = next;
    }
  }

 private:
  int64_t At(int64_t i, int64_t column) const {
    const char* at = data_ + i * stride_ + column * pair_stride_;
    return wide_ ? *reinterpret_cast<const int64_t*>(at) : *reinterpret_cast<const int32_t*>(at);
  }
  int64_t Count(int64_t i) const { return At(i, grouping_ == Grouping::kPairs ? 1 : 0); }
  bool LooksCumulative() const;

  const char* data_ = nullptr;
  Grouping grouping_ = Grouping::kNone;
  bool wide_ = false;
  int64_t size_ = 0, stride_ = 0, pair_stride_ = 0;  // bytes
  int64_t rows_ = 0, parameter_rows_ = -1;
  int64_t used_ = 0;
};

}  // namespace kvant::swiglu

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_GROUPS_H_
