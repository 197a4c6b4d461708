// Which tensors of a file a command is about.
#ifndef CLI_SELECTION_H_
#define CLI_SELECTION_H_

#include <string>
#include <string_view>
#include <vector>

#include "cli/tensor_set.h"

namespace kvant::cli {

struct Selection {
  std::vector<std::string> names;     // exactly these
  std::vector<std::string> patterns;  // shell patterns: * ? [abc]; * matches dots and slashes too
  std::vector<std::string> except;    // shell patterns that take away

  bool all() const { return names.empty() && patterns.empty(); }
};

// Whether a name is chosen.
bool Selects(const Selection& selection, std::string_view name);

// Fails for a name or pattern that no tensor of the file has, for the name of a scale or offset, which goes with its
// tensor, and where nothing is left: a typing error must not choose nothing in silence.
Status CheckSelection(const Selection& selection, const TensorSet& set);

}  // namespace kvant::cli

#endif  // CLI_SELECTION_H_
