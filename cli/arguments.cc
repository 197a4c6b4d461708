#include "cli/arguments.h"

#include <cmath>

#include "cli/arguments_bench.h"
#include "cli/cmd_compare.h"
#include "cli/cmd_demo.h"
#include "cli/cmd_dequantize.h"
#include "cli/cmd_inspect.h"
#include "cli/cmd_quantize.h"
#include "cli/cmd_targets.h"
#include "cli/common.h"
#include "cli/options.h"
#include "kvant/core/version.h"

namespace kvant::cli {
namespace {

void AddSelection(CLI::App* app, Selection* selection) {
  app->add_option("--tensor", selection->names, "only the tensor of exactly this name; may be given several times")
      ->option_text("NAME")
      ->allow_extra_args(false);
  app->add_option("--match", selection->patterns,
                  "only tensors whose name matches, as '*.k'; several times too; * ? [ \\ are special")
      ->option_text("GLOB")
      ->allow_extra_args(false);
  app->add_option("--except", selection->except, "not the tensors whose name matches; several times too")
      ->option_text("GLOB")
      ->allow_extra_args(false);
}

void AddBlockBytes(CLI::App* app, int64_t* bytes) {
  AddNumber(app, "--block-bytes", "N", bytes, int64_t{1}, int64_t{1} << 40,
            "input held in memory at a time; default 64 million; changes no result", " of bytes");
}

void AddQuantize(CLI::App* root, Run* run) {
  CLI::App* const app =
      root->add_subcommand("quantize", "Quantize the tensors of a file, measuring scales from the data");
  const auto o = std::make_shared<QuantizeOptions>();
  app->add_option("IN", o->input, ".safetensors or .npy file of float16, bfloat16 or float32 tensors")
      ->option_text(" ")
      ->required();
  app->add_option("-o,--output", o->output, "file to write, .safetensors or .npy")
      ->option_text("OUT (required)")
      ->required();
  AddFormat(app, &o->dst_type, "default int8");
  AddSymmetry(app, &o->symmetric, "", "; default, of FP8 and hifloat8 too");
  AddQuantMode(app, &o->mode);
  AddGroupSize(app, &o->group_size);
  AddParsed(app, "--dst-type-max", "V", &o->dst_type_max, ParseNumber<double>, "a number",
            "hifloat8: the largest code value, up to 32768");
  AddSelection(app, &o->selection);
  app->add_flag("--only", o->only, "leave out the tensors that are not quantized, instead of copying them");
  app->add_option("--smooth", o->smooth, "multiply rows by this tensor first")->option_text("NAME|FILE:NAME");
  app->add_option("--group-index", o->group_index, "cumulative end rows of the experts, one row of --smooth each")
      ->option_text("NAME|FILE:NAME");
  AddThreads(app, &o->threads);
  AddBlockBytes(app, &o->block_bytes);
  AddJson(app, &o->json);
  app->footer(
      R"(Tensor x becomes the codes x (int4 two to a byte, int4 and hifloat8 as uint8), x.scale and, if asymmetric, x.offset;
the metadata say how to read them. For out.npy these are out.npy, out.scale.npy, out.offset.npy and out.kvant.json.
Files may be larger than memory.

Examples:
  kvant quantize model.safetensors -o model.int8.safetensors
  kvant quantize cache.safetensors -o cache.int4.safetensors --dst int4 --group-size 32 --match '*.k' --match '*.v'
  kvant quantize x.npy -o x8.npy --dst float8_e4m3fn --symmetric
  kvant quantize x.safetensors -o y.safetensors --tensor hidden --smooth smooth.safetensors:smooth.hidden --only)");
  app->callback([o, run] { *run = [o] { return RunQuantize(*o); }; });
}

void AddDequantize(CLI::App* root, Run* run) {
  CLI::App* const app = root->add_subcommand("dequantize", "Turn the codes of a file back into real numbers");
  const auto o = std::make_shared<DequantizeOptions>();
  app->add_option("IN", o->input, "what kvant quantize wrote")->option_text(" ")->required();
  app->add_option("-o,--output", o->output, "file to write, .safetensors or .npy")
      ->option_text("OUT (required)")
      ->required();
  AddFloatType(app, &o->dtype, "default: as before quantization");
  AddSelection(app, &o->selection);
  AddThreads(app, &o->threads);
  AddBlockBytes(app, &o->block_bytes);
  AddJson(app, &o->json);
  app->footer(R"(Other tensors are copied. Codes that were made with --smooth come back as x * smooth.

Examples:
  kvant dequantize model.int8.safetensors -o model.back.safetensors
  kvant dequantize x8.npy -o x.back.npy --dtype float32)");
  app->callback([o, run] { *run = [o] { return RunDequantize(*o); }; });
}

void AddInspect(CLI::App* root, Run* run) {
  CLI::App* const app = root->add_subcommand("inspect", "Show what a file holds: shapes, types, ranges, outlier rows");
  const auto o = std::make_shared<InspectOptions>();
  app->add_option("FILE", o->input, ".safetensors or .npy file")->option_text(" ")->required();
  AddSelection(app, &o->selection);
  app->add_flag("--header", o->header_only, "names, types and shapes only: reads no data");
  const auto positive = [](std::string_view text, double* k) {
    return ParseNumber(text, k) && *k > 0 && std::isfinite(*k);
  };
  AddParsed(app, "--outliers", "K", &o->outlier_factor, positive, "a positive number",
            "rows count whose largest |x| exceeds K times the median row's; default 5");
  AddThreads(app, &o->threads);
  AddBlockBytes(app, &o->block_bytes);
  AddJson(app, &o->json);
  app->footer(R"(Ranges are of finite values; quantized tensors are shown as the numbers they stand for.

Examples:
  kvant inspect model.safetensors --header
  kvant inspect data/minilm_fp16.safetensors --outliers 3)");
  app->callback([o, run] { *run = [o] { return RunInspect(*o); }; });
}

void AddCompare(CLI::App* root, Run* run) {
  CLI::App* const app = root->add_subcommand("compare", "Errors of one file's tensors against another's");
  const auto o = std::make_shared<CompareOptions>();
  app->add_option("A", o->a, "the reference")->option_text(" ")->required();
  app->add_option("B", o->b, "the other: real numbers or codes, which are dequantized on the way")
      ->option_text(" ")
      ->required();
  AddSelection(app, &o->selection);
  AddThreads(app, &o->threads);
  AddBlockBytes(app, &o->block_bytes);
  AddJson(app, &o->json);
  app->footer(R"(Tensors of the same name are compared; two files of one tensor each are compared whatever its name.
SQNR = 10 log10(sum a^2 / sum (a - b)^2). The exit code is 0 whether the tensors are equal or not; --json tells.

Example:
  kvant compare model.safetensors model.int8.safetensors)");
  app->callback([o, run] { *run = [o] { return RunCompare(*o); }; });
}

void AddTargets(CLI::App* root, Run* run) {
  CLI::App* const app = root->add_subcommand("targets", "Show the instruction sets that kvant can use here");
  const auto o = std::make_shared<TargetsOptions>();
  AddJson(app, &o->json);
  app->footer(R"(The environment variable KVANT_TARGET chooses one; results are the same on all.

Examples:
  kvant targets
  KVANT_TARGET=scalar kvant targets)");
  app->callback([o, run] { *run = [o] { return RunTargets(*o); }; });
}

void AddDemo(CLI::App* root, Run* run, const char* program) {
  CLI::App* const app = root->add_subcommand("demo", "Quantize real activations in every format: sizes, errors, speed");
  const auto o = std::make_shared<DemoOptions>();
  o->program = program;
  app->add_option("--data", o->data, "a checkout's data folder: minilm_fp16, minilm_bf16 and smooth.safetensors")
      ->option_text("DIR (required)")
      ->required();
  AddThreads(app, &o->threads, "default 1");
  AddJson(app, &o->json);
  app->footer(R"(Example, in a checkout of kvant:
  kvant demo --data data)");
  app->callback([o, run] { *run = [o] { return RunDemo(*o); }; });
}

std::string Commands(const CLI::App& app) {
  const auto all = app.get_subcommands([](const CLI::App*) { return true; });
  std::vector<std::string> names;
  for (const CLI::App* const command : all) names.push_back(command->get_name());
  return Alternatives({names.begin(), names.end()});
}

// What is wrong, in words that do not need CLI11's.
std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  const auto command = app.get_subcommands();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    std::vector<std::string> words = app.remaining(true);
    std::erase(words, "--");  // it only ends the options
    if (command.empty() && !words.empty() && !words[0].starts_with('-')) {
      return fmt::format("no command '{}': give {}", Printable(words[0]), Commands(app));
    }
    return fmt::format("unexpected argument{}: {}", words.size() == 1 ? "" : "s", CLI::detail::join(words, " "));
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && !command.empty()) {
    const std::string text = error.what(), name = text.substr(0, text.find(": "));
    if (const CLI::Option* const option = command[0]->get_option_no_throw(name)) {
      const bool too_often = static_cast<int64_t>(option->count()) > option->get_items_expected_max();
      return name + (too_often ? " is given more than once" : " needs a value");
    }
  }
  return error.what();
}

std::string OneLine(const CLI::App* app, std::string text) {
  const size_t end = text.find('\n');
  if (end != std::string::npos) text.resize(end);
  std::string command = "kvant";
  for (const CLI::App* sub : app->get_subcommands()) command += " " + sub->get_name();
  return fmt::format("{}: {} ({} --help)\n", command, Printable(text, 400), command);
}

}  // namespace

std::optional<int> ParseArguments(int argc, char** argv, Run* run) {
  CLI::App app("kvant: fused quantization for LLM inference, the same bits on every machine", "kvant");
  app.set_version_flag("--version", "kvant " KVANT_VERSION_STRING);
  app.get_formatter()->column_width(30);
  app.footer(
      R"('kvant COMMAND --help' explains a command. Exit code: 0 done, 2 bad arguments or files, 1 a fault of kvant itself or no
memory. Errors are one line on standard error; a progress bar appears there if it is a terminal.

Examples:
  kvant quantize in.safetensors -o out.safetensors --dst int4 --group-size 32
  kvant compare in.safetensors out.safetensors
  kvant dequantize out.safetensors -o back.safetensors)");
  AddQuantize(&app, run);
  AddDequantize(&app, run);
  AddInspect(&app, run);
  AddCompare(&app, run);
  AddTargets(&app, run);
  AddBench(&app, run);
  AddBenchCache(&app, run);
  AddBenchSwiglu(&app, run);
  AddDemo(&app, run, argc > 0 ? argv[0] : "kvant");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      PrintError(OneLine(&app, Explain(app, error)));
      return kExitUser;
    }
    const bool version = dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr;
    *run = [text = version ? error.what() + std::string("\n") : app.help()] {
      Print(text);
      return Status();
    };
  }
  if (*run) return std::nullopt;
  PrintError(OneLine(&app, "give a command: " + Commands(app)));
  return kExitUser;
}

}  // namespace kvant::cli
