#include "kvant/rowwise/cuda_rows.h"

#include "kvant/rowwise/make_plan.h"

namespace kvant {
namespace {

char* Data(const ConstTensorView& t) { return static_cast<char*>(const_cast<void*>(t.data())); }

int64_t Bytes(const ConstTensorView& t, int d) { return t.present() ? t.stride(d) * ByteSize(t.dtype()) : 0; }

// Elements of t without its last `dropped` dimensions.
int64_t Count(const ConstTensorView& t, int dropped) {
  int64_t n = 1;
  for (int d = 0; d < t.rank() - dropped; ++d) n *= t.shape(d);
  return n;
}

template <class Plan>
void PlanSmooth(const ConstTensorView& smooth, Plan* plan) {
  if (!smooth.present()) return;
  plan->smooth = Data(smooth);
  plan->smooth_dtype = smooth.dtype();
  plan->smooth_step = Bytes(smooth, -1);
}

}  // namespace

void PlanCudaRows(const RowwiseInputs& in, const RowwiseOutputs& out, CudaRows* plan) {
  const ConstTensorView& x = in.x;
  plan->per_tensor = in.quant_mode == QuantMode::kPerTensor;
  plan->x_dtype = x.dtype();
  plan->columns = in.group_size != 0 ? in.group_size : x.shape(-1);
  plan->rows_per_token = in.group_size != 0 ? x.shape(-1) / in.group_size : 1;
  plan->tokens = Count(x, 1);
  plan->rows = plan->tokens * plan->rows_per_token;
  const bool packed = plan->format == Format::kInt4;
  plan->x_step = Bytes(x, -1);
  plan->y_step = packed ? 1 : Bytes(out.codes, -1);
  plan->data[kRowX] = Data(x);
  plan->data[kRowY] = Data(out.codes);
  plan->data[kRowScale] = Data(out.first);
  plan->data[kRowOffset] = Data(out.second);
  plan->grid.rank = 0;
  for (int d = 0; d < x.rank() - 1; ++d) {
    Grid::Dim dim{x.shape(d), {Bytes(x, d), Bytes(out.codes, d), 0, 0}};
    if (!plan->per_tensor) {
      dim.stride[kRowScale] = Bytes(out.first, d);
      dim.stride[kRowOffset] = Bytes(out.second, d);
    }
    plan->grid.Add(dim);
  }
  if (in.group_size != 0) {
    plan->grid.Add({plan->rows_per_token,
                    {plan->columns * plan->x_step, plan->columns * plan->y_step / (packed ? 2 : 1),
                     Bytes(out.first, -1), Bytes(out.second, -1)}});
  }
  plan->grid.Join(/*keep_last=*/false);
  PlanSmooth(in.smooth_scales, plan);
  if (in.smooth_scales.rank() == 2) plan->smooth_group_stride = Bytes(in.smooth_scales, 0);
  plan->grouped = in.group_index.present();
  if (plan->grouped) plan->groups = RowGroups(in.group_index);
}

bool TakesVectors(const CudaRows& p) {
  constexpr int64_t kBytes = 16;
  const int64_t x_bytes = ByteSize(p.x_dtype), elements = kBytes / x_bytes;
  const int64_t code_bytes = CodeBytes(p.format, elements);
  if (p.columns == 0 || p.columns % elements != 0 || p.x_step != x_bytes || p.y_step != 1) return false;
  const auto aligned = [](const char* at, int64_t bytes) { return reinterpret_cast<uintptr_t>(at) % bytes == 0; };
  bool whole = aligned(p.data[kRowX], kBytes) && aligned(p.data[kRowY], code_bytes);
  for (int d = 0; d < p.grid.rank; ++d) {
    whole = whole && p.grid.dims[d].stride[kRowX] % kBytes == 0 && p.grid.dims[d].stride[kRowY] % code_bytes == 0;
  }
  if (p.scatter.on) {
    whole = whole && p.scatter.update_stride[kRowX] % kBytes == 0 && p.scatter.first_stride[kRowY] % code_bytes == 0 &&
            p.scatter.axis_stride[kRowY] % code_bytes == 0;
  }
  if (p.smooth == nullptr) return whole;
  const int64_t smooth_bytes = elements * ByteSize(p.smooth_dtype),
                word = smooth_bytes < kBytes ? smooth_bytes : kBytes;
  return whole && p.smooth_step == ByteSize(p.smooth_dtype) && aligned(p.smooth, word) &&
         p.smooth_group_stride % word == 0 && p.columns * p.smooth_step % word == 0;
}

void PlanCudaColumns(const RowwiseInputs& in, const RowwiseOutputs& out, CudaColumns* plan) {
  const ConstTensorView& x = in.x;
  plan->x_dtype = x.dtype();
  plan->leads = Count(x, 2);
  plan->rows = x.shape(-2);
  plan->columns = x.shape(-1);
  const ConstTensorView* tensors[] = {&x, &out.codes, &out.first, &out.second};
  for (int t = 0; t < kGridTensors; ++t) {
    plan->data[t] = Data(*tensors[t]);
    plan->column_step[t] = Bytes(*tensors[t], -1);
  }
  if (plan->format == Format::kInt4) plan->column_step[kRowY] = 1;
  plan->row_step[kRowX] = Bytes(x, -2);
  plan->row_step[kRowY] = Bytes(out.codes, -2);
  plan->grid.rank = 0;
  for (int d = 0; d < x.rank() - 2; ++d) {
    plan->grid.Add({x.shape(d), {Bytes(x, d), Bytes(out.codes, d), Bytes(out.first, d), Bytes(out.second, d)}});
  }
  plan->grid.Join(/*keep_last=*/false);
  PlanSmooth(in.smooth_scales, plan);
}

}  // namespace kvant
