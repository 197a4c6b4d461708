// Random graphs leave the same bytes everywhere, fused and unfused.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kvant/graph/fuse.h"
#include "kvant/graph/random_program_test_util.h"
#include "kvant/graph/run.h"

namespace kvant::graph {
namespace {

struct Outcome {
  Status status;
  std::map<std::string, TestTensor> inputs;
  std::map<std::string, std::vector<uint8_t>> outputs;
};

Outcome RunOn(const Graph& g, std::map<std::string, TestTensor> inputs) {
  Outcome outcome;
  outcome.inputs = std::move(inputs);
  std::vector<Binding> bindings;
  for (auto& [name, tensor] : outcome.inputs) bindings.emplace_back(name, tensor.view());
  std::vector<Tensor> outputs;
  outcome.status = Run(g, bindings, &outputs);
  for (const Tensor& t : outputs) {
    const auto* bytes = static_cast<const uint8_t*>(t.view().data());
    outcome.outputs[t.name()] = {bytes, bytes + t.view().elements() * ByteSize(t.view().dtype())};
  }
  return outcome;
}

// What tells reasons apart, all of which have to come up.
constexpr const char* kReasons[] = {
    "is written in between",  "is used in between",          "used afterwards",    "share memory",
    "should have one reader", "the indices differ",          "policies differ",    "the axis differs",
    "and others are not",     "nothing writes them back",    "only int8 and int4", "only pertoken",
    "only the last one",      "quant_scatter does not have", "is packed along it", "takes rows apart",
    "do not belong to codes", "does not belong to codes",    "axis is ",           "without a copy"};

std::string KindOf(const std::string& reason) {
  for (const char* kind : kReasons) {
    if (reason.find(kind) != std::string::npos) return kind;
  }
  ADD_FAILURE() << "a reason that nobody expected: " << reason;
  return reason;
}

TEST(Random, FusedGraphsLeaveTheSameBytes) {
  std::map<std::string, int> kinds;
  int legal = 0, ran = 0;
  for (uint64_t seed = 1; seed <= 12000; ++seed) {
    Rng rng(seed);
    Program program(rng);
    if (!program.graph().status().ok()) continue;
    ++legal;
    FuseReport report;
    const Graph fused = Fuse(program.graph(), &report);
    ASSERT_TRUE(fused.status().ok()) << seed << fused.status().message();
    bool changed = false;
    for (const FuseEntry& e : report.entries) {
      ++kinds[e.fused.empty() ? KindOf(e.reason) : e.fused];
      changed |= !e.fused.empty();
    }
    ASSERT_EQ(changed, fused.Dump() != program.graph().Dump()) << seed;
    if (!changed) continue;
    Outcome a = RunOn(program.graph(), program.inputs()), b = RunOn(fused, program.inputs());
    const std::string both =
        "seed " + std::to_string(seed) + "\n" + program.graph().Dump() + report.Text() + fused.Dump();
    ASSERT_EQ(a.status.code(), b.status.code()) << a.status.message() << "\n" << b.status.message() << "\n" << both;
    if (!a.status.ok()) continue;
    ++ran;
    for (auto& [name, tensor] : a.inputs) {
      ASSERT_EQ(tensor.Bytes(), b.inputs.at(name).Bytes()) << name << "\n" << both;
      ASSERT_TRUE(b.inputs.at(name).OnlyElementsWritten()) << name << "\n" << both;
    }
    ASSERT_EQ(a.outputs, b.outputs) << both;
  }
  // The test has seen what it is about.
  EXPECT_GT(legal, 6000);
  EXPECT_GT(ran, 4000);
  for (const char* into : {"dynamic_quant_update_scatter_", "quant_scatter_", "quant_scatter", "scatter_update_"}) {
    EXPECT_GT(kinds[into], 30) << into;
  }
  for (const char* reason : kReasons) EXPECT_GT(kinds[reason], 0) << reason;
}

}  // namespace
}  // namespace kvant::graph
