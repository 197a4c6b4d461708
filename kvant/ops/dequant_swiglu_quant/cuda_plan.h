// dequant_swiglu_quant for CUDA with every choice made. Plain data, which a kernel takes by value.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_PLAN_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_PLAN_H_

#include <string>

#include "kvant/core/row_map.h"
#include "kvant/ops/dequant_swiglu_quant/groups.h"
#include "kvant/ops/dequant_swiglu_quant/rules.h"
#include "kvant/rowwise/cuda_rows.h"
#include "kvant/rowwise/cuda_tuning.h"

namespace kvant::swiglu {

// Groups of four values that a thread keeps of a row.
inline constexpr int kSwigluHeld = 2;

struct CudaPlan {
  const char* op = kOp.data();  // the host's address: a device would have another for the same text
  CudaFaultRecord* faults = nullptr;
  Problem problem;
  Groups groups;
  SwigluMode mode = SwigluMode::kSwish;
  bool interleaved = false;
  bool dynamic = false;
  Format format = Format::kInt8;
  DType x_dtype = DType::kInt32;
  float d = 0;
  Grid grid;  // of rows: kRowX, kRowY, kRowScale; bytes
  char* data[kGridTensors] = {};
  int64_t x_step = 0, y_step = 0;
  int64_t act = 0, lin = 0;  // columns of x from a row's start to its gates and its linear parts
  const char* activation = nullptr;
  RowMap activation_rows;
  bool lean = false;   // four neighbours of x, of tables, and their codes are aligned words
  bool plain = false;  // and int32 has a float32 weight for each column and no other table, mode 0, dynamic
};

// Of legal arguments.
CudaPlan MakeCudaPlan(const DequantSwigluQuantArgs& args, const Problem& problem);

// How a plan is launched, and whether values are held.
struct SwigluChoice {
  int held = 0;
  CudaShape shape;
};
inline SwigluChoice ChooseSwiglu(const CudaTraits& traits, const CudaPlan& plan) {
  const int64_t quads = CeilDiv(plan.problem.columns, 4);
  const CudaTuning& tuning = TuningOf(traits);
  SwigluChoice choice;
  CudaShape& shape = choice.shape;
  int64_t width = CeilDiv(quads, kSwigluHeld);
  // Values that are not held may be made by any number of threads.
  if (width <= static_cast<int64_t>(kMostThreads) * tuning.max_cluster || !plan.dynamic) {
    choice.held = plan.lean ? kSwigluHeld : 0;
  }
  if (choice.held == 0 || !plan.dynamic) width = std::min<int64_t>(quads, plan.dynamic ? kMostThreads : 256);
  ShapeRows(tuning, traits, plan.problem.rows, 1, width, &shape);
  return choice;
}

template <class Queue>
Status RunOn(Queue& queue, const DequantSwigluQuantArgs& args) {
  Problem problem;
  KVANT_RETURN_IF_ERROR(CheckInputs(args, &problem));
  KVANT_RETURN_IF_ERROR(CheckOutputs(args, queue.device));
  CudaPlan plan = MakeCudaPlan(args, problem);
  plan.faults = queue.faults;
  if (problem.rows == 0 && plan.groups.none()) return {};
  if (problem.rows >= kMostRowsInHand) {
    return Status::Unavailable(std::string(kOp) + ": x has " + std::to_string(problem.rows) +
                               " rows, expected less than 2^30");
  }
  const SwigluChoice choice = ChooseSwiglu(queue.traits, plan);
  return LaunchSwiglu(queue, choice.held, plan, choice.shape);
}

}  // namespace kvant::swiglu

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_PLAN_H_
