#include "kvant/ops/dequant_swiglu_quant/plan.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "kvant/numerics/fp_env.h"
#include "kvant/ops/dequant_swiglu_quant/flush.h"
#include "kvant/ops/dequant_swiglu_quant/parameters.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/rules.h"

namespace kvant {
namespace {

using swiglu::Bias;
using swiglu::Plan;

// Results that a task is worth: a hot OpenMP region costs about 0.9 microseconds, as much as 2,000 of them.
constexpr int64_t kResultsPerTask = 8 * 1024;
// A row is cut only from here on.
constexpr int64_t kResultsPerSegment = 4 * 1024;

void MapMatrix(const ConstTensorView& t, MatrixMap* m) {
  m->data = static_cast<char*>(const_cast<void*>(t.data()));
  m->step = t.stride(-1) * ByteSize(t.dtype());
  m->rows.AppendLeading(t, 1);
}

// Rows to codes, as dynamic_quant plans them.
void PlanEncode(const DequantSwigluQuantArgs& args, Target target, const ExecOptions& exec, Plan* plan) {
  RowwisePlan& e = plan->encode;
  e.kernels = &GetRowKernels(target, DType::kFloat32);
  e.format = args.dst_type;
  e.d = Info(args.dst_type).d;
  e.r = RangeFor(args.dst_type, e.d);
  e.rows = plan->problem.rows;
  e.columns = plan->problem.columns;
  e.x_dtype = DType::kFloat32;
  e.x.step = sizeof(float);
  MapMatrix(args.y, &e.y);
  e.scale.data = static_cast<char*>(args.scale.data());
  e.scale.rows.AppendLeading(args.scale, 0);
  e.fetches_quarter = true;
  if (e.y.step == 1) {
    e.streaming =
        exec.stores == Stores::kStreaming || (exec.stores == Stores::kAuto && args.y.elements() > kStreamingBytes);
  }
}

void CutWork(int threads, Plan* plan) {
  const int64_t rows = plan->groups.used(), columns = plan->problem.columns;
  const int64_t wanted = std::clamp<int64_t>(rows * columns / kResultsPerTask, 1, threads);
  const bool uneven = rows % wanted != 0 && rows < 8 * wanted;
  if (uneven && columns >= 2 * kResultsPerSegment) {
    plan->segment_size = RoundUp(std::max((columns + wanted - 1) / wanted, kResultsPerSegment), kPieceMultiple);
    plan->segments = (columns + plan->segment_size - 1) / plan->segment_size;
    if (plan->segments > 1 && plan->dynamic) plan->phases = 2;
  }
  plan->tasks = static_cast<int>(std::min(wanted, std::max<int64_t>(rows * plan->segments, 1)));
  plan->task_bytes = RoundUp(swiglu::Parameters::Bytes(*plan), 64);
  if (plan->phases == 2) {
    plan->values_bytes = RoundUp(rows * columns * 4, 64);
    plan->shared_bytes =
        plan->values_bytes + RoundUp(rows * plan->segments * static_cast<int64_t>(sizeof(swiglu::Made)), 64);
  } else if (plan->dynamic) {
    plan->values_bytes = RoundUp(columns * 4, 64);
    plan->task_bytes += plan->values_bytes;
  }
}

Plan MakePlan(const DequantSwigluQuantArgs& args, const swiglu::Problem& problem, const swiglu::Groups& groups,
              Target target, const ExecOptions& exec) {
  Plan plan;
  plan.target = target;
  plan.kernels = &swiglu::GetSwigluKernels(target, args.x.dtype());
  if (args.bias.present()) plan.bias = args.bias.dtype() == DType::kInt32 ? Bias::kInt32 : Bias::kFloat;
  plan.mode = args.swiglu_mode;
  plan.dynamic = args.quant_mode == ScaleSource::kDynamic;
  plan.problem = problem;
  plan.groups = groups;
  plan.x_dtype = args.x.dtype();
  MapMatrix(args.x, &plan.x);
  const bool interleaved = args.swiglu_mode == SwigluMode::kClampedInterleaved;
  plan.act_first = interleaved || args.activate_left;
  const int64_t second = (interleaved ? 1 : problem.columns) * plan.x.step;
  plan.act = plan.act_first ? 0 : second;
  plan.lin = plan.act_first ? second : 0;
  if (args.activation_scale.present()) {
    plan.activation = static_cast<const char*>(args.activation_scale.data());
    plan.activation_rows.AppendLeading(args.activation_scale, 0);
  }
  PlanEncode(args, target, exec, &plan);
  plan.flushes = plan.encode.kernels->flush_subnormals;
  plan.attributes_allow_flush = swiglu::AttributesAllowFlush(plan);
  CutWork(NumThreads(exec), &plan);
  return plan;
}

struct Job {
  const Plan* plan;
  char* memory;
  int phase;
};

void RunTask(void* arg, int task) {
  const Job& job = *static_cast<const Job*>(arg);
  char* const shared = job.memory + job.plan->tasks * job.plan->task_bytes;
  swiglu::RunShare(*job.plan, task, job.phase, job.memory + task * job.plan->task_bytes, shared);
}

// Aligned memory within the caller's, or of its own.
class Memory {
 public:
  Memory(const ExecOptions& exec, int64_t bytes) : owned_(nullptr, std::free) {
    constexpr int64_t kAlignment = 64;
    const int64_t room = bytes + kAlignment;
    char* from = static_cast<char*>(exec.workspace);
    if (bytes == 0) return;
    if (from == nullptr || static_cast<int64_t>(exec.workspace_bytes) < room) {
      from = static_cast<char*>(std::malloc(static_cast<size_t>(room)));
      owned_.reset(from);
      if (from == nullptr) {
        failed_ = true;
        return;
      }
    }
    data_ = from + (kAlignment - reinterpret_cast<uintptr_t>(from) % kAlignment) % kAlignment;
  }
  bool failed() const { return failed_; }
  char* data() const { return data_; }

 private:
  std::unique_ptr<char, decltype(&std::free)> owned_;
  char* data_ = nullptr;
  bool failed_ = false;
};

}  // namespace

Status InferDequantSwigluQuant(const DequantSwigluQuantArgs& args, TensorSpec* y, TensorSpec* scale) {
  swiglu::Problem problem;
  KVANT_RETURN_IF_ERROR(swiglu::CheckInputs(args, &problem));
  const ConstTensorView half = swiglu::HalfOf(args.x);
  *y = CodeSpec(half, args.dst_type, StorageType(args.dst_type));
  *scale = ParamSpec(half, QuantMode::kPerToken, 0);
  return {};
}

Status DequantSwigluQuant(const DequantSwigluQuantArgs& args, const ExecOptions& exec) {
  swiglu::Problem problem;
  KVANT_RETURN_IF_ERROR(swiglu::CheckInputs(args, &problem));
  KVANT_RETURN_IF_ERROR(swiglu::CheckOutputs(args));
  swiglu::Groups groups(args.group_index, problem);
  KVANT_RETURN_IF_ERROR(groups.Check());
  Target target{};
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  if (problem.rows == 0) return {};

  const FpEnv env(FpEnv::kDefault);
  const Plan plan = MakePlan(args, problem, groups, target, exec);
  const int64_t bytes = plan.tasks * plan.task_bytes + plan.shared_bytes;
  const Memory memory(exec, bytes);
  if (memory.failed()) {
    return Status::OutOfMemory("dequant_swiglu_quant: no memory for a workspace of " + std::to_string(bytes) +
                               " bytes");
  }
  Job job{&plan, memory.data(), 0};
  for (; job.phase < plan.phases; ++job.phase) RunTasks(exec, plan.tasks, RunTask, &job);
  return {};
}

}  // namespace kvant
