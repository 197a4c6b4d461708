// The everyday write into a cache, checked at a glance: for a token or two, rules and plan take longer than its rows.
#ifndef KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PLAIN_H_
#define KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PLAIN_H_

#include "kvant/core/scatter_index.h"
#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
#include "kvant/rowwise/plain.h"

namespace kvant {

// Row-major tables and updates, axis 1, no smooth scales.
struct PlainUpdate {
  ScatterGeometry geometry;
  int caches = 1;
  // The updates of each cache, with group_size in rows of one group; y, scale and offset are those of place {0, 0}.
  PlainRows rows[2];
  DType table[2];  // of scales and offsets
};

// True if every rule but those of the indices' values can be seen to hold and the work is that of one task; false means
// nothing more than that the rules have to be asked.
bool FindPlainUpdate(const DynamicQuantUpdateScatterArgs& args, PlainUpdate* update);

}  // namespace kvant

#endif  // KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PLAIN_H_
