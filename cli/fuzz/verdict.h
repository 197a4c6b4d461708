// What the fuzzers and the corpus test demand of the readers, for any bytes whatever.
#ifndef CLI_FUZZ_VERDICT_H_
#define CLI_FUZZ_VERDICT_H_

#include <string>

namespace kvant::cli {

struct Verdict {
  // "ok: " and the tensors and metadata, or the error message. The file is called `name` in it.
  std::string outcome;
  // Empty, or the promise that the reader broke:
  //   an error is one line of printable text that begins with the file and has a code;
  //   tensors lie inside the file, in order, apart, and with the header account for all of it;
  //   each is found by its name, and reads the same whole and in blocks;
  //   writing the table and reading it again gives the same table.
  std::string broken;
};

// Opens `bytes` as TensorFile does; a name that ends in .npy asks for that format.
Verdict Examine(const std::string& name, const std::string& bytes);

}  // namespace kvant::cli

#endif  // CLI_FUZZ_VERDICT_H_
