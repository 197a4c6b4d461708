// Every file of the corpus again, in an ordinary build: the readers keep their promises, and say of each file exactly
// what expected/ says.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "cli/fuzz/verdict.h"
#include "cli/io/test_util.h"

namespace kvant::cli {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(KVANT_SOURCE_DIR) / "cli/fuzz";

// Lines "file<tab>outcome", sorted by file.
std::map<std::string, std::string> Expected(const std::string& format) {
  std::map<std::string, std::string> expected;
  std::ifstream in(kFolder / "expected" / (format + ".txt"));
  for (std::string line; std::getline(in, line);) {
    const size_t tab = line.find('\t');
    if (tab != std::string::npos) expected[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return expected;
}

// On a difference prints the line that expected/ would need.
void CheckCorpus(const std::string& format, int least) {
  std::map<std::string, std::string> expected = Expected(format);
  int files = 0, read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder / "corpus" / format)) {
    const std::string name = entry.path().filename();
    const Verdict verdict = Examine("x." + format, ReadBytes(entry.path()));
    EXPECT_EQ(verdict.broken, "") << name;
    EXPECT_EQ(expected[name], verdict.outcome) << fmt::format("{}\t{}", name, verdict.outcome);
    expected.erase(name);
    ++files;
    read += verdict.outcome.starts_with("ok:") ? 1 : 0;
  }
  for (const auto& [name, outcome] : expected) ADD_FAILURE() << "no file " << name << " in the corpus";
  EXPECT_GE(files, least);
  EXPECT_GE(read, 5);
}

TEST(Corpus, Safetensors) { CheckCorpus("safetensors", 50); }
TEST(Corpus, Npy) { CheckCorpus("npy", 40); }

}  // namespace
}  // namespace kvant::cli
