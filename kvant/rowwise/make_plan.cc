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
  plan->columns = in.group_size != 0 ? in.group_size : x.shape(-1);
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

namespace {

bool IsHere(const ConstTensorView& t, DType dtype, int rank) {
  return t.rank() == rank && t.dtype() == dtype && t.data() != nullptr && t.device() == Device::kCpu;
}

// Whether extents are positive and alike and everything is row-major: y like x, its last dimension 2^packing times
// shorter, and parameters like x without that dimension. Counts the rows.
bool IsPlain(const ConstTensorView& x, const ConstTensorView& y, const ConstTensorView& scale,
             const ConstTensorView* offset, int packing, int64_t* all_rows) {
  const int last = x.rank() - 1;
  const int64_t columns = x.shape(last), codes = columns >> packing;
  if (columns <= 0 || codes << packing != columns || y.shape(last) != codes) return false;
  if (x.stride(last) != 1 || y.stride(last) != 1) return false;
  int64_t rows = 1;
  for (int d = last - 1; d >= 0; --d) {
    const int64_t extent = x.shape(d);
    if (extent <= 0 || y.shape(d) != extent || scale.shape(d) != extent) return false;
    if (x.stride(d) != rows * columns || y.stride(d) != rows * codes || scale.stride(d) != rows) return false;
    if (offset != nullptr && (offset->shape(d) != extent || offset->stride(d) != rows)) return false;
    rows *= extent;
  }
  *all_rows = rows;
  return true;
}

}  // namespace

bool MakePlainPlan(const ConstTensorView& x, const ConstTensorView& y, const ConstTensorView& scale,
                   const ConstTensorView& offset, RowwisePlan* plan) {
  const int rank = x.rank();
  if (rank < 1 || rank > kMaxRank || !IsFloat(x.dtype()) || !IsHere(x, x.dtype(), rank)) return false;
  if (!IsHere(y, StorageType(plan->format), rank) || !IsHere(scale, DType::kFloat32, rank - 1)) return false;
  if (plan->asymmetric ? !IsHere(offset, DType::kFloat32, rank - 1) : offset.present()) return false;
  const int packing = plan->format == Format::kInt4 ? 1 : 0;
  int64_t rows = 0;
  if (!IsPlain(x, y, scale, plan->asymmetric ? &offset : nullptr, packing, &rows)) return false;
  const int64_t columns = x.shape(rank - 1);
  if (rows * columns >= 2 * kElementsPerTask) return false;

  const char* x_data = Data(x);
  const char* y_data = Data(y);
  const char* scale_data = Data(scale);
  const int64_t x_bytes = rows * columns * ByteSize(x.dtype()), y_bytes = rows * columns >> packing;
  const int64_t param_bytes = rows * static_cast<int64_t>(sizeof(float));
  const auto apart = [](const char* a, int64_t a_bytes, const char* b, int64_t b_bytes) {
    return a + a_bytes <= b || b + b_bytes <= a;
  };
  if (!apart(x_data, x_bytes, y_data, y_bytes) || !apart(x_data, x_bytes, scale_data, param_bytes) ||
      !apart(y_data, y_bytes, scale_data, param_bytes)) {
    return false;
  }
  if (plan->asymmetric) {
    const char* offset_data = Data(offset);
    if (!apart(x_data, x_bytes, offset_data, param_bytes) || !apart(y_data, y_bytes, offset_data, param_bytes) ||
        !apart(scale_data, param_bytes, offset_data, param_bytes)) {
      return false;
    }
    plan->offset.data = Data(offset);
    plan->offset.rows.Append(rows, sizeof(float));
  }
  Target target{};
  if (!ActiveTarget(&target).ok()) return false;
  plan->kernels = &GetRowKernels(target, x.dtype());
  plan->x_dtype = x.dtype();
  plan->rows = rows;
  plan->columns = columns;
  plan->x.data = Data(x);
  plan->x.step = ByteSize(x.dtype());
  plan->x.rows.Append(rows, columns * plan->x.step);
  plan->y.data = Data(y);
  plan->y.step = 1;
  plan->y.rows.Append(rows, columns >> packing);
  plan->scale.data = Data(scale);
  plan->scale.rows.Append(rows, sizeof(float));
  plan->segments = 0;
  return true;
}

}  // namespace kvant
