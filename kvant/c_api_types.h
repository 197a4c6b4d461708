// What the functions of the C API share: numbers that stand for names, how to run, what a result looks like.
#ifndef KVANT_C_API_TYPES_H_
#define KVANT_C_API_TYPES_H_

#include <dlpack/dlpack.h>
#include <stddef.h>
#include <stdint.h>

#define KVANT_API __attribute__((visibility("default")))
#define KVANT_MAX_NDIM 32

#ifdef __cplusplus
extern "C" {
#endif

// NOLINTBEGIN(modernize-use-using): this is C

// Enumerations are int32_t, so that fields have the same size for every compiler and language.

typedef int32_t kvant_status;
enum {
  KVANT_OK = 0,
  KVANT_INVALID_VALUE = 1,  // a shape, attribute or pair of arguments is not legal
  KVANT_INVALID_TYPE = 2,   // a dtype is not legal here
  KVANT_OUT_OF_RANGE = 3,   // an index or group boundary points outside
  KVANT_UNAVAILABLE = 4,    // this build or machine cannot do it
  KVANT_OUT_OF_MEMORY = 5
};

// Number formats of codes, and D, the magnitude that symmetric quantization maps the largest element to.
typedef int32_t kvant_format;
enum {
  KVANT_INT8 = 0,           // D 127
  KVANT_INT4 = 1,           // D 7; element 2k is the low nibble of byte k, 2k + 1 the high one
  KVANT_FLOAT8_E4M3FN = 2,  // D 448
  KVANT_FLOAT8_E5M2 = 3,    // D 57344
  KVANT_HIFLOAT8 = 4        // D dst_type_max, or 32768
};

// Which elements share one scale, and so the shape of scale and offset.
typedef int32_t kvant_quant_mode;
enum {
  KVANT_PER_TOKEN = 0,   // the last dimension of a row: x.shape[:-1]; with group_size g also [H/g]
  KVANT_PER_TENSOR = 1,  // the whole tensor: [1]
  KVANT_PER_CHANNEL = 2  // dimension -2: x.shape without it
};

typedef int32_t kvant_round_mode;
enum {
  KVANT_ROUND_RINT = 0,   // nearest even; for HIFLOAT8 the same as KVANT_ROUND_AWAY
  KVANT_ROUND_AWAY = 1,   // HIFLOAT8's "round": nearest, ties away from zero
  KVANT_ROUND_HYBRID = 2  // HIFLOAT8's "hybrid"
};

// How indices say where updates go, along an axis a of the destination; 0 <= t < U = updates.shape[a]. A pair with -1
// in either element, or the slot -1, is padding: that update is skipped. Of two updates of one element the one with the
// higher i wins.
typedef int32_t kvant_index_mode;
enum {
  KVANT_INDEX_NOT_GIVEN = 0,  // an error
  KVANT_INDEX_BATCH = 1,  // indices [n]: self[i, .., indices[i] + t, ..] = updates[i, .., t, ..]; n <= self.shape[0]
  KVANT_INDEX_PAIR = 2,   // [n, 2]: self[indices[i, 0], .., indices[i, 1] + t, ..] = updates[i, .., t, ..]
  KVANT_INDEX_SLOT = 3    // [n]: self[s / P, .., s % P, ..] = updates[i, ..], s = indices[i], P = self.shape[a];
                          // updates lack dimension a
};

// What an index means that points outside and is no padding.
typedef int32_t kvant_index_policy;
enum {
  KVANT_INDEX_ERROR = 0,  // KVANT_OUT_OF_RANGE, and nothing is written
  KVANT_INDEX_SKIP = 1    // that update is skipped as a whole
};

// Whether results bypass the cache.
typedef int32_t kvant_stores;
enum {
  KVANT_STORES_AUTO = 0,  // large ones do
  KVANT_STORES_NORMAL = 1,
  KVANT_STORES_STREAMING = 2
};

// A caller's thread pool. `run` calls body(arg, t) once for every t in [0, tasks), on any threads and in any order, and
// returns when all calls have; it does not throw or jump out. `num_threads`, at least 1, says how many tasks are worth
// making; with 1 `run` may be NULL. This struct does not change.
typedef struct kvant_parallel_for {
  int32_t num_threads;
  void* pool;
  void (*run)(void* pool, int tasks, void (*body)(void* arg, int task), void* arg);
} kvant_parallel_for;

// How to run an operator; nothing here changes a result. A NULL kvant_exec is all defaults.
typedef struct kvant_exec {
  size_t struct_size;
  kvant_stores stores;
  const kvant_parallel_for* parallel;  // NULL: OpenMP's threads if the library was built with it, else one
  void* workspace;                     // as aligned as malloc's; NULL, or too small: the call allocates what it needs
  size_t workspace_bytes;
} kvant_exec;
#define KVANT_EXEC_INIT \
  { sizeof(kvant_exec), KVANT_STORES_AUTO, NULL, NULL, 0 }

// What a result must look like: a DLTensor can point to `shape`, and `bytes` are what to allocate for it, row-major.
// ndim = -1: there is no such result. This struct does not change.
typedef struct kvant_tensor_spec {
  DLDataType dtype;
  int32_t ndim;
  int64_t shape[KVANT_MAX_NDIM];
  int64_t bytes;
} kvant_tensor_spec;

// NOLINTEND(modernize-use-using)

#ifdef __cplusplus
}
#endif

#endif  // KVANT_C_API_TYPES_H_
