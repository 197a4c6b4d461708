// What every function of the C API does around its operator. Not installed.
#ifndef KVANT_C_API_CALL_H_
#define KVANT_C_API_CALL_H_

#include <algorithm>
#include <string_view>

#include "kvant/c_api_args.h"
#include "kvant/c_api_types.h"
#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"

namespace kvant::c_api {

// The code of the status; keeps the message of a failure for kvant_last_error.
kvant_status Report(const Status& status);
// The same of the exception that is being handled.
kvant_status ReportException() noexcept;

// Runs what may throw: nothing of the library does, but for want of memory.
template <class Body>
kvant_status Guard(Body&& body) noexcept {
  try {
    return Report(body());
  } catch (...) {
    return ReportException();
  }
}

// By the overload of Convert for the struct.
struct ByConvert {
  template <class Args>
  auto operator()(ArgReader& read, const Args& args) const {
    return Convert(read, args);
  }
};

// One call of an operator: run(convert(arguments), options).
template <class Args, class Run, class Converter = ByConvert>
kvant_status Call(std::string_view op, const Args* args, const kvant_exec* exec, Run run,
                  Converter convert = {}) noexcept {
  return Guard([&]() -> Status {
    ArgReader read(op, args);
    if (!read.ok()) return read.status();
    const auto cpp_args = convert(read, *args);
    ParallelFor parallel;
    const ExecOptions options = read.Exec(exec, &parallel);
    return read.ok() ? run(cpp_args, options) : read.status();
  });
}

// One call of shape inference: infer(C++ arguments without results). `results` are the fields to leave out.
template <class Args, class Infer, class... Results>
kvant_status CallInfer(std::string_view op, const Args* args, Infer infer, Results... results) noexcept {
  return Guard([&]() -> Status {
    ArgReader read(op, args);
    if (!read.ok()) return read.status();
    Args inputs = *args;
    ((inputs.*results = nullptr), ...);
    const auto cpp_args = Convert(read, inputs);
    return read.ok() ? infer(read, cpp_args) : read.status();
  });
}

inline void Store(const TensorSpec& spec, kvant_tensor_spec* out) {
  if (out == nullptr) return;
  *out = {};
  out->ndim = spec.rank;
  if (spec.rank < 0) return;  // there is none
  out->dtype = ToDLPack(spec.dtype);
  std::copy_n(spec.shape, spec.rank, out->shape);
  out->bytes = spec.bytes();
}

// Infers the one result that there is.
template <class Args>
Status StoreOne(Status (*infer)(const Args&, TensorSpec*), const Args& args, kvant_tensor_spec* out) {
  TensorSpec spec;
  KVANT_RETURN_IF_ERROR(infer(args, &spec));
  Store(spec, out);
  return {};
}

// The same where the caller says of which type.
struct NamedType {
  std::string_view name;
  DLDataType type;
};
template <class Args>
Status StoreTyped(Status (*infer)(const Args&, DType, TensorSpec*), ArgReader& read, const Args& args, NamedType wanted,
                  kvant_tensor_spec* out) {
  const DType dtype = read.Type(wanted.name, wanted.type);
  if (!read.ok()) return read.status();
  TensorSpec spec;
  KVANT_RETURN_IF_ERROR(infer(args, dtype, &spec));
  Store(spec, out);
  return {};
}

}  // namespace kvant::c_api

#endif  // KVANT_C_API_CALL_H_
