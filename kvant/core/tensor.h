// Views of tensors that somebody else owns: data, dtype, shape and strides.
#ifndef KVANT_CORE_TENSOR_H_
#define KVANT_CORE_TENSOR_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <span>

#include "kvant/core/dtype.h"

namespace kvant {

// The largest rank a view can have.
inline constexpr int kMaxRank = 32;

enum class Device : uint8_t { kCpu, kCuda };

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ does not see that the extents below `rank` are set,
#pragma GCC diagnostic ignored "-Warray-bounds"         // nor that there are as many
#endif
// Copies the first `rank` of these, one by one where they are few: compilers make a string instruction of a loop, which
// is slow to start, and a wide load of what was just stored in parts has to wait for it.
inline void CopyExtents(int rank, const int64_t* from, int64_t* to) {
  switch (rank) {
    case 4:
      to[3] = from[3];
      [[fallthrough]];
    case 3:
      to[2] = from[2];
      [[fallthrough]];
    case 2:
      to[1] = from[1];
      [[fallthrough]];
    case 1:
      to[0] = from[0];
      break;
    default:
      if (rank > 4) std::memcpy(to, from, static_cast<size_t>(std::min(rank, kMaxRank)) * sizeof(int64_t));
  }
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

// A tensor's memory as the caller laid it out, read-only. `data` is a multiple of the size of an element. Strides count
// elements, may be 0 or negative, and every size is 64-bit. A default-constructed view means "argument absent". Only
// the first rank() extents and strides hold values; copies move no more than those.
class ConstTensorView {
 public:
  ConstTensorView() {}  // NOLINT(modernize-use-equals-default): keeps {} from clearing the unused extents
  ConstTensorView(const void* data, DType dtype, std::span<const int64_t> shape, std::span<const int64_t> strides)
      : data_(data), rank_(static_cast<int>(shape.size())), dtype_(dtype) {
    if (shape.size() != strides.size()) {
      rank_ = kMismatched;
      std::fill_n(shape_, kMaxRank, 0);
      std::fill_n(strides_, kMaxRank, 0);
      shape_[0] = static_cast<int64_t>(shape.size());
      strides_[0] = static_cast<int64_t>(strides.size());
      return;
    }
    CopyExtents(rank_, shape.data(), shape_);
    CopyExtents(rank_, strides.data(), strides_);
  }
  // Row-major, without gaps.
  ConstTensorView(const void* data, DType dtype, std::span<const int64_t> shape)
      : data_(data), rank_(static_cast<int>(shape.size())), dtype_(dtype) {
    uint64_t stride = 1;  // of sizes that no memory has it may wrap
    for (int d = std::min(rank_, kMaxRank) - 1; d >= 0; --d) {
      shape_[d] = shape[d];
      strides_[d] = static_cast<int64_t>(stride);
      stride *= static_cast<uint64_t>(shape[d] > 1 ? shape[d] : 1);
    }
  }
  ConstTensorView(const void* data, DType dtype, std::initializer_list<int64_t> shape)
      : ConstTensorView(data, dtype, std::span<const int64_t>(shape.begin(), shape.size())) {}
  ConstTensorView(const void* data, DType dtype, std::initializer_list<int64_t> shape,
                  std::initializer_list<int64_t> strides)
      : ConstTensorView(data, dtype, std::span<const int64_t>(shape.begin(), shape.size()),
                        std::span<const int64_t>(strides.begin(), strides.size())) {}

  ConstTensorView(const ConstTensorView& o) : data_(o.data_), rank_(o.rank_), dtype_(o.dtype_), device_(o.device_) {
    CopyDims(o);
  }
  ConstTensorView& operator=(const ConstTensorView& o) {
    data_ = o.data_;
    rank_ = o.rank_;
    dtype_ = o.dtype_;
    device_ = o.device_;
    CopyDims(o);
    return *this;
  }

  bool present() const { return rank_ >= 0; }
  const void* data() const { return data_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  void set_device(Device device) { device_ = device; }
  // -1 for an absent argument. Above kMaxRank the extents are cut off: operators refuse such a view. kMismatched, which
  // is above it, where there were not as many strides as extents; shape(0) and stride(0) are how many then.
  int rank() const { return rank_; }
  static constexpr int kMismatched = std::numeric_limits<int>::max();
  // Negative d counts from the end.
  int64_t shape(int d) const { return shape_[d < 0 ? d + rank_ : d]; }
  int64_t stride(int d) const { return strides_[d < 0 ? d + rank_ : d]; }
  std::span<const int64_t> shape() const { return {shape_, Dims()}; }
  std::span<const int64_t> strides() const { return {strides_, Dims()}; }

  int64_t elements() const {
    uint64_t n = 1;
    for (const int64_t extent : shape()) n *= static_cast<uint64_t>(extent);
    return static_cast<int64_t>(n);
  }

 private:
  size_t Dims() const { return static_cast<size_t>(std::clamp(rank_, 0, kMaxRank)); }
  void CopyDims(const ConstTensorView& o) {
    CopyExtents(o.rank_, o.shape_, shape_);
    CopyExtents(o.rank_, o.strides_, strides_);
  }

  const void* data_ = nullptr;
  int rank_ = -1;
  DType dtype_ = DType::kFloat32;
  Device device_ = Device::kCpu;
  int64_t shape_[kMaxRank];
  int64_t strides_[kMaxRank];
};

// The same for memory that may be written. Every writable view is also a read-only one.
class TensorView : public ConstTensorView {
 public:
  TensorView() {}  // NOLINT(modernize-use-equals-default)
  TensorView(void* data, DType dtype, std::span<const int64_t> shape, std::span<const int64_t> strides)
      : ConstTensorView(data, dtype, shape, strides) {}
  TensorView(void* data, DType dtype, std::span<const int64_t> shape) : ConstTensorView(data, dtype, shape) {}
  TensorView(void* data, DType dtype, std::initializer_list<int64_t> shape) : ConstTensorView(data, dtype, shape) {}
  TensorView(void* data, DType dtype, std::initializer_list<int64_t> shape, std::initializer_list<int64_t> strides)
      : ConstTensorView(data, dtype, shape, strides) {}

  void* data() const { return const_cast<void*>(ConstTensorView::data()); }
};

// What a result must look like: dtype and shape, before anybody allocates it.
struct TensorSpec {
  DType dtype = DType::kFloat32;
  int rank = 0;
  int64_t shape[kMaxRank];

  TensorSpec() {}  // NOLINT(modernize-use-equals-default): keeps {} from clearing the unused extents
  TensorSpec(const TensorSpec& o) : dtype(o.dtype), rank(o.rank) { CopyExtents(rank, o.shape, shape); }
  TensorSpec& operator=(const TensorSpec& o) {
    dtype = o.dtype;
    rank = o.rank;
    CopyExtents(rank, o.shape, shape);
    return *this;
  }

  std::span<const int64_t> dims() const { return {shape, static_cast<size_t>(rank)}; }
  int64_t elements() const {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= shape[d];
    return n;
  }
  int64_t bytes() const { return elements() * ByteSize(dtype); }
};

}  // namespace kvant

#endif  // KVANT_CORE_TENSOR_H_
