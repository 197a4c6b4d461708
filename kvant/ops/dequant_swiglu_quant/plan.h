// dequant_swiglu_quant with every choice made: pointers, strides, kernels, how the work is cut. Plain data; drive.cc
// runs it.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_PLAN_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_PLAN_H_

#include "kvant/ops/dequant_swiglu_quant/groups.h"
#include "kvant/ops/dequant_swiglu_quant/kernels.h"
#include "kvant/ops/dequant_swiglu_quant/rules.h"
#include "kvant/rowwise/plan.h"

namespace kvant::swiglu {

// Columns that are made at a time where they do not lie as kernels want them, or are encoded at once.
inline constexpr int64_t kColumns = 2048;

struct Plan {
  Target target{};
  const SwigluKernels* kernels = nullptr;
  Bias bias = Bias::kNone;
  SwigluMode mode = SwigluMode::kSwish;
  bool dynamic = false;
  bool flushes = false;  // kernels run with subnormals flushed where that changes nothing (flush.h)
  bool attributes_allow_flush = false;
  Problem problem;
  Groups groups;

  DType x_dtype = DType::kInt32;
  MatrixMap x;
  bool act_first = true;     // in pairs, or the first half
  int64_t act = 0, lin = 0;  // bytes from a row's start to its gates and its linear parts
  const char* activation = nullptr;
  RowMap activation_rows;

  // Rows of fp32 values to y and scale. Static: only where they are and how they are written.
  RowwisePlan encode;

  // Tasks have an equal share of units, `segments` to a row. With more than one, dynamic rows have two phases.
  int tasks = 1;
  int phases = 1;
  int64_t segments = 1;
  int64_t segment_size = 0;

  // Memory: a part for each task, and for two phases one for all. The values of dynamic rows, all of them or a task's
  // one, come first in theirs.
  int64_t values_bytes = 0;
  int64_t task_bytes = 0;
  int64_t shared_bytes = 0;
};

// Runs the share of one task in a phase, with its own memory and what all share.
void RunShare(const Plan& plan, int task, int phase, char* memory, char* shared);

}  // namespace kvant::swiglu

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_PLAN_H_
