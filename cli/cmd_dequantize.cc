#include "cli/cmd_dequantize.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/io/message.h"
#include "cli/quantized_writer.h"
#include "cli/values.h"
#include "kvant/core/target.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;

// What the output holds: the tensors of `from`, in that order, and which of them are codes that become numbers.
struct DequantizePlan {
  std::vector<const TensorEntry*> from;
  std::vector<bool> decode;
  std::vector<OutputTensor> to;
  Metadata metadata;
  int64_t decoded = 0;
};

Status MakePlan(const DequantizeOptions& options, const TensorSet& input, DequantizePlan* plan) {
  const TensorFile& file = input.file();
  KVANT_RETURN_IF_ERROR(CheckSelection(options.selection, input));
  const bool only = options.output.ends_with(".npy");
  std::set<std::string> used_up, in_use;  // scales and offsets whose codes go, and whose codes stay
  for (const TensorEntry& entry : file.entries()) {
    const QuantizedTensor* const quantized = input.FindQuantized(entry.name);
    if (quantized == nullptr) continue;
    std::set<std::string>& names = Selects(options.selection, entry.name) ? used_up : in_use;
    for (std::string& name : ParamNames(quantized->info)) names.insert(std::move(name));
  }
  if (used_up.empty()) {
    if (!input.has_quantized() && file.format() == FileFormat::kNpy) {
      return FileError(file.name(), "has no file {} beside it that says how to read its codes",
                       Printable(NpyCompanion(file.name(), ".kvant.json")));
    }
    return FileError(file.name(), "has no {}quantized tensor (kvant inspect shows what it has)",
                     options.selection.all() ? "" : "chosen ");
  }
  plan->metadata = file.metadata();
  for (const TensorEntry& entry : file.entries()) {
    const QuantizedTensor* const quantized = input.FindQuantized(entry.name);
    const bool decode = quantized != nullptr && Selects(options.selection, entry.name);
    if (!decode && (only || (used_up.contains(entry.name) && !in_use.contains(entry.name)))) continue;
    OutputTensor to;
    to.name = entry.name;
    to.type = decode ? ToElementType(options.dtype.value_or(quantized->info.dtype)) : entry.type;
    to.shape = decode ? quantized->info.shape : entry.shape;
    plan->decoded += decode;
    plan->from.push_back(&entry);
    plan->decode.push_back(decode);
    plan->to.push_back(std::move(to));
    if (decode) plan->metadata.erase(std::string(kQuantInfoPrefix) + entry.name);
  }
  if (only) plan->metadata.clear();
  return {};
}

Status DecodeTensor(const TensorSet& input, const TensorEntry& entry, const OutputTensor& to, const Streaming& how) {
  TensorValues values(input, entry, how.exec);
  const DType dtype = *ToDType(to.type);
  const int64_t max_elements = std::max<int64_t>(how.block_bytes / ByteSize(dtype), 2);
  Buffer buffer;
  return ForEachPiece(values.whole(), values.unit(), max_elements, [&](const Box& box) {
    buffer.Resize(box.elements() * ByteSize(dtype));
    KVANT_RETURN_IF_ERROR(values.Dequantize(box, dtype, buffer.data()));
    if (how.progress != nullptr) how.progress->Advance(box.elements() * ByteSize(dtype));
    return WriteBox(to.data, values.whole(), box, ByteSize(dtype) * 8, buffer.data());
  });
}

// Of tensor i: the factors that its numbers are multiplied with; empty if there are none.
std::string SmoothOf(const TensorSet& input, const DequantizePlan& plan, size_t i) {
  return plan.decode[i] ? input.SmoothOf(plan.from[i]->name) : "";
}

void Report(const DequantizeOptions& options, const TensorSet& input, const DequantizePlan& plan,
            const QuantizedWriter& writer, double seconds) {
  const int64_t before = input.file_bytes(), after = writer.file_bytes();
  const auto copied = static_cast<int64_t>(plan.to.size()) - plan.decoded;
  if (!options.json) {
    Print(fmt::format("{}: {} dequantized{}; {} -> {} in {} s\n", Printable(options.output),
                      Count(plan.decoded, "tensor"), copied > 0 ? fmt::format(", {} copied", copied) : "",
                      BytesText(static_cast<double>(before)), BytesText(static_cast<double>(after)), Short(seconds)));
    for (size_t i = 0; i < plan.from.size(); ++i) {
      const std::string smooth = SmoothOf(input, plan, i);
      if (!smooth.empty()) Print(fmt::format("{} {}\n", Printable(plan.to[i].name), SmoothNote(smooth)));
    }
    return;
  }
  ordered_json tensors = ordered_json::array(), names = ordered_json::array();
  for (size_t i = 0; i < plan.from.size(); ++i) {
    const OutputTensor& to = plan.to[i];
    if (!plan.decode[i]) {
      names.push_back(to.name);
      continue;
    }
    tensors.push_back({{"name", to.name},
                       {"format", Name(input.FindQuantized(to.name)->info.format)},
                       {"dtype", Name(*ToDType(to.type))},
                       {"shape", to.shape},
                       {"smooth", SmoothOf(input, plan, i)}});
  }
  PrintJson({{"input", options.input},
             {"output", options.output},
             {"tensors", tensors},
             {"copied", names},
             {"file_bytes_before", before},
             {"file_bytes_after", after},
             {"seconds", seconds}});
}

}  // namespace

Status RunDequantize(const DequantizeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<TensorSet> input;
  KVANT_RETURN_IF_ERROR(TensorSet::Open(options.input, &input));
  DequantizePlan plan;
  KVANT_RETURN_IF_ERROR(MakePlan(options, *input, &plan));
  Target target;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  std::unique_ptr<QuantizedWriter> writer;
  if (const Status status = QuantizedWriter::Create(options.output, input->paths(), plan.to, plan.metadata, &writer);
      !status.ok()) {
    // A type that the output's format does not have.
    const bool of_type = status.code() == StatusCode::kInvalidType;
    return of_type ? Status(status.code(), status.message() + " or --dtype float32") : status;
  }
  {
    int64_t bytes = 0;
    for (const OutputTensor& to : writer->tensors()) bytes += to.data.writer->entries()[to.data.entry].bytes;
    Progress progress("dequantize", bytes);
    const ParallelFor parallel = Threads(options.threads);
    Streaming how;
    how.block_bytes = options.block_bytes;
    how.exec.parallel = &parallel;
    how.progress = &progress;
    Buffer buffer;
    for (size_t i = 0; i < plan.from.size(); ++i) {
      const OutputTensor& to = writer->tensors()[i];
      KVANT_RETURN_IF_ERROR(plan.decode[i] ? DecodeTensor(*input, *plan.from[i], to, how)
                                           : CopyTensor({&input->file(), plan.from[i]}, to.data, how, &buffer));
    }
    KVANT_RETURN_IF_ERROR(writer->Commit());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  Report(options, *input, plan, *writer, seconds.count());
  return {};
}

}  // namespace kvant::cli
