// The only error path of the library: nothing throws, prints or aborts.
#ifndef KVANT_CORE_STATUS_H_
#define KVANT_CORE_STATUS_H_

#include <string>
#include <utility>

namespace kvant {

enum class StatusCode : int {
  kOk = 0,
  kInvalidValue = 1,  // a shape, attribute or pair of arguments is not legal (Python: ValueError)
  kInvalidType = 2,   // a dtype is not legal here (TypeError)
  kOutOfRange = 3,    // an index or group boundary points outside (IndexError)
  kUnavailable = 4,   // this build or machine cannot do it
  kOutOfMemory = 5,
};

// A code, and for errors a message that names the operator, the argument and both values.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status InvalidValue(std::string m) { return {StatusCode::kInvalidValue, std::move(m)}; }
  static Status InvalidType(std::string m) { return {StatusCode::kInvalidType, std::move(m)}; }
  static Status OutOfRange(std::string m) { return {StatusCode::kOutOfRange, std::move(m)}; }
  static Status Unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
  static Status OutOfMemory(std::string m) { return {StatusCode::kOutOfMemory, std::move(m)}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

}  // namespace kvant

#define KVANT_RETURN_IF_ERROR(expr)                                                     \
  do {                                                                                  \
    if (::kvant::Status kvant_status = (expr); !kvant_status.ok()) return kvant_status; \
  } while (false)

#endif  // KVANT_CORE_STATUS_H_
