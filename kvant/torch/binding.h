// What the operators' torch.cc files share: torch's stable tensors as views, its thread pool, and errors.
#ifndef KVANT_TORCH_BINDING_H_
#define KVANT_TORCH_BINDING_H_

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdint>
#include <optional>
#include <type_traits>

#include "kvant/core/exec.h"
#include "kvant/core/index_mode.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

// Each torch.cc is compiled for libkvant_torch, with the schemas and the kernels of the CPU, and, with
// KVANT_TORCH_CUDA, for libkvant_torch_cuda, with kernels alone: there Exec() is one of kvant::cuda, which chooses that
// namespace's functions.
#if defined(KVANT_TORCH_CUDA)
#include "kvant/kvant_cuda.h"
struct CUDAGuardOpaque;
#define KVANT_TORCH_SCHEMAS(m) \
  template <class Library>     \
  [[maybe_unused]] void SchemasOfTheCpu(Library& m)
#define KVANT_TORCH_KERNELS(m) STABLE_TORCH_LIBRARY_IMPL(kvant, CUDA, m)
namespace kvant::binding {
using namespace kvant::cuda;  // NOLINT(google-build-using-namespace)
}
#else
#define KVANT_TORCH_SCHEMAS(m) STABLE_TORCH_LIBRARY_FRAGMENT(kvant, m)
#define KVANT_TORCH_KERNELS(m) STABLE_TORCH_LIBRARY_IMPL(kvant, CPU, m)
#endif

namespace kvant::binding {

using Tensor = torch::stable::Tensor;
using Maybe = std::optional<Tensor>;

// Throws what Python sees as RuntimeError: the name of the Python exception that it stands for, ": ", the message.
void Check(const Status& status);

#if defined(KVANT_TORCH_CUDA)
// The device of a call, which is CUDA's current one for as long as this lives. A negative one changes nothing.
class __attribute__((visibility("hidden"))) OnDevice {
 public:
  explicit OnDevice(int32_t device);
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice();

 private:
  CUDAGuardOpaque* guard_ = nullptr;
};

// -1 for what is on no CUDA device.
inline int32_t DeviceOf(const Tensor& t) { return t.is_cuda() ? t.get_device_index() : -1; }
inline int32_t DeviceOf(const Maybe& t) { return t.has_value() ? DeviceOf(*t) : -1; }
template <class Number>
int32_t DeviceOf(const Number&) {
  return -1;
}

// A kernel, on the device of its first CUDA tensor, whichever device is current.
template <auto kernel>
struct OnItsDevice;
template <class Result, class... Args, Result (*kernel)(Args...)>
struct OnItsDevice<kernel> {
  static Result Run(Args... args) {
    int32_t device = -1;
    ((device = device < 0 ? DeviceOf(args) : device), ...);
    const OnDevice on(device);
    return kernel(args...);
  }
};

// What torch's macro of this name does, of that.
#undef TORCH_BOX
#define TORCH_BOX(kernel)                                                                                  \
  torch::stable::detail::boxer<std::remove_pointer_t<decltype(&kvant::binding::OnItsDevice<kernel>::Run)>, \
                               (&kvant::binding::OnItsDevice<kernel>::Run)>::boxed_fn

// torch's current stream, and device memory of torch's for as long as this lives.
struct __attribute__((visibility("hidden"))) CudaExec : cuda::Exec {
  Maybe memory;
};
CudaExec Exec(int64_t workspace_bytes = 0);

inline int64_t Workspace(const DynamicQuantArgs& args) { return DynamicQuantWorkspace(args); }
inline int64_t Workspace(const RowStatsArgs& args) { return RowStatsWorkspace(args); }
#else
// torch's intra-op threads: torch.set_num_threads is obeyed. Workspace is for devices.
ExecOptions Exec(int64_t workspace_bytes = 0);

template <class Args>
int64_t Workspace(const Args&) {
  return 0;
}
#endif

// A new contiguous tensor on the CPU or the device of the call.
Tensor Empty(const TensorSpec& spec);

// A format, and how its codes are stored.
struct Coded {
  Format format;
  DType storage;
};

// The same result with its codes in `storage`.
TensorSpec StoredAs(DType storage, TensorSpec bytes);

// Reads the arguments of one call of `op`; every function throws on what no operator can take.
class Reader {
 public:
  constexpr explicit Reader(const char* op) : op_(op) {}

  ConstTensorView In(const char* name, const Tensor& t) const;
  ConstTensorView In(const char* name, const Maybe& t) const;
  TensorView Out(const char* name, const Tensor& t) const;
  TensorView Out(const char* name, const Maybe& t) const;

  // What is copied as bytes may have any dtype: one that kvant does not know stands as one of the same size.
  struct Bytes {
    ConstTensorView self, updates;
  };
  Bytes InBytes(const Tensor& self, const Tensor& updates) const;
  TensorView OutBytes(const Tensor& t, DType stands_for) const;
  // A new contiguous tensor of the same shape and dtype.
  Tensor EmptyLike(const Tensor& self) const;

  // torch_npu's numbers, and the same for INT4 as bytes: 1 int8; 16 INT4 as int32; 285 INT4 as uint8; 23, 291
  // float8_e5m2; 24, 292 float8_e4m3fn; 290 hifloat8.
  Coded FormatCode(int64_t code) const;
  // torch's number of a dtype.
  DType DTypeCode(int64_t code) const;
  int Axis(int64_t axis) const;

  // One of the enumerators 0..last.
  template <class Enum>
  Enum Choice(const char* name, int64_t value, Enum last) const {
    CheckChoice(name, value, static_cast<int64_t>(last));
    return static_cast<Enum>(value);
  }
  QuantMode Mode(int64_t v) const { return Choice("quant_mode", v, QuantMode::kPerChannel); }
  RoundMode Rounding(int64_t v) const { return Choice("round_mode", v, RoundMode::kHybrid); }
  IndexMode Indexing(int64_t v) const { return Choice("index_mode", v, IndexMode::kSlot); }
  IndexPolicy Policy(int64_t v) const { return Choice("index_policy", v, IndexPolicy::kSkip); }

 private:
  void CheckDevice(const char* name, const Tensor& t) const;
  void CheckChoice(const char* name, int64_t value, int64_t last) const;

  const char* op_;
};

}  // namespace kvant::binding

#endif  // KVANT_TORCH_BINDING_H_
