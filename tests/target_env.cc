// Does the environment variable KVANT_TARGET do what it says? Called as `target_env EXPECTED`, where EXPECTED is the
// name of a target, "best" (what the library chooses by itself) or "error" (every operator must refuse to run).
// Exit code 77: this machine does not have the target.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kvant/kvant.h"

namespace {

kvant::Status QuantizeSomething(int8_t (&codes)[4]) {
  const float x[4] = {0.0f, 1.0f, -2.0f, 127.0f};
  float scale[1] = {};
  kvant::DynamicQuantArgs args;
  args.x = {x, kvant::DType::kFloat32, {1, 4}};
  args.symmetric = true;
  args.y = {codes, kvant::DType::kInt8, {1, 4}};
  args.scale = {scale, kvant::DType::kFloat32, {1}};
  return kvant::DynamicQuant(args);
}

int Fail(std::string_view what, std::string_view detail) {
  std::fprintf(stderr, "target_env: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(detail.size()), detail.data());
  return 1;
}

int ExpectError() {
  const char* wanted = std::getenv("KVANT_TARGET");
  kvant::Target target{};
  int8_t codes[4] = {9, 9, 9, 9};
  for (const kvant::Status& status : {kvant::ActiveTarget(&target), QuantizeSomething(codes)}) {
    if (status.code() != kvant::StatusCode::kUnavailable) return Fail("expected kUnavailable, got", status.message());
    if (status.message().find(wanted) == std::string::npos) return Fail("does not name the target", status.message());
  }
  for (int8_t code : codes) {
    if (code != 9) return Fail("the operator failed", "and wrote codes all the same");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return Fail("usage", "target_env EXPECTED");
  std::string_view expected = argv[1];
  if (expected == "error") return ExpectError();

  const auto supported = kvant::SupportedTargets();
  if (supported.empty()) return Fail("SupportedTargets()", "is empty");
  if (supported.back() != kvant::Target::kScalar) return Fail("SupportedTargets()", "does not end with scalar");
  if (expected == "best") expected = kvant::Name(supported.front());
  bool found = false;
  for (kvant::Target t : supported) found |= kvant::Name(t) == expected;
  if (!found) {
    std::printf("skipped: this machine does not have %s\n", argv[1]);
    return 77;
  }

  kvant::Target target{};
  if (kvant::Status status = kvant::ActiveTarget(&target); !status.ok()) return Fail("ActiveTarget", status.message());
  if (kvant::Name(target) != expected) return Fail("another target is active", kvant::Name(target));
  int8_t codes[4] = {};
  if (kvant::Status status = QuantizeSomething(codes); !status.ok()) return Fail("DynamicQuant", status.message());
  if (codes[0] != 0 || codes[1] != 1 || codes[2] != -2 || codes[3] != 127) return Fail("DynamicQuant", "wrong codes");
  std::printf("target %s\n", argv[1]);
  return 0;
}
