// group_index of dequant_swiglu_quant: consecutive groups of rows, and the parameter row of each.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_GROUPS_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_GROUPS_H_

#include <algorithm>
#include <cstdint>

#include "kvant/core/index_fault.h"
#include "kvant/core/macros.h"
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

  // Groups, the parameter row and the rows of one.
  KVANT_HOST_DEVICE int64_t size() const { return size_; }
  KVANT_HOST_DEVICE int64_t ParameterRow(int64_t i) const { return grouping_ == Grouping::kPairs ? At(i, 0) : i; }
  KVANT_HOST_DEVICE int64_t Count(int64_t i) const { return At(i, grouping_ == Grouping::kPairs ? 1 : 0); }
  KVANT_HOST_DEVICE bool none() const { return grouping_ == Grouping::kNone; }

  // Whether there is the parameter row that group i names.
  KVANT_HOST_DEVICE bool HasParameterRow(int64_t i) const {
    if (grouping_ != Grouping::kPairs) return true;
    const int64_t row = At(i, 0);
    return row >= 0 && (parameter_rows_ < 0 || row < parameter_rows_);
  }

  // What is wrong with group i, where the groups before it leave `left` rows; kNone if nothing is.
  KVANT_HOST_DEVICE IndexFault FaultAt(int64_t i, int64_t left) const {
    const bool pairs = grouping_ == Grouping::kPairs;
    if (!HasParameterRow(i)) return {FaultKind::kParameterRow, i, At(i, 0), parameter_rows_, 0};
    const int64_t count = Count(i);
    if (count < 0) return {pairs ? FaultKind::kPairCountNegative : FaultKind::kCountNegative, i, count, 0, rows_};
    if (count > left) return {pairs ? FaultKind::kPairCountTooLarge : FaultKind::kCountTooLarge, i, count, left, rows_};
    return {};
  }

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
      if (from < to) f(ParameterRow(i), from, to);
      first = next;
    }
  }

 private:
  KVANT_HOST_DEVICE int64_t At(int64_t i, int64_t column) const {
    const char* at = data_ + i * stride_ + column * pair_stride_;
    return wide_ ? *reinterpret_cast<const int64_t*>(at) : *reinterpret_cast<const int32_t*>(at);
  }
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
