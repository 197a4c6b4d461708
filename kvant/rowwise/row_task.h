// How one task of a row-wise plan measures and encodes rows, wherever they are.
#ifndef KVANT_ROWWISE_ROW_TASK_H_
#define KVANT_ROWWISE_ROW_TASK_H_

#include <algorithm>
#include <bit>
#include <cstring>

#include "kvant/numerics/fp_env.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/pieces.h"
#include "kvant/rowwise/regular.h"
#include "kvant/rowwise/row_params.h"

namespace kvant {

// Where the parts of a row are. `row` counts rows of x, for smooth scales.
struct RowAddress {
  int64_t row;
  const char* x;
  char* y;
  char* scale;   // kMeasure: the first result
  char* offset;  // asymmetric; kMeasure: the second result
};

// What is asked for while a row is encoded, if anything: what will be read, and what will be written.
struct Asked {
  const char* x = nullptr;
  const char* y = nullptr;
};

// How the kernels of a plan store, and what they ask for. Integers from beyond L2 are limited by memory: what is to
// come waits in L2, where it pushes nothing out of L1 (4096x7168 of float16 from DRAM: 20 to 40 % faster). In L2, and
// with formats that take longer, that was 5 to 10 % slower.
inline uint32_t FlagsOf(const RowwisePlan& plan) {
  uint32_t flags = plan.kernels->flags;
  if (plan.streaming) flags |= kStreamStores;
  const bool far = plan.rows * plan.columns * ByteSize(plan.x_dtype) >= kBeyondL2;
  if (far && IsInteger(plan.format)) flags |= kFetchToL2;
  if (plan.fetches_quarter) flags |= kFetchQuarter;
  return flags;
}

// One task's view of a plan: how to measure and encode a stretch of a row. Io is PieceIo or DirectIo.
template <class Io>
class RowTask {
 public:
  explicit RowTask(const RowwisePlan& plan)
      : plan_(plan),
        io_(plan),
        flushes_(plan.kernels->flush_subnormals && plan.x_dtype != DType::kFloat16 && plan.smooth == nullptr &&
                 plan.rows * plan.columns >= kFlushFrom),
        needs_min_(plan.stage == Stage::kMeasure ? !plan.amax_only : plan.asymmetric || plan.stage == Stage::kEncode),
        rule_(plan.format, plan.asymmetric),
        flags_(FlagsOf(plan)),
        encoders_(plan.kernels->encode[static_cast<int>(plan.format)][plan.asymmetric][plan.smooth != nullptr]) {}

  FpEnv::Mode env() const { return flushes_ ? FpEnv::kFlush : FpEnv::kDefault; }

  // Where a plan without scattering has its rows.
  RowAddress At(int64_t row) const {
    return {row, plan_.x.data + plan_.x.rows.At(row), plan_.y.data + plan_.y.rows.At(row),
            plan_.scale.data + plan_.scale.rows.At(row), plan_.offset.data + plan_.offset.rows.At(row)};
  }

  // Statistics of columns [from, to) of a row. Where only the magnitude matters it is the maximum.
  MinMaxBits Measure(const RowAddress& at, int64_t from, int64_t to, const void* prefetch = nullptr) {
    MinMaxBits bits;
    for (int64_t c = from; c < to;) {
      const int64_t n = std::min(to - c, io_.limit());
      const auto in = io_.Read(at.x, at.row, c, n);
      const MinMaxBits piece = needs_min_ ? plan_.kernels->min_max(in.x, in.smooth, n, prefetch)
                                          : MinMaxBits{0, plan_.kernels->amax(in.x, in.smooth, n, prefetch)};
      if (n == to - from) return piece;
      bits = Merge(bits, piece);
      c += n;
    }
    return bits;
  }

  Path PathOf(const RowParams& p) const { return rule_.For(p.scale, p.offset); }

  // The same for parameters that are not quite the row's own: the fast paths hold if its codes stay in range.
  Path PathOf(const RowParams& p, const MinMaxBits& bits) const {
    MinMaxValues v = ValuesOf(bits, true);
    if (!needs_min_) v.min = -v.max;
    const float low = v.min / p.scale + p.offset, high = v.max / p.scale + p.offset;
    const float least = plan_.d - plan_.r;
    return low >= least - rule_.slack && high <= plan_.d + rule_.slack ? PathOf(p) : Path::kExact;
  }

  RowParams Params(const MinMaxBits& bits) const {
    const MinMaxValues v = ValuesOf(bits, /*empty_is_zero=*/true);
    return ParamsOf(v.min, v.max, plan_.asymmetric, plan_.d, plan_.r, plan_.param_dtype);
  }

  void Store(const RowAddress& at, const RowParams& p) const {
    Put(at.scale, p.scale);
    if (plan_.asymmetric) Put(at.offset, p.offset, plan_.negate_offset);
  }

  void StoreStatistics(const RowAddress& at, const MinMaxBits& bits) const {
    const MinMaxValues v = ValuesOf(bits, /*empty_is_zero=*/plan_.amax_only);
    Put(at.scale, plan_.amax_only ? v.max : v.min);
    if (!plan_.amax_only) Put(at.offset, v.max);
  }

  void Encode(const RowAddress& at, int64_t from, int64_t to, const RowParams& p, Path path, const Asked& asked) {
    const bool all_zero = !plan_.asymmetric && p.scale == 0;
    for (int64_t c = from; c < to;) {
      const int64_t n = std::min(to - c, io_.limit());
      uint8_t* y = io_.Target(at.y, c);
      if (all_zero) {
        std::memset(y, 0, static_cast<size_t>(CodeBytes(plan_.format, n)));
      } else {
        const auto in = io_.Read(at.x, at.row, c, n);
        encoders_[static_cast<int>(path)]({in.x, in.smooth, n, y, asked.x, flags_, asked.y}, p);
      }
      if (!io_.direct()) io_.Flush(at.y, c, n);
      c += n;
    }
  }

  // Codes of a stretch whose parameters are its own row's; kExact leaves the flushing state.
  void EncodeOwn(const RowAddress& at, int64_t from, int64_t to, const RowParams& p, Path path, const Asked& asked) {
    if (path == Path::kExact) {
      const FpEnv exact(FpEnv::kDefault);
      Encode(at, from, to, p, path, asked);
    } else {
      Encode(at, from, to, p, path, asked);
    }
  }

  // Parameters that somebody else chose.
  RowParams GivenParams(const RowAddress& at) const {
    RowParams p{};
    p.scale = Get(at.scale);
    if (plan_.asymmetric) p.offset = Get(at.offset);
    p.inverse = 1.0f / p.scale;
    return p;
  }

  void EncodeGiven(const RowAddress& at, int64_t from, int64_t to, const Asked& asked) {
    const RowParams p = GivenParams(at);
    Path path = PathOf(p);
    if (path != Path::kExact && from < to) path = PathOf(p, Measure(at, from, to, MeasuringAsks(asked)));
    const FpEnv env(path == Path::kExact || !flushes_ ? FpEnv::kDefault : FpEnv::kFlush);
    Encode(at, from, to, p, path, asked);
  }

  // A row whose parameters are known and stored.
  struct Measured {
    RowAddress at;
    RowParams params;
    Path path;
  };

  // Their parameters are stored when they are known.
  Measured MeasureRow(const RowAddress& at, const Asked& asked) {
    const MinMaxBits bits = Measure(at, 0, plan_.columns, MeasuringAsks(asked));
    RowParams p = Params(bits);
    if (flushes_ && PathOf(p) == Path::kExact) {
      const FpEnv exact(FpEnv::kDefault);  // the division may have been flushed
      p = Params(bits);
    }
    Store(at, p);
    return {at, p, plan_.param_dtype == DType::kFloat32 ? PathOf(p) : PathOf(p, bits)};
  }

  void EncodeRow(const Measured& m, const Asked& asked) { EncodeOwn(m.at, 0, plan_.columns, m.params, m.path, asked); }

  bool direct() const { return io_.direct(); }

  uint32_t flags() const { return flags_; }
  bool fetches_to_l2() const { return (flags_ & kFetchToL2) != 0; }
  // Whether what will be written is worth asking for: a store waits for the line that it changes.
  bool asks_for_y() const { return fetches_to_l2() && (flags_ & kStreamStores) == 0; }

  // Stores a parameter. `negate` flips the sign bit, that of a NaN too.
  void Put(char* to, float value, bool negate = false) const {
    if (plan_.param_dtype == DType::kFloat32) {
      const uint32_t bits = std::bit_cast<uint32_t>(value) ^ (negate ? 0x80000000u : 0);
      std::memcpy(to, &bits, sizeof(bits));
    } else {
      const uint16_t kept =
          plan_.param_dtype == DType::kFloat16 ? FromFloat32<Float16>(value).bits : FromFloat32<BFloat16>(value).bits;
      const uint16_t bits = negate ? kept ^ 0x8000 : kept;
      std::memcpy(to, &bits, sizeof(bits));
    }
  }

 private:
  // What measuring asks for of what encoding asks for as well.
  const void* MeasuringAsks(const Asked& asked) const { return fetches_to_l2() ? nullptr : asked.x; }

  static float Get(const char* from) {
    float value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  }

  const RowwisePlan& plan_;
  Io io_;
  const bool flushes_, needs_min_;
  const PathRule rule_;
  const uint32_t flags_;
  const EncodeFunction (&encoders_)[kNumPaths];
};

}  // namespace kvant

#endif  // KVANT_ROWWISE_ROW_TASK_H_
