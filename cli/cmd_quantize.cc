#include "cli/cmd_quantize.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/io/message.h"
#include "cli/quantize_tensor.h"
#include "cli/quantized_writer.h"
#include "kvant/core/target.h"
#include "kvant/rowwise/rules.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;

// What happens to the tensors of the input: those of `from` go to the output tensor of the same index.
struct QuantizePlan {
  std::vector<const TensorEntry*> from;
  std::vector<OutputTensor> to;
  int64_t quantized = 0, left_out = 0;
  Metadata metadata;
};

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsReal(const TensorEntry& entry) {
  const auto dtype = ToDType(entry.type);
  return dtype && IsFloat(*dtype);
}

// smooth_scales and group_index, and what they are called where they are tensors of the input itself.
struct Factors {
  LoadedTensor smooth, group_index;
  std::vector<std::string> names;
};

Status LoadFactors(const QuantizeOptions& options, const TensorSet& input, Factors* factors) {
  for (const auto& [option, tensor] :
       {std::pair{&options.smooth, &factors->smooth}, std::pair{&options.group_index, &factors->group_index}}) {
    if (option->empty()) continue;
    KVANT_RETURN_IF_ERROR(LoadTensor(input.file(), *option, tensor));
    std::error_code none;
    if (tensor->path.empty() || std::filesystem::equivalent(tensor->path, options.input, none)) {
      factors->names.push_back(tensor->name);
    }
  }
  return {};
}

// Whether a tensor is to be quantized. Being chosen by name, it must be possible.
Status Choose(const QuantizeOptions& options, const TensorSet& input, const Factors& factors, const TensorEntry& entry,
              bool* chosen) {
  *chosen = false;
  if (!Selects(options.selection, entry.name)) return {};
  const QuantizedTensor* const quantized = input.FindQuantized(entry.name);
  if (!Contains(options.selection.names, entry.name)) {
    *chosen = IsReal(entry) && !entry.shape.empty() && !input.IsParam(entry.name) && quantized == nullptr &&
              !Contains(factors.names, entry.name);
    return {};
  }
  const auto refuse = [&](std::string_view why) { return TensorError(input.file().name(), entry.name, "{}", why); };
  if (quantized != nullptr) return refuse(fmt::format("is quantized already: {}", Describe(quantized->info)));
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
  // One too small to be used is not recorded.
  float used = 0;
  if (CheckDstTypeMax("quantize", options.dst_type, options.dst_type_max, &used).ok() &&
      used == static_cast<float>(options.dst_type_max)) {
    info.dst_type_max = options.dst_type_max;
  }
  return info;
}

Status MakePlan(const QuantizeOptions& options, const TensorSet& input, const Factors& factors, QuantizePlan* plan) {
  KVANT_RETURN_IF_ERROR(CheckSelection(options.selection, input));
  // One tensor fits into a .npy file: the others cannot come along.
  const bool only = options.only || options.output.ends_with(".npy");
  for (const TensorEntry& entry : input.file().entries()) {
    bool chosen = false;
    KVANT_RETURN_IF_ERROR(Choose(options, input, factors, entry, &chosen));
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
    const auto& entries = input.file().entries();
    if (input.has_quantized() && std::all_of(entries.begin(), entries.end(), [&](const TensorEntry& entry) {
          return input.IsParam(entry.name) || input.FindQuantized(entry.name) != nullptr;
        })) {
      return FileError(input.file().name(), "all its tensors are quantized already");
    }
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
                     const Factors& factors) {
  QuantizeTask task;
  task.x = {&input.file(), &entry};
  task.args.dst_type = options.dst_type;
  task.args.symmetric = options.symmetric;
  task.args.quant_mode = options.mode;
  task.args.group_size = options.group_size;
  task.args.dst_type_max = options.dst_type_max;
  task.args.smooth_scales = factors.smooth.view;
  task.args.group_index = factors.group_index.view;
  return task;
}

// The tensors that cannot be quantized as the options say. The error is about the first and names some of the others.
class Misfits {
 public:
  void Add(const std::string& name, const Status& status, bool named) {
    names_.push_back(Printable(name));
    if (names_.size() > 1) return;
    first_ = status;
    named_ = named;
  }

  Status Error(const std::string& file) const {
    if (names_.empty()) return {};
    constexpr size_t kShown = 4;
    const std::string& why = first_.message();
    std::string more;
    // Where the options themselves are at fault, it is about all tensors, and --except is no way out.
    if (why.find(" x.") != std::string::npos || why.find(" x has") != std::string::npos) {
      for (size_t i = 1; i < std::min(names_.size(), kShown); ++i) more += fmt::format(", '{}'", names_[i]);
      if (names_.size() > kShown) more += fmt::format(" and {} more", names_.size() - kShown);
      if (!more.empty()) more = fmt::format("; nor do{} fit", more.substr(1));
      if (!named_) more += " (--except NAME leaves a tensor as it is)";
    }
    return Status(first_.code(), fmt::format("{}: tensor '{}': {}{}", file, names_[0], why, more));
  }

 private:
  std::vector<std::string> names_;
  Status first_;
  bool named_ = false;
};

void Report(const QuantizeOptions& options, const TensorSet& input, const QuantizePlan& plan,
            const QuantizedWriter& writer, double seconds) {
  const int64_t before = input.file_bytes(), after = writer.file_bytes();
  if (!options.json) {
    const auto copied = static_cast<int64_t>(plan.to.size()) - plan.quantized;
    const auto first =
        std::find_if(plan.to.begin(), plan.to.end(), [](const auto& t) { return t.quantized.has_value(); });
    const std::string smooth =
        options.smooth.empty() ? "" : fmt::format(", x * smooth ({})", Printable(options.smooth));
    Print(fmt::format("{}: {} to {}{}{}{}; {} -> {} in {} s\n", Printable(options.output),
                      Count(plan.quantized, "tensor"), Describe(*first->quantized), smooth,
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
  Factors factors;
  KVANT_RETURN_IF_ERROR(LoadFactors(options, *input, &factors));
  QuantizePlan plan;
  KVANT_RETURN_IF_ERROR(MakePlan(options, *input, factors, &plan));
  std::vector<QuantizeTask> tasks;
  Misfits misfits;
  int64_t bytes_to_read = 0;
  for (size_t i = 0; i < plan.from.size(); ++i) {
    const TensorEntry& entry = *plan.from[i];
    tasks.push_back(TaskFor(options, *input, entry, factors));
    if (!plan.to[i].quantized) {
      bytes_to_read += entry.bytes;
      continue;
    }
    if (const Status status = CheckQuantize(tasks[i]); !status.ok()) {
      misfits.Add(entry.name, status, Contains(options.selection.names, entry.name));
    } else {
      bytes_to_read += BytesToRead(tasks[i], options.block_bytes);
    }
  }
  KVANT_RETURN_IF_ERROR(misfits.Error(input->file().name()));
  Target target;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));  // before a file is made: KVANT_TARGET may name none

  std::unique_ptr<QuantizedWriter> writer;
  std::vector<std::string> read = input->paths();
  for (const auto* tensor : {&factors.smooth, &factors.group_index}) {
    if (!tensor->path.empty()) read.push_back(tensor->path);
  }
  KVANT_RETURN_IF_ERROR(QuantizedWriter::Create(options.output, read, plan.to, plan.metadata, &writer));
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
