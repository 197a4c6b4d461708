// Decodes with a package that export.py has made, without Python. Prints what export.py prints.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::vector<int64_t> Numbers(const std::string& text) {
  std::vector<int64_t> numbers;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) numbers.push_back(std::stoll(part));
  return numbers;
}

void Decode(const std::string& package) {
  const c10::InferenceMode no_gradients;
  at::set_num_threads(1);  // matrix products may add in another order with more
  torch::inductor::AOTIModelPackageLoader model(package);
  auto known = model.get_metadata();
  const std::vector<int64_t> codes = Numbers(known.at("codes"));
  const std::vector<int64_t> scales(codes.begin(), codes.end() - 1);

  // Token and place, then the cache: codes and scales of each layer. The model writes into these tensors, so that the
  // next step, with the same ones, finds what this one wrote. Another sequence would have tensors of its own.
  std::vector<at::Tensor> inputs = {at::full({1}, 1, at::kLong), at::zeros({1}, at::kLong)};
  for (int64_t layer = 0; layer < std::stoll(known.at("layers")); ++layer) {
    inputs.push_back(at::zeros(codes, at::kChar));
    inputs.push_back(at::zeros(scales, at::kFloat));
  }
  const int64_t steps = std::stoll(known.at("steps"));
  for (int64_t step = 0; step < steps; ++step) {
    inputs[1].fill_(step);
    const at::Tensor logits = model.run(inputs).at(0);
    const auto token = logits.argmax().item<int64_t>();
    std::printf("%lld %lld %.9g\n", static_cast<long long>(step), static_cast<long long>(token),
                static_cast<double>(logits[token].item<float>()));
    inputs[0].fill_(token);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: decode MODEL.pt2\n"), 2;
  try {
    Decode(argv[1]);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "%s\n", error.what()), 1;
  }
  return 0;
}
