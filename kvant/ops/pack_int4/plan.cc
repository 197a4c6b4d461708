#include <algorithm>

#include "kvant/ops/pack_int4/kernels.h"
#include "kvant/ops/pack_int4/rules.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/grid.h"
#include "kvant/rowwise/pieces.h"

namespace kvant {
namespace {

// The grid's tensors; strides count codes.
enum : int { kResult, kSource };

struct PackPlan {
  const pack_int4::Kernels* kernels;
  Grid grid;
  int codes;  // which tensor has a byte per code
  char* data[2];
};

// `n` codes from the source to the result, one of which is packed.
void Convert(const PackPlan& plan, const char* source, int64_t n, char* result) {
  if (plan.codes == kSource) {
    plan.kernels->pack(reinterpret_cast<const int8_t*>(source), n, reinterpret_cast<uint8_t*>(result));
  } else {
    plan.kernels->unpack(reinterpret_cast<const uint8_t*>(source), n, reinterpret_cast<int8_t*>(result));
  }
}

void RunPart(const void* arg, const GridPart& part) {
  const PackPlan& plan = *static_cast<const PackPlan*>(arg);
  const int64_t step = plan.grid.column_stride(plan.codes);
  const bool packs = plan.codes == kSource;
  GridRows rows(plan.grid, part.row);
  for (int64_t row = part.row; row < part.row_end; ++row, rows.Advance(1)) {
    const auto at = [&](int tensor, int64_t column) {
      const int64_t code = rows.offset(tensor) + column * plan.grid.column_stride(tensor);
      return plan.data[tensor] + (tensor == plan.codes ? code : code / 2);
    };
    if (step == 1) {
      Convert(plan, at(kSource, part.column), part.column_end - part.column, at(kResult, part.column));
      continue;
    }
    char piece[kPiece];
    for (int64_t c = part.column; c < part.column_end; c += kPiece) {
      const int64_t n = std::min(kPiece, part.column_end - c);
      if (packs) Gather(at(kSource, c), step, n, 1, piece);
      Convert(plan, packs ? piece : at(kSource, c), n, packs ? at(kResult, c) : piece);
      if (!packs) Scatter(piece, n, step, at(kResult, c));
    }
  }
}

Status Run(const ConstTensorView& codes, const ConstTensorView& packed, bool packs, const ExecOptions& exec) {
  if (codes.elements() == 0) return {};
  Target target{};
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  PackPlan plan;
  plan.kernels = &pack_int4::GetKernels(target);
  plan.codes = packs ? kSource : kResult;
  plan.data[plan.codes] = static_cast<char*>(const_cast<void*>(codes.data()));
  plan.data[1 - plan.codes] = static_cast<char*>(const_cast<void*>(packed.data()));
  const int64_t per_element = CodesPerElement(Format::kInt4, packed.dtype());
  const int last = codes.rank() - 1;
  for (int d = 0; d <= last; ++d) {
    Grid::Dim dim{codes.shape(d), {}};
    dim.stride[plan.codes] = codes.stride(d);
    dim.stride[1 - plan.codes] = d == last ? 1 : packed.stride(d) * per_element;
    plan.grid.Add(dim);
  }
  plan.grid.Normalize(/*keep_last=*/true);
  RunGrid(plan.grid, CutGrid(plan.grid, exec), exec, RunPart, &plan);
  return {};
}

}  // namespace

Status InferPackInt4(const PackInt4Args& args, DType storage, TensorSpec* packed) {
  KVANT_RETURN_IF_ERROR(pack_int4::CheckCodesInput(args.codes, storage));
  *packed = CodeSpec(args.codes, Format::kInt4, storage);
  return {};
}

Status PackInt4(const PackInt4Args& args, const ExecOptions& exec) {
  KVANT_RETURN_IF_ERROR(pack_int4::Check(args));
  return Run(args.codes, args.packed, /*packs=*/true, exec);
}

Status InferUnpackInt4(const UnpackInt4Args& args, TensorSpec* codes) {
  TensorSpec spec;
  KVANT_RETURN_IF_ERROR(pack_int4::CheckPackedInput(args.packed, &spec));
  *codes = spec;
  return {};
}

Status UnpackInt4(const UnpackInt4Args& args, const ExecOptions& exec) {
  KVANT_RETURN_IF_ERROR(pack_int4::Check(args));
  return Run(args.codes, args.packed, /*packs=*/false, exec);
}

}  // namespace kvant
