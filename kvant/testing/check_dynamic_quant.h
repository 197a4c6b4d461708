// Runs dynamic_quant on a problem and says what is wrong with the result; "" when nothing is.
#ifndef KVANT_TESTING_CHECK_DYNAMIC_QUANT_H_
#define KVANT_TESTING_CHECK_DYNAMIC_QUANT_H_

#include <string>

#include "kvant/testing/pools.h"
#include "kvant/testing/rowwise_problem.h"

namespace kvant::testing {

inline std::string CheckDynamicQuant(RowwiseProblem& p, const RowwiseProblem::Expected& expected,
                                     const ExecOptions& exec = {}) {
  p.Reset();
  const Status status = DynamicQuant(p.DynamicArgs(), exec);
  if (!status.ok()) return status.message();
  if (std::string text = p.Compare(expected); !text.empty()) return text;
  return p.NothingElseWritten() ? "" : p.Describe() + ": more than the results was written";
}

// The same on every target of this build and CPU, the scalar reference among them.
inline std::string CheckOnEachTarget(RowwiseProblem& p, const RowwiseProblem::Expected& expected,
                                     const ExecOptions& exec = {}) {
  for (const Target target : SupportedTargets()) {
    const ScopedTarget scoped(target);
    if (const std::string text = CheckDynamicQuant(p, expected, exec); !text.empty()) {
      return std::string(Name(target)) + ": " + text;
    }
  }
  return "";
}
inline std::string CheckOnEachTarget(RowwiseProblem& p, const ExecOptions& exec = {}) {
  return CheckOnEachTarget(p, p.Expect(), exec);
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_CHECK_DYNAMIC_QUANT_H_
