#include "cli/piece_io.h"

namespace kvant::cli {

Status CopyTensor(const Located& from, const Sink& to, const Streaming& how, Buffer* buffer) {
  for (int64_t begin = 0; begin < from.entry->bytes;) {
    const int64_t n = std::min(how.block_bytes, from.entry->bytes - begin);
    buffer->Resize(n);
    KVANT_RETURN_IF_ERROR(from.file->ReadRange(*from.entry, begin, buffer->data(), n));
    KVANT_RETURN_IF_ERROR(to.Write(begin, buffer->data(), n));
    if (how.progress != nullptr) how.progress->Advance(n);
    begin += n;
  }
  return {};
}

}  // namespace kvant::cli
