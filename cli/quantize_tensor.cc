#include "cli/quantize_tensor.h"

#include <cmath>
#include <limits>

#include "cli/io/message.h"
#include "kvant/core/row_groups.h"
#include "kvant/ops/params/params.h"
#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/ops/row_stats/row_stats.h"

namespace kvant::cli {
namespace {

// Statistics are merged by the rules of row_minmax: NaN stays, and -0 is less than +0.
float Merge(float a, float b, bool smaller) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<float>::quiet_NaN();
  if (a == b) return std::signbit(a) == smaller ? a : b;
  return (a < b) == smaller ? a : b;
}

void MergeAll(const float* from, float* into, int64_t n, bool smaller) {
  for (int64_t i = 0; i < n; ++i) into[i] = Merge(into[i], from[i], smaller);
}

class Quantizer {
 public:
  Quantizer(const QuantizeTask& task, const Streaming& how)
      : task_(task),
        how_(how),
        args_(task.args),
        mode_(args_.quant_mode),
        x_dtype_(*ToDType(task.x.entry->type)),
        storage_(StorageType(args_.dst_type)),
        per_element_(CodesPerElement(args_.dst_type, storage_)),
        tensor_(WholeTensor(task.x.entry->shape, mode_)) {
    // Even, so that pairs of INT4 stay together.
    max_elements_ = std::max<int64_t>(how.block_bytes / ByteSize(x_dtype_) / 2 * 2, 2);
  }

  Status Check() {
    std::array<char, 64> memory;  // pretended: values are not read
    args_.x = ViewBox(static_cast<const void*>(memory.data()), x_dtype_, tensor_, mode_);
    if (mode_ == QuantMode::kPerChannel && task_.x.entry->shape.size() < 2) {
      return Status::InvalidValue("dynamic_quant: x has one dimension, quant_mode perchannel needs at least 2");
    }
    DynamicQuantOutputs outputs;
    KVANT_RETURN_IF_ERROR(InferDynamicQuant(args_, &outputs));
    if (!args_.group_index.present()) return {};
    return RowGroups(args_.group_index).Check("dynamic_quant", tensor_.rows());
  }

  std::array<int64_t, 3> Domains() const { return DomainSize(tensor_, mode_, args_.group_size, max_elements_); }
  bool OnePass(const Box& domain) const { return Pieces(domain) == domain.size || domain.elements() == 0; }
  const Box& tensor() const { return tensor_; }

  Status Run() {
    return ForEachBox(tensor_, Domains(), [&](const Box& domain) {
      return OnePass(domain) ? QuantizeAtOnce(domain) : QuantizeTwice(domain);
    });
  }

 private:
  std::array<int64_t, 3> Pieces(const Box& domain) const {
    // A domain that is one block already stays one, also where a single row or group exceeds the limit.
    return PieceSize(domain, mode_ == QuantMode::kPerToken && args_.group_size > 0 ? args_.group_size : 2,
                     max_elements_);
  }

  Status Load(const Box& box) {
    const int64_t bytes = box.elements() * ByteSize(x_dtype_);
    KVANT_RETURN_IF_ERROR(ReadBox(task_.x, tensor_, box, ByteSize(x_dtype_) * 8, x_.Resize(bytes)));
    args_.x = ViewBox(static_cast<const void*>(x_.data()), x_dtype_, box, mode_);
    SliceSmooth(box);
    if (how_.progress != nullptr) how_.progress->Advance(bytes);
    return {};
  }

  // The part of smooth_scales and group_index that belongs to a box.
  void SliceSmooth(const Box& box) {
    const ConstTensorView& smooth = task_.args.smooth_scales;
    if (!smooth.present()) return;
    const bool per_channel = mode_ == QuantMode::kPerChannel;
    const int64_t first = box.first[per_channel ? 1 : 2], n = per_channel ? box.rows() : box.columns();
    const void* const data = static_cast<const char*>(smooth.data()) + first * ByteSize(smooth.dtype());
    if (smooth.rank() == 1) {
      args_.smooth_scales = {data, smooth.dtype(), {n}};
      return;
    }
    args_.smooth_scales = {data, smooth.dtype(), {smooth.shape(0), n}, {smooth.shape(1), 1}};
    const RowGroups groups(task_.args.group_index);
    ends_.resize(static_cast<size_t>(groups.size()));
    for (int64_t i = 0; i < groups.size(); ++i) {
      ends_[static_cast<size_t>(i)] = std::clamp<int64_t>(groups.end(i) - box.first[1], 0, box.rows());
    }
    args_.group_index = {ends_.data(), DType::kInt64, {groups.size()}};
  }

  void ViewCodes(const Box& box) {
    codes_.Resize(box.elements() / per_element_ * ByteSize(storage_));
    args_.y = ViewBox(static_cast<void*>(codes_.data()), storage_, box, mode_, per_element_);
  }

  void ViewScales(const Box& box, int64_t count) {
    scale_.Resize(count * 4);
    args_.scale = ViewParams(scale_.floats(), box, mode_, args_.group_size);
    if (args_.symmetric) return;
    offset_.Resize(count * 4);
    args_.offset = ViewParams(offset_.floats(), box, mode_, args_.group_size);
  }

  Status WriteCodes(const Box& box) const {
    return WriteBox(task_.codes, tensor_, box, Info(args_.dst_type).bits, codes_.data());
  }

  Status WriteScales(const ParamRange& range) const {
    KVANT_RETURN_IF_ERROR(task_.scale.Write(range.first * 4, scale_.data(), range.count * 4));
    return args_.symmetric ? Status() : task_.offset.Write(range.first * 4, offset_.data(), range.count * 4);
  }

  Status QuantizeAtOnce(const Box& domain) {
    const ParamRange range = ParamsOf(tensor_, domain, mode_, args_.group_size);
    KVANT_RETURN_IF_ERROR(Load(domain));
    ViewCodes(domain);
    ViewScales(domain, range.count);
    KVANT_RETURN_IF_ERROR(DynamicQuant(args_, how_.exec));
    KVANT_RETURN_IF_ERROR(WriteCodes(domain));
    return WriteScales(range);
  }

  // One scale, or for perchannel one per column, from several pieces.
  Status QuantizeTwice(const Box& domain) {
    const ParamRange range = ParamsOf(tensor_, domain, mode_, args_.group_size);
    ViewScales(domain, range.count);
    KVANT_RETURN_IF_ERROR(Measure(domain, range.count));
    KVANT_RETURN_IF_ERROR(MakeParams(range.count));
    KVANT_RETURN_IF_ERROR(WriteScales(range));
    return ForEachBox(domain, Pieces(domain), [&](const Box& piece) {
      KVANT_RETURN_IF_ERROR(Load(piece));
      ViewCodes(piece);
      QuantizeWithParamsArgs encode;
      encode.x = args_.x;
      encode.scale = ViewParams(scale_.floats(), piece, mode_, 0);
      if (!args_.symmetric) encode.offset = ViewParams(offset_.floats(), piece, mode_, 0);
      encode.smooth_scales = args_.smooth_scales;
      encode.group_index = args_.group_index;
      encode.dst_type = args_.dst_type;
      encode.quant_mode = mode_;
      encode.y = args_.y;
      KVANT_RETURN_IF_ERROR(QuantizeWithParams(encode, how_.exec));
      return WriteCodes(piece);
    });
  }

  // amax into scale_, or min into scale_ and max into offset_.
  Status Measure(const Box& domain, int64_t count) {
    std::fill_n(scale_.floats(), count, args_.symmetric ? 0.0f : std::numeric_limits<float>::infinity());
    if (!args_.symmetric) std::fill_n(offset_.floats(), count, -std::numeric_limits<float>::infinity());
    low_.Resize(count * 4);
    high_.Resize(count * 4);
    return ForEachBox(domain, Pieces(domain), [&](const Box& piece) {
      KVANT_RETURN_IF_ERROR(Load(piece));
      RowStatsArgs stats;
      stats.x = args_.x;
      stats.smooth_scales = args_.smooth_scales;
      stats.group_index = args_.group_index;
      stats.quant_mode = mode_;
      if (args_.symmetric) {
        stats.amax = ViewParams(high_.floats(), piece, mode_, 0);
        KVANT_RETURN_IF_ERROR(RowAmax(stats, how_.exec));
        MergeAll(high_.floats(), scale_.floats(), count, false);
        return Status();
      }
      stats.min = ViewParams(low_.floats(), piece, mode_, 0);
      stats.max = ViewParams(high_.floats(), piece, mode_, 0);
      KVANT_RETURN_IF_ERROR(RowMinMax(stats, how_.exec));
      MergeAll(low_.floats(), scale_.floats(), count, true);
      MergeAll(high_.floats(), offset_.floats(), count, false);
      return Status();
    });
  }

  Status MakeParams(int64_t count) {
    const TensorView scale(scale_.floats(), DType::kFloat32, {count});
    if (args_.symmetric) return ParamsFromAmax({scale, args_.dst_type, args_.dst_type_max, scale});
    const TensorView offset(offset_.floats(), DType::kFloat32, {count});
    return ParamsFromMinMax({scale, offset, args_.dst_type, args_.dst_type_max, scale, offset});
  }

  const QuantizeTask& task_;
  const Streaming& how_;
  DynamicQuantArgs args_;
  const QuantMode mode_;
  const DType x_dtype_, storage_;
  const int64_t per_element_;
  const Box tensor_;
  int64_t max_elements_ = 0;
  Buffer x_, codes_, scale_, offset_, low_, high_;
  std::vector<int64_t> ends_;
};

}  // namespace

Status CheckQuantize(const QuantizeTask& task) { return Quantizer(task, Streaming()).Check(); }

int64_t BytesToRead(const QuantizeTask& task, int64_t block_bytes) {
  Streaming how;
  how.block_bytes = block_bytes;
  const Quantizer quantizer(task, how);
  Box domain = quantizer.tensor();
  domain.size = quantizer.Domains();
  return task.x.entry->bytes * (quantizer.OnePass(domain) ? 1 : 2);
}

Status QuantizeTensor(const QuantizeTask& task, const Streaming& how) { return Quantizer(task, how).Run(); }

}  // namespace kvant::cli
