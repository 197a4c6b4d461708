// The rewrites that Fuse tries, one place at a time. Each changes the graph or fails with the reason, and then the
// graph is of no use any more: they work on copies.
#ifndef KVANT_GRAPH_FUSE_RULES_H_
#define KVANT_GRAPH_FUSE_RULES_H_

#include <string_view>

#include "kvant/core/status.h"
#include "kvant/graph/ir.h"

namespace kvant::graph {

// The dynamic_quant with this id and its scatter_updates, as dynamic_quant_update_scatter_.
Status FuseDynamic(Ir* ir, int id);

// Whether a scatter_update takes a value, or a view of it. Codes that no write takes are everybody's, and no news.
bool IsWritten(const Ir& ir, int value);
// The quantize with this id and its scatter_update, as *into: quant_scatter or quant_scatter_.
Status FuseStatic(Ir* ir, int id, std::string_view* into);

// The scatter_update or quant_scatter of an input whose result is written back to that input; -1: it is something else
// that is written back.
int ScatterOf(const Ir& ir, const WriteBackInfo& back);
// That scatter, with this id, in place; gives the id of the new node.
Status FuseWriteBack(Ir* ir, const WriteBackInfo& back, int id, int* in_place);

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_FUSE_RULES_H_
