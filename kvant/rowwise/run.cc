#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/drive_rows.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvant {
namespace {

void CutRows(int threads, RowwisePlan* p) {
  const int64_t elements = p->rows * p->columns;
  const int64_t wanted = std::clamp<int64_t>(elements / kElementsPerTask, 1, threads);
  const bool uneven = p->rows % wanted != 0 && p->rows < 8 * wanted;
  if (uneven && p->columns >= 2 * kElementsPerSegment) {
    p->phases = p->stage == Stage::kEncode ? 1 : 2;
    p->segment_size = RoundUp(std::max((p->columns + wanted - 1) / wanted, kElementsPerSegment), kPieceMultiple);
    p->segments = (p->columns + p->segment_size - 1) / p->segment_size;
    p->workspace_bytes = p->rows * p->segments * static_cast<int64_t>(sizeof(MinMaxBits));
  } else {
    p->segments = 0;
  }
  p->tasks = static_cast<int>(std::min(wanted, std::max<int64_t>(p->rows * std::max<int64_t>(p->segments, 1), 1)));
}

void CutTensor(int threads, RowwisePlan* p) {
  if (p->columns == 0) p->rows = 0;  // no pieces, however many rows
  const int64_t elements = p->rows * p->columns;
  const int64_t wanted = std::clamp<int64_t>(elements / kElementsPerTask, 1, threads);
  // Long rows in pieces, so that a piece read twice by one task is not far away.
  p->segment_size = RoundUp(std::max<int64_t>(std::min(p->columns, kElementsPerSegment), 1), kPieceMultiple);
  p->segments = std::max<int64_t>((p->columns + p->segment_size - 1) / p->segment_size, 1);
  p->tasks = static_cast<int>(std::clamp<int64_t>(p->rows * p->segments, 1, wanted));
  p->phases = 2;
  p->workspace_bytes = p->tasks * static_cast<int64_t>(sizeof(MinMaxBits));
}

void CutColumns(int threads, RowwisePlan* p) {
  const int64_t elements = p->leads * p->rows * p->columns;
  const int64_t wanted = std::clamp<int64_t>(elements / kElementsPerTask, 1, threads);
  const int64_t column_bytes = std::max<int64_t>(p->rows * ByteSize(p->x_dtype), 1);
  constexpr int64_t kNarrowest = 128;  // four cache lines of 16-bit elements, and a whole INT4 block
  p->panel = std::clamp(kPanelBytes / column_bytes / kNarrowest * kNarrowest, kNarrowest, kPanelColumns);
  const int64_t panels = (p->columns + p->panel - 1) / p->panel;
  const bool too_few_rows = p->leads == 0 || p->rows < 2 * wanted;
  if (p->leads * panels >= wanted || too_few_rows || p->stage == Stage::kEncode) {
    p->segments = 0;
    p->tasks = static_cast<int>(std::clamp<int64_t>(p->leads * panels, 1, wanted));
    return;
  }
  p->phases = 2;
  p->tasks = static_cast<int>(wanted);
  p->segments = (wanted + p->leads - 1) / p->leads;
  p->segment_size = (p->rows + p->segments - 1) / p->segments;
  p->workspace_bytes = p->leads * p->segments * 2 * p->columns * static_cast<int64_t>(sizeof(int32_t));
}

struct Job {
  const RowwisePlan* plan;
  void* workspace;
  int phase;
};

// The share of one task in one phase.
void RunTask(void* arg, int task) {
  const Job& job = *static_cast<const Job*>(arg);
  const RowwisePlan& p = *job.plan;
  const auto share = [&](int64_t units, auto&& body) { body(units * task / p.tasks, units * (task + 1) / p.tasks); };
  auto* rows = static_cast<MinMaxBits*>(job.workspace);
  auto* columns = static_cast<int32_t*>(job.workspace);
  const bool last = job.phase == p.phases - 1;
  if (p.mode == QuantMode::kPerChannel) {
    if (p.segments == 0) {
      const int64_t panels = (p.columns + p.panel - 1) / p.panel;
      share(p.leads * panels, [&](int64_t b, int64_t e) { DrivePanels(p, b, e); });
    } else if (!last) {
      share(p.leads * p.segments, [&](int64_t b, int64_t e) { MeasureColumns(p, b, e, columns); });
    } else {
      share(p.leads * p.segments, [&](int64_t b, int64_t e) { EncodeColumnSegments(p, b, e, columns); });
    }
  } else if (p.segments == 0) {
    share(p.rows, [&](int64_t b, int64_t e) { DriveRows(p, b, e); });
  } else if (!last) {
    share(p.rows * p.segments, [&](int64_t b, int64_t e) { MeasureSegments(p, task, b, e, rows); });
  } else {
    share(p.rows * p.segments, [&](int64_t b, int64_t e) { EncodeSegments(p, b, e, rows); });
  }
#if defined(__x86_64__)
  if (p.streaming) _mm_sfence();
#endif
}

}  // namespace

void CutWork(int threads, RowwisePlan* p) {
  p->tasks = p->phases = 1;
  p->workspace_bytes = 0;
  switch (p->mode) {
    case QuantMode::kPerToken:
      return CutRows(threads, p);
    case QuantMode::kPerTensor:
      CutTensor(threads, p);
      if (p->stage == Stage::kEncode) p->phases = 1;
      return;
    case QuantMode::kPerChannel:
      return CutColumns(threads, p);
  }
}

Status RunRowwise(const RowwisePlan& plan, const ExecOptions& exec) {
  Job job{&plan, exec.workspace, 0};
  alignas(64) char small[1024];
  std::unique_ptr<void, decltype(&std::free)> owned(nullptr, std::free);
  if (exec.workspace == nullptr || static_cast<int64_t>(exec.workspace_bytes) < plan.workspace_bytes) {
    job.workspace = small;
    if (plan.workspace_bytes > static_cast<int64_t>(sizeof(small))) {
      owned.reset(std::malloc(static_cast<size_t>(plan.workspace_bytes)));
      if (owned == nullptr) {
        return Status::OutOfMemory("kvant: no memory for a workspace of " + std::to_string(plan.workspace_bytes) +
                                   " bytes");
      }
      job.workspace = owned.get();
    }
  }
  for (job.phase = 0; job.phase < plan.phases; ++job.phase) RunTasks(exec, plan.tasks, RunTask, &job);
  return {};
}

}  // namespace kvant
