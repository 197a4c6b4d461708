#include "cli/cmd_quantize.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/io/message.h"
#include "cli/quantize_tensor.h"
#include "cli/quantized_writer.h"
#include "kvant/core/target.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;

// What happens to the tensors of the input: those of `from` go to the output tensor of the same index.
struct Plan {
  std::vector<const TensorEntry*> from;
  std::vector<OutputTensor> to;
  int64_t quantized = 0, left_out = 0;
  Metadata metadata;
};

bool IsReal(const TensorEntry& entry) {
  const auto dtype = ToDType(entry.type);
  return dtype && IsFloat(*dtype);
}

// Whether a tensor is to be quantized. Being chosen by name, it must be possible.
Status Choose(const QuantizeOptions& options, const TensorSet& input, const TensorEntry& entry, bool* chosen) {
  *chosen = false;
  if (!Selects(options.selection, entry.name)) return {};
  const QuantizedTensor* const quantized = input.FindQuantized(entry.name);
  const auto& names = options.selection.names;
  if (std::find(names.begin(), names.end(), entry.name) == names.end()) {
    const bool parameter = !entry.name.empty() && (entry.name == options.smooth || entry.name == options.group_index);
    *chosen = IsReal(entry) && !entry.shape.empty() && !input.IsParam(entry.name) && quantized == nullptr && !parameter;
    return {};
  }
  const auto refuse = [&](std::string_view why) { return TensorError(input.file().name(), entry.name, "{}", why); };
  if (quantized != nullptr) return refuse(fmt::format("is quantized already: {}", Describe(quantized->info)));
  if (input.IsParam(entry.name)) return refuse("is the scale or offset of a quantized tensor");
  if (!IsReal(entry)) return refuse(fmt::format("is {}; F16, BF16 and F32 can be quantized", Name(entry.type)));
  if (entry.shape.empty()) return refuse("has no dimensions, so there are no rows to quantize");
  *chosen = true;
  return {};
}

QuantInfo InfoFor(const QuantizeOptions& options, const TensorEntry& entry) {
  QuantInfo info;
  info.format = options.dst_type;
  info.mode = options.mode;
  info.group_size = options.group_size;
  info.shape = entry.shape;
  info.dtype = *ToDType(entry.type);
  info.offset = options.symmetric ? "" : "wanted";  // the writer gives the name
  info.smooth = options.smooth;
  info.group_index = options.group_index;
  info.dst_type_max = options.dst_type_max;
  return info;
}

Status MakePlan(const QuantizeOptions& options, const TensorSet& input, Plan* plan) {
  KVANT_RETURN_IF_ERROR(CheckSelection(options.selection, input.file()));
  // One tensor fits into a .npy file: the others cannot come along.
  const bool only = options.only || options.output.ends_with(".npy");
  for (const TensorEntry& entry : input.file().entries()) {
    bool chosen = false;
    KVANT_RETURN_IF_ERROR(Choose(options, input, entry, &chosen));
    if (!chosen && only) {
      ++plan->left_out;
      continue;
    }
    OutputTensor to;
    to.name = entry.name;
    to.type = entry.type;
    to.shape = entry.shape;
    if (chosen) to.quantized = InfoFor(options, entry);
    plan->quantized += chosen;
    plan->from.push_back(&entry);
    plan->to.push_back(std::move(to));
  }
  if (plan->quantized == 0) {
    return FileError(input.file().name(),
                     "has no {}tensor of F16, BF16 or F32 with dimensions to quantize; inspect shows what is there",
                     options.selection.all() ? "" : "chosen ");
  }
  for (const auto& [key, value] : input.file().metadata()) {
    if (!(only && key.starts_with(kQuantInfoPrefix))) plan->metadata[key] = value;
  }
  return {};
}

QuantizeTask TaskFor(const QuantizeOptions& options, const TensorSet& input, const TensorEntry& entry,
                     const LoadedTensor& smooth, const LoadedTensor& group_index) {
  QuantizeTask task;
  task.x = {&input.file(), &entry};
  task.args.dst_type = options.dst_type;
  task.args.symmetric = options.symmetric;
  task.args.quant_mode = options.mode;
  task.args.group_size = options.group_size;
  task.args.dst_type_max = options.dst_type_max;
  task.args.smooth_scales = smooth.view;
  task.args.group_index = group_index.view;
  return task;
}

void Report(const QuantizeOptions& options, const TensorSet& input, const Plan& plan, const QuantizedWriter& writer,
            double seconds) {
  const int64_t before = input.file().file_bytes(), after = writer.file_bytes();
  if (!options.json) {
    const auto copied = static_cast<int64_t>(plan.to.size()) - plan.quantized;
    const auto first =
        std::find_if(plan.to.begin(), plan.to.end(), [](const auto& t) { return t.quantized.has_value(); });
    Print(fmt::format("{}: {} to {}{}{}; {} -> {} in {} s\n", Printable(options.output),
                      Count(plan.quantized, "tensor"), Describe(*first->quantized),
                      copied > 0 ? fmt::format(", {} copied", copied) : "",
                      plan.left_out > 0 ? fmt::format(", {} left out", plan.left_out) : "",
                      BytesText(static_cast<double>(before)), BytesText(static_cast<double>(after)), Short(seconds)));
    return;
  }
  ordered_json tensors = ordered_json::array(), copied = ordered_json::array();
  for (size_t i = 0; i < plan.from.size(); ++i) {
    const OutputTensor& to = writer.tensors()[i];
    if (!to.quantized) {
      copied.push_back(to.name);
      continue;
    }
    ordered_json one = ordered_json::parse(FormatQuantInfo(*to.quantized));
    one["name"] = to.name;
    one["bytes_before"] = plan.from[i]->bytes;
    const auto bytes = [](const Sink& sink) { return sink.writer ? sink.writer->entries()[sink.entry].bytes : 0; };
    one["bytes_after"] = bytes(to.data) + bytes(to.scale) + bytes(to.offset);
    tensors.push_back(std::move(one));
  }
  PrintJson({{"input", options.input},
             {"output", options.output},
             {"tensors", tensors},
             {"copied", copied},
             {"left_out", plan.left_out},
             {"file_bytes_before", before},
             {"file_bytes_after", after},
             {"seconds", seconds}});
}

}  // namespace

Status RunQuantize(const QuantizeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<TensorSet> input;
  KVANT_RETURN_IF_ERROR(TensorSet::Open(options.input, &input));
  KVANT_RETURN_IF_ERROR(CheckOutput(options.input, options.output));
  LoadedTensor smooth, group_index;
  if (!options.smooth.empty()) KVANT_RETURN_IF_ERROR(LoadTensor(input->file(), options.smooth, &smooth));
  if (!options.group_index.empty()) KVANT_RETURN_IF_ERROR(LoadTensor(input->file(), options.group_index, &group_index));

  Plan plan;
  KVANT_RETURN_IF_ERROR(MakePlan(options, *input, &plan));
  std::vector<QuantizeTask> tasks;
  int64_t bytes_to_read = 0;
  for (size_t i = 0; i < plan.from.size(); ++i) {
    const TensorEntry& entry = *plan.from[i];
    tasks.push_back(TaskFor(options, *input, entry, smooth, group_index));
    if (!plan.to[i].quantized) {
      bytes_to_read += entry.bytes;
      continue;
    }
    if (const Status status = CheckQuantize(tasks[i]); !status.ok()) {
      const auto& names = options.selection.names;
      const bool named = std::find(names.begin(), names.end(), entry.name) != names.end();
      const std::string& text = status.message();
      const bool of_shape = text.find(" x.") != std::string::npos || text.find(" x has") != std::string::npos;
      return Status(status.code(), TensorError(input->file().name(), entry.name, "{}{}", text,
                                               named || !of_shape ? "" : " (--except NAME leaves a tensor as it is)")
                                       .message());
    }
    bytes_to_read += BytesToRead(tasks[i], options.block_bytes);
  }
  Target target;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));  // before a file is made: KVANT_TARGET may name none

  std::unique_ptr<QuantizedWriter> writer;
  KVANT_RETURN_IF_ERROR(QuantizedWriter::Create(options.output, plan.to, plan.metadata, &writer));
  {
    Progress progress("quantize", bytes_to_read);
    const ParallelFor parallel = Threads(options.threads);
    Streaming how;
    how.block_bytes = options.block_bytes;
    how.exec.parallel = &parallel;
    how.progress = &progress;
    Buffer buffer;
    for (size_t i = 0; i < plan.from.size(); ++i) {
      const OutputTensor& to = writer->tensors()[i];
      if (!to.quantized) {
        KVANT_RETURN_IF_ERROR(CopyTensor(tasks[i].x, to.data, how, &buffer));
        continue;
      }
      tasks[i].codes = to.data;
      tasks[i].scale = to.scale;
      tasks[i].offset = to.offset;
      KVANT_RETURN_IF_ERROR(QuantizeTensor(tasks[i], how));
    }
    KVANT_RETURN_IF_ERROR(writer->Commit());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  Report(options, *input, plan, *writer, seconds.count());
  return {};
}

}  // namespace kvant::cli
