// One dynamic quantization in memory, to be run, timed and checked.
#ifndef CLI_QUANT_CASE_H_
#define CLI_QUANT_CASE_H_

#include "cli/bench_util.h"
#include "cli/buffer.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"

namespace kvant::cli {

class QuantCase {
 public:
  // Of `args` everything counts but the results, for which this makes room. What the views refer to stays alive.
  static Status Make(const DynamicQuantArgs& args, QuantCase* made);

  Status Run(const ExecOptions& exec) const { return DynamicQuant(args_, exec); }
  // Real numbers, float32 and as many as x has.
  Status Restore(const ExecOptions& exec, float* x) const;

  const DynamicQuantArgs& args() const { return args_; }
  int64_t bytes_before() const { return args_.x.elements() * ByteSize(args_.x.dtype()); }
  // Codes, scale and offset, which lie one after the other.
  int64_t bytes_after() const { return bytes_after_; }
  const char* results() const { return results_.data(); }
  Traffic traffic() const;

  const float* scale() const { return static_cast<const float*>(args_.scale.data()); }
  // Null if symmetric.
  const float* offset() const { return args_.symmetric ? nullptr : static_cast<const float*>(args_.offset.data()); }

 private:
  DynamicQuantArgs args_;
  Buffer results_;
  int64_t bytes_after_ = 0;
};

// "int4 g32", "hifloat8": a format and its group size.
std::string ShortName(Format format, int64_t group_size);

}  // namespace kvant::cli

#endif  // CLI_QUANT_CASE_H_
