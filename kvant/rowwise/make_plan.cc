#include "kvant/rowwise/make_plan.h"

#include <algorithm>

#include "kvant/core/row_groups.h"
#include "kvant/rowwise/cpu_tuning.h"

namespace kvant {
namespace {

char* Data(const ConstTensorView& t) { return static_cast<char*>(const_cast<void*>(t.data())); }

// Rows of `columns` elements, `rows_per_token` of them along the last dimension. Packed codes lie bytewise, `packed` to
// a byte. Perchannel rows have two dimensions.
void MapMatrix(const ConstTensorView& t, const RowwisePlan& plan, int64_t packed, MatrixMap* m) {
  m->data = Data(t);
  m->step = packed > 1 ? 1 : t.stride(-1) * ByteSize(t.dtype());
  const bool per_channel = plan.mode == QuantMode::kPerChannel;
  m->row_step = per_channel ? t.stride(-2) * ByteSize(t.dtype()) : 0;
  m->rows.AppendLeading(t, per_channel ? 2 : 1);
  m->rows.Append(plan.rows_per_token, plan.columns * m->step / packed);
}

void MapVector(const ConstTensorView& t, QuantMode mode, VectorMap* v) {
  if (!t.present()) return;
  v->data = Data(t);
  if (mode == QuantMode::kPerTensor) return;
  const bool per_channel = mode == QuantMode::kPerChannel;
  if (per_channel) v->step = t.stride(-1) * static_cast<int64_t>(sizeof(float));
  v->rows.AppendLeading(t, per_channel ? 1 : 0);
}

int64_t Product(const ConstTensorView& t, int dropped) {
  int64_t n = 1;
  for (int d = 0; d < t.rank() - dropped; ++d) n *= t.shape(d);
  return n;
}

// Rows that follow each other without a gap are one long row where all share their parameters.
void JoinRows(RowwisePlan* plan) {
  const auto joined = [](const MatrixMap& m, int64_t row_bytes) {
    return m.data == nullptr || (m.rows.regular() && m.rows.step() == row_bytes);
  };
  const int64_t packed = plan->format == Format::kInt4 ? 2 : 1;
  if (plan->mode != QuantMode::kPerTensor || plan->smooth != nullptr || plan->rows <= 1) return;
  if (!joined(plan->x, plan->columns * plan->x.step) || !joined(plan->y, plan->columns * plan->y.step / packed)) return;
  plan->columns *= plan->rows;
  plan->rows = 1;
}

bool Streams(const RowwisePlan& plan, int64_t code_bytes, Stores stores) {
  if (plan.stage == Stage::kMeasure || plan.mode == QuantMode::kPerChannel || plan.y.step != 1) return false;
  return stores == Stores::kStreaming || (stores == Stores::kAuto && code_bytes > kStreamingBytes);
}

}  // namespace

Status MakeRowwisePlan(const RowwiseInputs& in, const RowwiseOutputs& out, const ExecOptions& exec, RowwisePlan* plan) {
  const ConstTensorView& x = in.x;
  const bool per_channel = in.quant_mode == QuantMode::kPerChannel;
  const int64_t tokens = Product(x, 1);
  if (in.group_index.present()) {
    KVANT_RETURN_IF_ERROR(RowGroups(in.group_index).Check(in.op, tokens));
    plan->group_index = in.group_index;
  }
  Target target{};
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  plan->kernels = &GetRowKernels(target, x.dtype());
  plan->mode = in.quant_mode;
  plan->x_dtype = x.dtype();
  plan->columns = in.group_size != 0 ? std::min(in.group_size, x.shape(-1)) : x.shape(-1);
  plan->rows_per_token = in.group_size != 0 ? x.shape(-1) / in.group_size : 1;
  plan->rows = per_channel ? x.shape(-2) : tokens * plan->rows_per_token;
  plan->leads = per_channel ? Product(x, 2) : 1;
  MapMatrix(x, *plan, 1, &plan->x);
  int64_t code_bytes = 0;
  if (out.codes.present()) {
    MapMatrix(out.codes, *plan, plan->format == Format::kInt4 ? 2 : 1, &plan->y);
    code_bytes = out.codes.elements() * ByteSize(out.codes.dtype());
  }
  MapVector(out.first, in.quant_mode, &plan->scale);
  MapVector(out.second, in.quant_mode, &plan->offset);
  if (in.smooth_scales.present()) {
    const ConstTensorView& smooth = in.smooth_scales;
    const int64_t bytes = ByteSize(smooth.dtype());
    plan->smooth = Data(smooth);
    plan->smooth_dtype = smooth.dtype();
    plan->smooth_step = smooth.stride(-1) * bytes;
    plan->smooth_group_stride = smooth.rank() == 2 ? smooth.stride(0) * bytes : 0;
  }
  JoinRows(plan);
  plan->streaming = Streams(*plan, code_bytes, exec.stores);
  if (x.elements() < 2 * kElementsPerTask) {
    CutWork(1, plan);
  } else {
    CutWork(NumThreads(exec), plan);
  }
  return {};
}

}  // namespace kvant
