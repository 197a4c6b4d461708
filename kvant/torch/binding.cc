#include "kvant/torch/binding.h"

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/c/shim.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <stdexcept>
#include <string>

#if defined(KVANT_TORCH_CUDA)
// Symbols of the CUDA side of libtorch, declared by the header only where CUDA's own headers are. Those for whichever
// accelerator there is are not used: under kvant.npu torch believes that it is an NPU.
extern "C" {
AOTITorchError aoti_torch_create_cuda_guard(int32_t device_index, CUDAGuardOpaque** guard);
AOTITorchError aoti_torch_delete_cuda_guard(CUDAGuardOpaque* guard);
AOTITorchError aoti_torch_get_current_cuda_stream(int32_t device_index, void** stream);
}
#endif

namespace kvant::binding {
namespace {

struct Dtypes {
  int32_t torch;
  DType kvant;
};

// torch's numbers are asked for: their values are not part of its ABI.
const auto& KnownDtypes() {
  static const Dtypes known[] = {
      {aoti_torch_dtype_float16(), DType::kFloat16},
      {aoti_torch_dtype_bfloat16(), DType::kBFloat16},
      {aoti_torch_dtype_float32(), DType::kFloat32},
      {aoti_torch_dtype_int8(), DType::kInt8},
      {aoti_torch_dtype_uint8(), DType::kUInt8},
      {aoti_torch_dtype_int32(), DType::kInt32},
      {aoti_torch_dtype_int64(), DType::kInt64},
      {aoti_torch_dtype_float8_e4m3fn(), DType::kFloat8E4M3FN},
      {aoti_torch_dtype_float8_e5m2(), DType::kFloat8E5M2},
      {aoti_torch_dtype_float64(), DType::kFloat64},
      {aoti_torch_dtype_int16(), DType::kInt16},
      {aoti_torch_dtype_uint16(), DType::kUInt16},
      {aoti_torch_dtype_uint32(), DType::kUInt32},
      {aoti_torch_dtype_uint64(), DType::kUInt64},
      {aoti_torch_dtype_bool(), DType::kBool},
      {aoti_torch_dtype_complex64(), DType::kComplex64},
      {aoti_torch_dtype_complex128(), DType::kComplex128},
  };
  return known;
}

const Dtypes* Find(int32_t torch_dtype) {
  const auto& known = KnownDtypes();
  const auto* found = std::ranges::find(known, torch_dtype, &Dtypes::torch);
  return found == std::end(known) ? nullptr : found;
}

int32_t TorchDtype(DType dtype) { return std::ranges::find(KnownDtypes(), dtype, &Dtypes::kvant)->torch; }

int32_t TorchDtype(const Tensor& t) {
  int32_t dtype = 0;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_dtype(t.get(), &dtype));
  return dtype;
}

std::string DtypeName(const Tensor& t) { return torch::headeronly::toString(t.scalar_type()); }

struct Dims {
  std::span<const int64_t> shape, strides;
};

Dims DimsOf(const Tensor& t) {
  const auto shape = t.sizes();
  const auto strides = t.strides();
  return {{shape.data(), shape.size()}, {strides.data(), strides.size()}};
}

#if !defined(KVANT_TORCH_CUDA)
void RunOnTorchThreads(void*, int tasks, void (*body)(void* arg, int task), void* arg) {
  struct Job {
    void (*body)(void*, int);
    void* arg;
  } job = {body, arg};
  TORCH_ERROR_CODE_CHECK(torch_parallel_for(
      0, tasks, 1,
      [](int64_t begin, int64_t end, void* context) {
        const auto& todo = *static_cast<const Job*>(context);
        for (int64_t t = begin; t < end; ++t) todo.body(todo.arg, static_cast<int>(t));
      },
      &job));
}
#endif

#if defined(KVANT_TORCH_CUDA)
constexpr Device kDevice = Device::kCuda;
thread_local int32_t t_device = -1;  // of the call in progress; outside of calls negative, which is the current one
int32_t DeviceIndex() { return t_device; }
int32_t DeviceType() { return aoti_torch_device_type_cuda(); }
#else
constexpr Device kDevice = Device::kCpu;
int32_t DeviceIndex() { return 0; }
int32_t DeviceType() { return aoti_torch_device_type_cpu(); }
#endif

Tensor Empty(std::span<const int64_t> shape, int32_t torch_dtype) {
  int64_t strides[kMaxRank];
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= std::max<int64_t>(shape[d], 1);
  }
  AtenTensorHandle handle = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(static_cast<int64_t>(shape.size()), shape.data(), strides,
                                                  torch_dtype, DeviceType(), DeviceIndex(), &handle));
  return Tensor(handle);
}

// The Python exception that a code stands for. The wrappers raise it; they know these names.
const char* PythonName(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidValue:
      return "ValueError";
    case StatusCode::kInvalidType:
      return "TypeError";
    case StatusCode::kOutOfRange:
      return "IndexError";
    case StatusCode::kOutOfMemory:
      return "MemoryError";
    default:
      return "NotImplementedError";
  }
}

}  // namespace

#if defined(KVANT_TORCH_CUDA)
namespace {

std::atomic<bool> g_deterministic = false;

void SetDeterministic(bool deterministic) { g_deterministic = deterministic; }
void CheckErrorsOfStream() { Check(cuda::CheckErrors(Exec().stream)); }

STABLE_TORCH_LIBRARY_FRAGMENT(kvant, m) {
  m.def("_cuda_set_deterministic(bool deterministic) -> ()");
  m.def("_cuda_check_errors() -> ()");
}
STABLE_TORCH_LIBRARY_IMPL(kvant, CompositeExplicitAutograd, m) {
  m.impl("_cuda_set_deterministic", TORCH_BOX(&SetDeterministic));
  m.impl("_cuda_check_errors", TORCH_BOX(&CheckErrorsOfStream));
}

}  // namespace
#endif

void Check(const Status& status) {
#if defined(KVANT_TORCH_CUDA)
  if (status.code() == StatusCode::kUnavailable) throw std::runtime_error(status.message());  // of CUDA itself
#endif
  if (!status.ok()) throw std::runtime_error(std::string(PythonName(status.code())) + ": " + status.message());
}

#if defined(KVANT_TORCH_CUDA)
OnDevice::OnDevice(int32_t device) {
  if (device < 0) return;
  TORCH_ERROR_CODE_CHECK(aoti_torch_create_cuda_guard(device, &guard_));
  t_device = device;
}

OnDevice::~OnDevice() {
  if (guard_ == nullptr) return;
  t_device = -1;
  aoti_torch_delete_cuda_guard(guard_);
}

CudaExec Exec(int64_t workspace_bytes) {
  CudaExec exec;
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(DeviceIndex(), &stream));
  exec.stream = static_cast<CUstream_st*>(stream);
  exec.deterministic = g_deterministic;
  if (workspace_bytes != 0) {
    exec.memory = Empty(std::span<const int64_t>(&workspace_bytes, 1), aoti_torch_dtype_uint8());
    exec.workspace = exec.memory->mutable_data_ptr();
    exec.workspace_bytes = static_cast<size_t>(workspace_bytes);
  }
  return exec;
}
#else
ExecOptions Exec(int64_t) {
  static thread_local ParallelFor threads = {.run = RunOnTorchThreads};
  uint32_t count = 1;
  TORCH_ERROR_CODE_CHECK(torch_get_num_threads(&count));
  threads.num_threads = static_cast<int>(count);
  return {.parallel = &threads};
}
#endif

Tensor Empty(const TensorSpec& spec) { return Empty(spec.dims(), TorchDtype(spec.dtype)); }

TensorSpec StoredAs(DType storage, TensorSpec bytes) {
  if (storage == DType::kInt32 && bytes.rank > 0) bytes.shape[bytes.rank - 1] /= 4;
  bytes.dtype = storage;
  return bytes;
}

// The dispatcher looks at some tensor; all of them have to be where the kernels are.
void Reader::CheckDevice(const char* name, const Tensor& t) const {
  const auto fail = [&](const std::string& text) {
    Check(Status::InvalidValue(std::string(op_) + ": " + name + text));
  };
#if defined(KVANT_TORCH_CUDA)
  if (!t.is_cuda()) return fail(" is not a CUDA tensor");
  if (const int32_t device = t.get_device_index(); device != DeviceIndex()) {
    fail(" is on cuda:" + std::to_string(device) + ", but another tensor is on cuda:" + std::to_string(DeviceIndex()));
  }
#else
  if (!t.is_cpu()) fail(" is not a CPU tensor");
#endif
}

ConstTensorView Reader::In(const char* name, const Tensor& t) const {
  const Dtypes* dtype = Find(TorchDtype(t));
  if (dtype == nullptr) {
    Check(
        Status::InvalidType(std::string(op_) + ": " + name + " is " + DtypeName(t) + ", a dtype kvant does not know"));
  }
  CheckDevice(name, t);
  const Dims dims = DimsOf(t);
  ConstTensorView view(t.const_data_ptr(), dtype->kvant, dims.shape, dims.strides);
  view.set_device(kDevice);
  return view;
}

ConstTensorView Reader::In(const char* name, const Maybe& t) const {
  return t.has_value() ? In(name, *t) : ConstTensorView();
}

TensorView Reader::Out(const char* name, const Tensor& t) const {
  const ConstTensorView view = In(name, t);
  TensorView out(t.mutable_data_ptr(), view.dtype(), view.shape(), view.strides());
  out.set_device(kDevice);
  return out;
}

TensorView Reader::Out(const char* name, const Maybe& t) const { return t.has_value() ? Out(name, *t) : TensorView(); }

TensorView Reader::OutBytes(const Tensor& t, DType stands_for) const {
  CheckDevice("self", t);
  const Dims dims = DimsOf(t);
  TensorView out(t.mutable_data_ptr(), stands_for, dims.shape, dims.strides);
  out.set_device(kDevice);
  return out;
}

Reader::Bytes Reader::InBytes(const Tensor& self, const Tensor& updates) const {
  const int32_t dtype = TorchDtype(self);
  if (Find(dtype) != nullptr || dtype != TorchDtype(updates)) {
    return {In("self", self), In("updates", updates)};
  }
  const size_t size = aoti_torch_dtype_element_size(dtype);
  const DType same_size[] = {DType::kUInt8, DType::kFloat16, DType::kInt32, DType::kInt64};
  const auto* stands_for = std::ranges::find(same_size, static_cast<int64_t>(size), ByteSize);
  if (stands_for == std::end(same_size)) In("self", self);  // says which dtype it is
  CheckDevice("self", self);
  CheckDevice("updates", updates);
  const Dims to = DimsOf(self);
  const Dims from = DimsOf(updates);
  Bytes bytes{{self.const_data_ptr(), *stands_for, to.shape, to.strides},
              {updates.const_data_ptr(), *stands_for, from.shape, from.strides}};
  bytes.self.set_device(kDevice);
  bytes.updates.set_device(kDevice);
  return bytes;
}

Tensor Reader::EmptyLike(const Tensor& self) const {
  if (self.dim() > kMaxRank) In("self", self);
  return Empty(DimsOf(self).shape, TorchDtype(self));
}

Coded Reader::FormatCode(int64_t code) const {
  switch (code) {
    case 285:
      return {Format::kInt4, DType::kUInt8};
    case 291:
      return {Format::kFloat8E5M2, DType::kFloat8E5M2};
    case 292:
      return {Format::kFloat8E4M3FN, DType::kFloat8E4M3FN};
    default:
      break;
  }
  for (int i = 0; i < kNumFormats; ++i) {
    const auto format = static_cast<Format>(i);
    if (Info(format).npu_code == code) {
      return {format, format == Format::kInt4 ? DType::kInt32 : StorageType(format)};
    }
  }
  Check(Status::InvalidValue(std::string(op_) + ": dst_type is " + std::to_string(code) +
                             ", expected 1 (int8), 16 or 285 (int4), 23 or 291 (float8_e5m2), 24 or 292 "
                             "(float8_e4m3fn) or 290 (hifloat8)"));
  return {};
}

DType Reader::DTypeCode(int64_t code) const {
  const Dtypes* dtype = Find(static_cast<int32_t>(code));
  if (dtype == nullptr) {
    Check(Status::InvalidType(std::string(op_) + ": " + std::to_string(code) + " is no dtype kvant knows"));
  }
  return dtype->kvant;
}

int Reader::Axis(int64_t axis) const {
  using Limits = std::numeric_limits<int>;
  return static_cast<int>(std::clamp<int64_t>(axis, Limits::min(), Limits::max()));
}

void Reader::CheckChoice(const char* name, int64_t value, int64_t last) const {
  if (value >= 0 && value <= last) return;
  Check(Status::InvalidValue(std::string(op_) + ": " + name + " is " + std::to_string(value) + ", expected 0.." +
                             std::to_string(last)));
}

}  // namespace kvant::binding
