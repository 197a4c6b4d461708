#include "cli/arguments_bench.h"

#include "cli/cmd_bench.h"
#include "cli/cmd_bench_cache.h"
#include "cli/cmd_bench_swiglu.h"

namespace kvant::cli {
namespace {

void AddSeconds(CLI::App* app, double* seconds) {
  AddNumber(app, "--seconds", "S", seconds, 0.001, 3600.0, "for each line; default 0.3", " of seconds");
}

}  // namespace

void AddBench(CLI::App* root, Run* run) {
  CLI::App* const app = root->add_subcommand("bench", "Time dynamic quantization beside a copy of the same bytes");
  const auto o = std::make_shared<BenchOptions>();
  AddList(app, "--shape", "RxC", &o->shapes, ParseBenchShape, "ROWSxCOLUMNS, like 128x7168",
          "several times too; default 1x4096, 16x4096, 128x7168 and 4096x4096");
  AddFloatType(app, &o->dtype, "default float16");
  AddFormat(app, &o->formats, "default int8, int4 and, without groups, float8_e4m3fn and hifloat8");
  AddSymmetry(app, &o->symmetric, "; default of FP8 and hifloat8, not so in quantize", "; default of int8 and int4");
  AddQuantMode(app, &o->mode);
  AddGroupSize(app, &o->group_size);
  AddThreads(app, &o->threads, "of kvant and of the copy; default 1");
  AddSeconds(app, &o->seconds);
  AddJson(app, &o->json);
  app->footer(
      R"(Median times. "of copy" is the share of the speed of a copy that reads and writes the same bytes, timed in turns with
the operator, with normal stores and with stores that bypass the cache.

Example:
  kvant bench --shape 128x7168 --dst int4 --dtype bfloat16 --threads 2)");
  app->callback([o, run] { *run = [o] { return RunBench(*o); }; });
}

void AddBenchCache(CLI::App* root, Run* run) {
  CLI::App* const app = root->add_subcommand("bench-cache", "Time writing and reading a quantized KV cache");
  const auto o = std::make_shared<CacheBenchOptions>();
  AddList(app, "--shape", "TxHxD", &o->shapes, ParseCacheShape, "TOKENSxHEADSxDIM, like 64x8x128",
          "several times too; default 1x8x128, 64x8x128 and 4096x8x128");
  AddFloatType(app, &o->dtype, "default float16");
  AddFormat(app, &o->formats, "default int8 and int4");
  AddNumber(app, "--group-size", "N", &o->group_size, int64_t{1}, int64_t{1} << 40,
            "elements that share a scale; int8 and int4; default: all of a head");
  AddNumber(app, "--slots", "N", &o->slots, int64_t{1}, int64_t{1} << 40,
            "places for tokens in the cache; default 65536, at least the tokens");
  AddThreads(app, &o->threads, "at most, of kvant and of the copy; default 1");
  AddSeconds(app, &o->seconds);
  AddJson(app, &o->json);
  app->footer(
      R"(Median times of scatter_update_ (codes as they are), quant_scatter_ (one scale per channel; not int4) and, of int8 and
int4, dynamic_quant_update_scatter_ (scales from the data) and dequantize_gather, each token at a random slot, the same
slots each time. "of copy" is the share of the speed of a copy of the same bytes to or from the same slots, scales and
offsets too, timed in turns with the operator.

Example:
  kvant bench-cache --shape 64x8x128 --dst int4 --group-size 32)");
  app->callback([o, run] { *run = [o] { return RunCacheBench(*o); }; });
}

void AddBenchSwiglu(CLI::App* root, Run* run) {
  CLI::App* const app =
      root->add_subcommand("bench-swiglu", "Time dequantize, SwiGLU and quantize in one pass beside a copy");
  const auto o = std::make_shared<SwigluBenchOptions>();
  AddList(app, "--shape", "RxC", &o->shapes, ParseBenchShape, "ROWSxCOLUMNS, like 64x4096",
          "of x; several times too; default 1x4096, 64x4096, 4608x2048 and 4096x14336");
  AddList(app, "--dtype", "DTYPE", &o->dtypes, ParseSwigluType, "int32, " + FloatTypeNames(),
          "of x; several times too; default int32 and bfloat16");
  AddFormat(app, &o->format, "not int4; default int8");
  AddNumber(app, "--groups", "N", &o->groups, int64_t{1}, int64_t{1} << 20,
            "experts that share the rows evenly; default 1");
  const auto mode = [](std::string_view text, SwigluMode* value) {
    if (text.size() != 1 || text[0] < '0' || text[0] > '2') return false;
    *value = static_cast<SwigluMode>(text[0] - '0');
    return true;
  };
  AddParsed(app, "--mode", "N", &o->mode, mode, "0, 1 or 2",
            "0: silu(gate) * linear; 1, 2: clamped, interleaved (1) or halves (2); default 0");
  app->add_flag("--static", o->fixed_scales, "with given scales instead of measured ones");
  AddThreads(app, &o->threads, "of kvant and of the copy; default 1");
  AddSeconds(app, &o->seconds);
  AddJson(app, &o->json);
  app->footer(
      R"(Median times. x is twice as wide as the result; int32 is dequantized with a scale for each column and row. "of copy"
is the share of the speed of a copy that reads x and writes as many bytes as there are codes, timed in turns with the
operator, with normal stores and with stores that bypass the cache.

Example:
  kvant bench-swiglu --shape 4608x2048 --dtype int32 --groups 8 --threads 2)");
  app->callback([o, run] { *run = [o] { return RunSwigluBench(*o); }; });
}

}  // namespace kvant::cli
