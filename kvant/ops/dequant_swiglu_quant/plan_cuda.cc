#include "kvant/ops/dequant_swiglu_quant/cuda_plan.h"

namespace kvant::swiglu {
namespace {

int64_t Bytes(const ConstTensorView& t, int d) { return t.stride(d) * ByteSize(t.dtype()); }

// Whether four neighbouring numbers of each row of a table lie in a word, or all columns share one.
bool TakesWords(const Table& t) {
  if (!t.present || t.step == 0) return true;
  const int64_t word = 4 * ByteSize(t.dtype);
  return t.step == ByteSize(t.dtype) && reinterpret_cast<uintptr_t>(t.data) % static_cast<uintptr_t>(word) == 0 &&
         (t.rows == 1 || t.row_stride % word == 0);
}

// The same of elements of x, of each half, of codes and of tables.
bool TakesWords(const CudaPlan& p) {
  const int64_t x_bytes = ByteSize(p.x_dtype), word = 4 * x_bytes;
  bool whole =
      p.problem.columns != 0 && p.problem.columns % 4 == 0 && !p.interleaved && p.x_step == x_bytes && p.y_step == 1;
  whole = whole && reinterpret_cast<uintptr_t>(p.data[kRowX]) % static_cast<uintptr_t>(word) == 0 &&
          reinterpret_cast<uintptr_t>(p.data[kRowY]) % 4 == 0;
  for (int d = 0; d < p.grid.rank; ++d) {
    whole = whole && p.grid.dims[d].stride[kRowX] % word == 0 && p.grid.dims[d].stride[kRowY] % 4 == 0;
  }
  const Problem& tables = p.problem;
  return whole && TakesWords(tables.weight_scale) && TakesWords(tables.bias) && TakesWords(tables.quant_scale) &&
         TakesWords(tables.quant_offset);
}

}  // namespace

CudaPlan MakeCudaPlan(const DequantSwigluQuantArgs& args, const Problem& problem) {
  CudaPlan p;
  p.problem = problem;
  p.groups = Groups(args.group_index, problem);
  p.mode = args.swiglu_mode;
  p.interleaved = args.swiglu_mode == SwigluMode::kClampedInterleaved;
  p.dynamic = args.quant_mode == ScaleSource::kDynamic;
  p.format = args.dst_type;
  p.x_dtype = args.x.dtype();
  p.d = Info(args.dst_type).d;
  const ConstTensorView y = args.y, scale = args.scale;
  for (int d = 0; d < args.x.rank() - 1; ++d) {
    p.grid.Add({args.x.shape(d), {Bytes(args.x, d), Bytes(y, d), Bytes(scale, d), 0}});
  }
  p.grid.Join(/*keep_last=*/false);
  p.data[kRowX] = static_cast<char*>(const_cast<void*>(args.x.data()));
  p.data[kRowY] = static_cast<char*>(args.y.data());
  p.data[kRowScale] = static_cast<char*>(args.scale.data());
  p.x_step = Bytes(args.x, -1);
  p.y_step = Bytes(y, -1);
  const int64_t second = p.interleaved ? 1 : problem.columns;
  const bool act_first = p.interleaved || args.activate_left;
  p.act = act_first ? 0 : second;
  p.lin = act_first ? second : 0;
  if (args.activation_scale.present()) {
    p.activation = static_cast<const char*>(args.activation_scale.data());
    p.activation_rows.AppendLeading(args.activation_scale, 0);
  }
  p.lean = TakesWords(p);
  p.plain = p.lean && p.dynamic && p.mode == SwigluMode::kSwish && p.x_dtype == DType::kInt32 &&
            problem.weight_scale.present && problem.weight_scale.dtype == DType::kFloat32 &&
            problem.weight_scale.step != 0 && !problem.bias.present && !problem.quant_scale.present;
  return p;
}

}  // namespace kvant::swiglu
