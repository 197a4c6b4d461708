// DLPack tensors for tests of the C API.
#ifndef KVANT_TESTING_DL_TENSOR_H_
#define KVANT_TESTING_DL_TENSOR_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "kvant/c_api.h"

namespace kvant {

inline constexpr DLDataType kDlFloat32 = {kDLFloat, 32, 1};
inline constexpr DLDataType kDlInt8 = {kDLInt, 8, 1};
inline constexpr DLDataType kDlUInt8 = {kDLUInt, 8, 1};

// A DLTensor together with the shape and strides that it points to; no strides: row-major.
struct DlTensor : DLTensor {
  DlTensor(void* memory, DLDataType type, std::vector<int64_t> extents, std::vector<int64_t> steps = {})
      : DLTensor(), extents_(std::move(extents)), steps_(std::move(steps)) {
    data = memory;
    device = {kDLCPU, 0};
    dtype = type;
    ndim = static_cast<int32_t>(extents_.size());
    shape = extents_.data();
    strides = steps_.empty() ? nullptr : steps_.data();
  }
  DlTensor(const DlTensor&) = delete;
  DlTensor& operator=(const DlTensor&) = delete;

 private:
  std::vector<int64_t> extents_, steps_;
};

}  // namespace kvant

#endif  // KVANT_TESTING_DL_TENSOR_H_
