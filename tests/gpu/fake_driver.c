/* A CUDA driver without a card: memory is the host's, kernels are loaded and never run.
 *
 * With NVRTC it shows whether every kernel of a step compiles for an H100, and what a step costs the host: its
 * launches, and the time between them. What a model computes on it means nothing. See no-card.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result; /* CUresult: 0 is success */
typedef unsigned long long Pointer; /* CUdeviceptr */
enum { NOT_FOUND = 500 };
/* The emulator has neither the copy engine nor the barriers of Hopper. */
#ifdef EMULATED
enum { CAPABILITY = 8 };
#define NAME "emulated (as an A100)"
#else
enum { CAPABILITY = 9 };
#define NAME "no card (as an H100)"
#endif

/* What stands for a context, stream, event, module or function. */
static void *handle(void) { return calloc(1, 64); }

Result cuInit(unsigned flags) { return 0; }
// FAKE_DRIVER_VERSION=12040 is a driver of CUDA 12.4.
Result cuDriverGetVersion(int *version) {
  const char *said = getenv("FAKE_DRIVER_VERSION");
  *version = said ? atoi(said) : 13000;
  return 0;
}
Result cuDeviceGetCount(int *count) { *count = 1; return 0; }
Result cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
Result cuDeviceGetName(char *name, int length, int device) { snprintf(name, length, NAME); return 0; }
Result cuDeviceGetPCIBusId(char *id, int length, int device) { snprintf(id, length, "0000:00:00.0"); return 0; }
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 80ull << 30; return 0; }
Result cuGetExportTable(const void **table, const void *id) { return NOT_FOUND; }
Result cuGetErrorName(Result error, const char **name) { *name = "no card"; return 0; }
Result cuGetErrorString(Result error, const char **text) { *text = "no card"; return 0; }

/* The attributes by their numbers in cuda.h, as an H100 has them. */
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  switch (attribute) {
    case 1: case 2: case 3: *value = 1024; break; /* threads of a block, and its first two edges */
    case 4: *value = 64; break; /* its third edge */
    case 5: *value = 2147483647; break; /* edges of the grid */
    case 6: case 7: *value = 65535; break;
    case 8: *value = 49152; break; /* shared memory of a block */
    case 10: *value = 32; break; /* warp */
    case 16: *value = 132; break; /* multiprocessors */
    case 75: *value = CAPABILITY; break; /* compute capability */
    case 76: *value = 0; break;
    case 97: *value = 232448; break; /* shared memory of a block that asks for it */
    default: *value = 1;
  }
  return 0;
}

Result cuDevicePrimaryCtxRetain(void **context, int device) { *context = handle(); return 0; }
Result cuCtxSetCurrent(void *context) { return 0; }
Result cuCtxGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return 0; }
Result cuStreamCreate(void **stream, unsigned flags) { *stream = handle(); return 0; }
Result cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) { *stream = handle(); return 0; }
Result cuStreamSynchronize(void *stream) { return 0; }
Result cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
Result cuStreamDestroy_v2(void *stream) { free(stream); return 0; }
Result cuEventCreate(void **event, unsigned flags) { *event = handle(); return 0; }
Result cuEventRecord(void *event, void *stream) { return 0; }
Result cuEventQuery(void *event) { return 0; }
Result cuEventSynchronize(void *event) { return 0; }
Result cuEventElapsedTime(float *milliseconds, void *from, void *to) { *milliseconds = 1; return 0; }
Result cuEventElapsedTime_v2(float *milliseconds, void *from, void *to) { *milliseconds = 1; return 0; }
Result cuEventDestroy_v2(void *event) { free(event); return 0; }

/* Aligned as a card's. Kernels that run must not count on zeros. */
#ifdef EMULATED
enum { FILLING = 0xff };
#else
enum { FILLING = 0 };
#endif
static void *memory(size_t bytes) {
  void *at = NULL;
  if (posix_memalign(&at, 512, bytes ? bytes : 1)) return NULL;
  return memset(at, FILLING, bytes);
}
Result cuMemAlloc_v2(Pointer *at, size_t bytes) { *at = (Pointer)memory(bytes); return *at ? 0 : 2; }
Result cuMemAllocAsync(Pointer *at, size_t bytes, void *stream) { return cuMemAlloc_v2(at, bytes); }
Result cuMemFree_v2(Pointer at) { free((void *)at); return 0; }
Result cuMemFreeAsync(Pointer at, void *stream) { return cuMemFree_v2(at); }
Result cuMemAllocHost_v2(void **at, size_t bytes) { *at = memory(bytes); return *at ? 0 : 2; }
Result cuMemFreeHost(void *at) { free(at); return 0; }
Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *stream) { memcpy((void *)to, from, bytes); return 0; }
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *stream) { memcpy(to, (void *)from, bytes); return 0; }
Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *stream) { memcpy((void *)to, (void *)from, bytes); return 0; }

/* CUDA_MEMCPY2D. */
typedef struct {
  size_t x, y;
  unsigned kind; /* 1 is the host's memory */
  void *host;
  Pointer device;
  void *array;
  size_t pitch;
} Side;
typedef struct { Side from, to; size_t width, height; } Copy;
static char *start(const Side *side) {
  char *base = side->kind == 1 ? side->host : (char *)side->device;
  return base + side->y * side->pitch + side->x;
}
Result cuMemcpy2DAsync_v2(const Copy *copy, void *stream) {
  for (size_t row = 0; row < copy->height; row++)
    memcpy(start(&copy->to) + row * copy->to.pitch, start(&copy->from) + row * copy->from.pitch, copy->width);
  return 0;
}

Result cuFuncSetAttribute(void *function, int attribute, int value) { return 0; }
/* What the documentation of the driver asks of a map for the copy engine; what a card would refuse is refused. */
Result cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *at, const Pointer *dims, const Pointer *strides,
                              const unsigned *box, const unsigned *steps, int interleave, int swizzle, int promotion,
                              int fill) {
  static const int sizes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  static const unsigned spans[] = {256 * 8, 32, 64, 128, 128, 128, 128};
  const char *wrong = (Pointer)at % 16 ? "an address that 16 does not divide" : NULL;
  for (unsigned i = 0; i < rank; i++) {
    if (!dims[i] || dims[i] > 1ull << 32) wrong = "a dimension that is 0 or too large";
    if (!box[i] || box[i] > 256) wrong = "a box of none or of more than 256";
    if (i + 1 < rank && (strides[i] % 16 || strides[i] >= 1ull << 40)) wrong = "a stride that 16 does not divide";
  }
  if (box[0] * sizes[type] % 16) wrong = "rows of a box that 16 bytes do not divide";
  if (box[0] * sizes[type] > spans[swizzle]) wrong = "rows of a box wider than what is swizzled";
  if (!wrong) return 0;
  fprintf(stderr, "error: a map for the copy engine has %s\n", wrong);
  return 1;
}

#ifndef EMULATED /* emulator/emulator.cpp loads and runs kernels. */
Result cuModuleLoadData(void **module, const void *image) { *module = strdup(image); return 0; }
Result cuModuleUnload(void *module) { free(module); return 0; }

/* A kernel, and how often it was launched in which shape. */
typedef struct Launched {
  unsigned grid[3], block[3], shared;
  long times;
  struct Launched *next;
} Launched;
typedef struct Function {
  char *name;
  long launches;
  Launched *shapes;
  struct Function *next;
} Function;
static Function *functions;

/* FAKE_DRIVER_KERNELS=DIR gets the PTX of each kernel and launches.tsv, which kernels.py reads. */
static FILE *in_folder(const char *name, const char *ending) {
  const char *folder = getenv("FAKE_DRIVER_KERNELS");
  if (!folder) return NULL;
  char *path = malloc(strlen(folder) + strlen(name) + strlen(ending) + 2);
  sprintf(path, "%s/%s%s", folder, name, ending);
  FILE *file = fopen(path, "w");
  if (!file) perror(path);
  free(path);
  return file;
}

Result cuModuleGetFunction(void **function, void *module, const char *name) {
  Function *new = calloc(1, sizeof(Function));
  new->name = strdup(name);
  new->next = functions;
  *function = functions = new;
  FILE *file = in_folder(name, ".ptx");
  if (file) {
    fputs(module, file);
    fclose(file);
  }
  return 0;
}

static long launches;
static Result launch(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared) {
  launches++;
  function->launches++;
  Launched shape = {{gx, gy, gz}, {bx, by, bz}, shared, 1, function->shapes};
  for (Launched *at = function->shapes; at; at = at->next)
    if (!memcmp(at->grid, shape.grid, sizeof shape.grid) && !memcmp(at->block, shape.block, sizeof shape.block) && at->shared == shared) {
      at->times++;
      return 0;
    }
  function->shapes = malloc(sizeof shape);
  *function->shapes = shape;
  return 0;
}
Result cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, void *stream, void **arguments, void **extra) {
  return launch(function, gx, gy, gz, bx, by, bz, shared);
}
Result cuLaunchKernelEx(const void *config, void *function, void **arguments, void **extra) {
  const unsigned *shape = config; /* grid, block, shared memory: CUlaunchConfig begins with them */
  return launch(function, shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6]);
}
/* FAKE_DRIVER_LAUNCHES=kernels names each of them. */
__attribute__((destructor)) static void report(void) {
  FILE *file = functions ? in_folder("launches", ".tsv") : NULL;
  if (file) {
    for (Function *at = functions; at; at = at->next)
      for (Launched *shape = at->shapes; shape; shape = shape->next)
        fprintf(file, "%s\t%ld\t%u\t%u\t%u\t%u\t%u\t%u\t%u\n", at->name, shape->times, shape->grid[0], shape->grid[1], shape->grid[2],
                shape->block[0], shape->block[1], shape->block[2], shape->shared);
    fclose(file);
  }
  const char *asked = getenv("FAKE_DRIVER_LAUNCHES");
  if (!asked) return;
  if (!strcmp(asked, "kernels"))
    for (Function *at = functions; at; at = at->next)
      if (at->launches) fprintf(stderr, "%ld × %s\n", at->launches, at->name);
  fprintf(stderr, "%ld launches\n", launches);
}
#endif
