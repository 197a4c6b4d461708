#include "kvant/rowwise/plain.h"

#include <cstring>

#include "kvant/numerics/fp_env.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/drive_rows.h"
#include "kvant/rowwise/regular.h"
#include "kvant/rowwise/row_params.h"

namespace kvant {
namespace {

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

// What RowTask does with a row that is too short for flushing subnormals to pay.
void QuantizeShortRow(const PlainRows& p) {
  const float d = Info(p.format).d, r = RangeFor(p.format, d);
  const FpEnv env(FpEnv::kDefault);
  const bool asymmetric = p.offset != nullptr;
  const MinMaxBits bits = asymmetric ? p.kernels->min_max(p.x, nullptr, p.columns, nullptr)
                                     : MinMaxBits{0, p.kernels->amax(p.x, nullptr, p.columns, nullptr)};
  const MinMaxValues v = ValuesOf(bits, /*empty_is_zero=*/true);
  const RowParams params = ParamsOf(v.min, v.max, asymmetric, d, r);
  std::memcpy(p.scale, &params.scale, sizeof(float));
  if (asymmetric) std::memcpy(p.offset, &params.offset, sizeof(float));
  auto* const y = reinterpret_cast<uint8_t*>(p.y);
  if (!asymmetric && params.scale == 0) {
    std::memset(y, 0, static_cast<size_t>(CodeBytes(p.format, p.columns)));
    return;
  }
  const Path path = PathRule(p.format, asymmetric).For(params.scale, params.offset);
  p.kernels->encode[static_cast<int>(p.format)][asymmetric][false][static_cast<int>(path)](
      {p.x, nullptr, p.columns, y, nullptr, p.kernels->flags}, params);
}

}  // namespace

bool FindPlainRows(Format format, bool asymmetric, const ConstTensorView& x, const ConstTensorView& y,
                   const ConstTensorView& scale, const ConstTensorView& offset, PlainRows* p) {
  const int rank = x.rank();
  if (format > LastOf(format) || rank < 1 || rank > kMaxRank || !IsFloat(x.dtype()) || !IsHere(x, x.dtype(), rank))
    return false;
  if (!IsHere(y, StorageType(format), rank) || !IsHere(scale, DType::kFloat32, rank - 1)) return false;
  if (asymmetric ? !IsHere(offset, DType::kFloat32, rank - 1) : offset.present()) return false;
  const int packing = format == Format::kInt4 ? 1 : 0;
  if (!IsPlain(x, y, scale, asymmetric ? &offset : nullptr, packing, &p->rows)) return false;
  p->columns = x.shape(rank - 1);
  const int64_t elements = p->rows * p->columns;
  if (elements >= 2 * kElementsPerTask) return false;

  const auto data = [](const ConstTensorView& t) { return static_cast<char*>(const_cast<void*>(t.data())); };
  const int64_t param_bytes = p->rows * static_cast<int64_t>(sizeof(float));
  p->x = data(x);
  p->y = data(y);
  p->scale = data(scale);
  p->offset = asymmetric ? data(offset) : nullptr;
  const ByteRange all[] = {{p->x, elements * ByteSize(x.dtype())},
                           {p->y, elements >> packing},
                           {p->scale, param_bytes},
                           {p->offset, param_bytes}};
  for (int i = 0; i < (asymmetric ? 4 : 3); ++i) {
    for (int j = 0; j < i; ++j) {
      if (all[i].Meets(all[j])) return false;
    }
  }
  Target target{};
  if (!ActiveTarget(&target).ok()) return false;
  p->kernels = &GetRowKernels(target, x.dtype());
  p->format = format;
  p->x_dtype = x.dtype();
  return true;
}

void PlanPlainRows(const PlainRows& p, RowwisePlan* plan) {
  plan->kernels = p.kernels;
  plan->format = p.format;
  plan->asymmetric = p.offset != nullptr;
  plan->d = Info(p.format).d;
  plan->r = RangeFor(p.format, plan->d);
  plan->x_dtype = p.x_dtype;
  plan->rows = p.rows;
  plan->columns = p.columns;
  plan->x.data = p.x;
  plan->x.step = ByteSize(p.x_dtype);
  plan->x.rows.Append(p.rows, p.columns * plan->x.step);
  plan->y.data = p.y;
  plan->y.step = 1;
  plan->y.rows.Append(p.rows, CodeBytes(p.format, p.columns));
  plan->scale.data = p.scale;
  plan->scale.rows.Append(p.rows, sizeof(float));
  if (p.offset != nullptr) {
    plan->offset.data = p.offset;
    plan->offset.rows.Append(p.rows, sizeof(float));
  }
  plan->segments = 0;
}

void QuantizePlainRows(const PlainRows& p) {
  if (p.rows == 1 && p.columns < kFlushFrom) return QuantizeShortRow(p);
  RowwisePlan plan;
  PlanPlainRows(p, &plan);
  DriveRows(plan, 0, plan.rows);
}

}  // namespace kvant
