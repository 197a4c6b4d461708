// Runs row-wise plans on a queue: cuda::Queue (cuda_queue.h), or one that tests run on the host. A queue is passed to
// Launch functions that argument-dependent lookup finds, and has
//
//   Device device                            where tensors have to be
//   CudaTraits traits
//   CudaFaultRecord* faults
//   void* workspace; size_t workspace_bytes
//   bool deterministic
//
// Every function allocates nothing and waits for nothing.
#ifndef KVANT_ROWWISE_CUDA_RUN_H_
#define KVANT_ROWWISE_CUDA_RUN_H_

#include <algorithm>
#include <string>

#include "kvant/rowwise/cuda_rows.h"
#include "kvant/rowwise/cuda_tuning.h"
#include "kvant/rowwise/make_plan.h"

namespace kvant {

// The kernels of cuda_rows.cuh and cuda_columns.cuh.
enum class CudaStep : uint8_t {
  kRows,
  kMeasure,
  kStatistics,
  kEncode,
  kMeasureColumns,
  kColumnStatistics,
  kEncodeColumns,
};

namespace cuda {

inline constexpr int64_t kPartialBytes = sizeof(MinMaxBits);

// Pieces of rows that make a few long ones enough work, if there is memory for what is known of each.
inline int64_t SegmentsOf(const CudaRows& p) {
  constexpr int64_t kManyRows = 256;
  if (p.per_tensor) return std::max<int64_t>(CeilDiv(p.columns, kCudaSegment), 1);
  return p.rows >= kManyRows || p.scatter.on ? 1 : std::max<int64_t>(CeilDiv(p.columns, 4 * kCudaSegment), 1);
}
// Bytes that have to be there, and bytes that make it faster.
struct Workspace {
  int64_t needed, useful;
};
inline Workspace WorkspaceOf(const CudaRows& p) {
  if (p.stage == Stage::kEncode) return {0, 0};
  if (p.per_tensor) return {kCudaMeasuringTeams * kPartialBytes, kCudaMeasuringTeams * kPartialBytes};
  const int64_t segments = SegmentsOf(p);
  return {0, segments == 1 ? 0 : p.rows * segments * kPartialBytes};
}
inline int64_t ColumnSegments(const CudaColumns& p) {
  return std::max<int64_t>(CeilDiv(p.rows, kCudaColumnSegment), 1);
}
inline Workspace WorkspaceOf(const CudaColumns& p) {
  if (p.stage == Stage::kEncode) return {0, 0};
  const int64_t bytes = p.leads * ColumnSegments(p) * p.columns * kPartialBytes;
  return {bytes, bytes};
}

template <class Queue>
Status CheckWorkspace(const Queue& queue, const char* op, int64_t needed) {
  const bool aligned = reinterpret_cast<uintptr_t>(queue.workspace) % 16 == 0;
  if (needed == 0 || (queue.workspace != nullptr && aligned && static_cast<int64_t>(queue.workspace_bytes) >= needed)) {
    return {};
  }
  return Status::InvalidValue(std::string(op) + ": workspace has " +
                              std::to_string(queue.workspace == nullptr ? 0 : queue.workspace_bytes) +
                              " bytes, expected " + std::to_string(needed) + ", aligned to 16");
}

// How a plan's rows are kept in registers, if they can be.
inline RowChoice ChooseRows(const CudaTraits& traits, const CudaRows& p) {
  if (p.stage != Stage::kBoth || p.per_tensor || p.rows > kMostRowsInHand || !TakesVectors(p)) return {};
  return ChooseRowKernel(traits, p.rows, p.columns * ByteSize(p.x_dtype) / 16, p.smooth != nullptr || p.grouped);
}

// What a launch adds to a plan.
template <class Queue>
void Prepare(const Queue& queue, CudaRows* p) {
  p->faults = queue.faults;
  p->scatter.deterministic = queue.deterministic;
  p->scatter.by_update = Divisor(static_cast<uint32_t>(p->scatter.rows_per_update));
  p->by_token = Divisor(static_cast<uint32_t>(p->rows_per_token));
}

template <class Queue>
Status RunRows(Queue& queue, CudaRows p) {
  const Workspace workspace = WorkspaceOf(p);
  KVANT_RETURN_IF_ERROR(CheckWorkspace(queue, p.op, workspace.needed));
  Prepare(queue, &p);
  if (const RowChoice choice = ChooseRows(queue.traits, p); choice.variant != RowVariant::kNone) {
    return p.rows == 0 && !p.grouped ? Status() : LaunchRows(queue, CudaStep::kRows, choice.variant, p, choice.shape);
  }
  const bool room = workspace.useful != 0 && queue.workspace != nullptr &&
                    static_cast<int64_t>(queue.workspace_bytes) >= workspace.useful;
  if (room || p.per_tensor) {
    p.segments = SegmentsOf(p);
    p.segment_size = kCudaSegment * (p.per_tensor ? 1 : 4);
  }
  const CudaShape encode = ChooseUnits(queue.traits, p.rows * p.segments, std::min(p.columns, kCudaSegment));
  if (p.stage == Stage::kEncode) {
    return p.rows == 0 && !p.grouped ? Status() : LaunchRows(queue, CudaStep::kEncode, RowVariant::kNone, p, encode);
  }
  if (!room) {
    if (p.rows == 0 && !p.grouped) return {};
    return LaunchRows(queue, p.stage == Stage::kMeasure ? CudaStep::kMeasure : CudaStep::kEncode, RowVariant::kNone, p,
                      encode);
  }
  CudaShape measure = encode;
  p.partial = static_cast<MinMaxBits*>(queue.workspace);
  if (p.per_tensor) {
    measure.blocks = std::min(measure.blocks, kCudaMeasuringTeams * measure.width / measure.threads);
    p.partials = measure.teams();
  }
  KVANT_RETURN_IF_ERROR(LaunchRows(queue, CudaStep::kMeasure, RowVariant::kNone, p, measure));
  if (p.stage == Stage::kMeasure) {
    const int64_t rows = p.per_tensor ? 1 : p.rows;
    return LaunchRows(queue, CudaStep::kStatistics, RowVariant::kNone, p, ChooseUnits(queue.traits, rows, kWarp));
  }
  return LaunchRows(queue, CudaStep::kEncode, RowVariant::kNone, p, encode);
}

// Two scatters, in one launch where they are of one kind.
template <class Queue>
Status RunTwoRows(Queue& queue, const CudaRows& first, const CudaRows& second) {
  CudaTwoRows both{{first, second}};
  RowChoice choice = ChooseRows(queue.traits, first);
  const RowChoice other = ChooseRows(queue.traits, second);
  const bool alike = first.x_dtype == second.x_dtype && first.format == second.format &&
                     first.asymmetric == second.asymmetric && choice.variant == other.variant &&
                     choice.shape.threads == other.shape.threads && choice.shape.width == other.shape.width;
  if (choice.variant == RowVariant::kNone || !alike || first.smooth != nullptr || second.smooth != nullptr) {
    KVANT_RETURN_IF_ERROR(RunRows(queue, first));
    return RunRows(queue, second);
  }
  for (CudaRows& p : both.of) Prepare(queue, &p);
  choice.shape.blocks = 2 * std::max(choice.shape.blocks, other.shape.blocks);
  return first.rows == 0 && second.rows == 0 ? Status() : LaunchTwoRows(queue, choice.variant, both, choice.shape);
}

template <class Queue>
Status RunColumns(Queue& queue, const char* op, CudaColumns p) {
  KVANT_RETURN_IF_ERROR(CheckWorkspace(queue, op, WorkspaceOf(p).needed));
  p.partial = static_cast<MinMaxBits*>(queue.workspace);
  p.segments = ColumnSegments(p);
  p.segment_size = kCudaColumnSegment;
  CudaShape shape;
  shape.threads = shape.width = 128;
  if (p.leads * p.columns == 0) return {};
  const int64_t tiles = CeilDiv(p.columns, 2 * shape.width);
  shape.blocks = std::min<int64_t>(p.leads * p.segments * tiles, static_cast<int64_t>(queue.traits.sms) * 64);
  if (p.stage != Stage::kEncode) {
    KVANT_RETURN_IF_ERROR(LaunchColumns(queue, CudaStep::kMeasureColumns, p, shape));
  }
  if (p.stage == Stage::kMeasure) return LaunchColumns(queue, CudaStep::kColumnStatistics, p, shape);
  return LaunchColumns(queue, CudaStep::kEncodeColumns, p, shape);
}

// A row-wise operator of any mode: `flags` has op, stage, asymmetric, amax_only, format, d and r.
struct RowwiseFlags {
  const char* op;
  Stage stage;
  bool asymmetric, amax_only;
  Format format;
  float d, r;
};

inline CudaRows RowsOf(const RowwiseFlags& flags, const RowwiseInputs& in, const RowwiseOutputs& out) {
  CudaRows p;
  p.op = flags.op;
  p.stage = flags.stage;
  p.asymmetric = flags.asymmetric;
  p.amax_only = flags.amax_only;
  p.format = flags.format;
  p.d = flags.d;
  p.r = flags.r;
  PlanCudaRows(in, out, &p);
  return p;
}
inline CudaColumns ColumnsOf(const RowwiseFlags& flags, const RowwiseInputs& in, const RowwiseOutputs& out) {
  CudaColumns p;
  p.stage = flags.stage;
  p.asymmetric = flags.asymmetric;
  p.amax_only = flags.amax_only;
  p.format = flags.format;
  p.d = flags.d;
  p.r = flags.r;
  PlanCudaColumns(in, out, &p);
  return p;
}

template <class Queue>
Status RunRowwise(Queue& queue, const RowwiseFlags& flags, const RowwiseInputs& in, const RowwiseOutputs& out) {
  if (in.quant_mode == QuantMode::kPerChannel) return RunColumns(queue, flags.op, ColumnsOf(flags, in, out));
  return RunRows(queue, RowsOf(flags, in, out));
}

// Device memory that such a call makes use of; the results do not have to be there.
inline int64_t RowwiseWorkspace(const RowwiseFlags& flags, const RowwiseInputs& in, const RowwiseOutputs& out) {
  if (in.quant_mode == QuantMode::kPerChannel) return WorkspaceOf(ColumnsOf(flags, in, out)).useful;
  return WorkspaceOf(RowsOf(flags, in, out)).useful;
}

}  // namespace cuda
}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_RUN_H_
