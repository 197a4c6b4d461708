// The JSON text of a safetensors header, apart from the file around it.
#ifndef CLI_IO_SAFETENSORS_HEADER_H_
#define CLI_IO_SAFETENSORS_HEADER_H_

#include <span>
#include <string>
#include <string_view>

#include "cli/io/tensor_table.h"

namespace kvant::cli {

// JSON that begins with a brace -> table, in the order of the JSON. An entry's offset and bytes are data_offsets[0] and
// the difference of the two, which is not negative. Checks the syntax, the kind of every value and that metadata keys
// are unique; not what names and numbers say about one another. Needs memory in proportion to the text, whatever the
// text says.
Status ParseSafetensorsHeader(std::string_view file, std::string_view json, TensorTable* table);

// `entries` in the given order, their offsets as they stand -> JSON. Fails if a name or metadata string is not UTF-8.
Status FormatSafetensorsHeader(std::string_view file, std::span<const TensorEntry* const> entries,
                               const Metadata& metadata, std::string* json);

}  // namespace kvant::cli

#endif  // CLI_IO_SAFETENSORS_HEADER_H_
