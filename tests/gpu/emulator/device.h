/* What CUDA's compiler gives a kernel, for a kernel that is compiled for the host: threads as coroutines, which
 * the emulator (emulator.cpp) switches where they wait for each other. Included in front of every kernel. */
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace emulator {
struct Place { unsigned x, y, z; };

/* What lanes of a warp do together. */
enum Kind { SYNC, SHUFFLE, VOTE, GATHER };

/* What the emulator offers a kernel. */
struct Runtime {
  Place thread, block, block_size, grid_size;
  char *shared;
  void (*wait_block)();
  /* Waits for the other lanes of the warp. A shuffle gives the value (32 bytes at most) of lane `from`; a vote,
   * one bit for every lane whose value is not 0; a gathering, the values of all 32, which must all be there. */
  void (*wait_warp)(Kind kind, const void *value, unsigned from, void *result, unsigned bytes);
  unsigned (*lane)();
  void (*unknown)(const char *instruction);
};
static Runtime *runtime;

template <class T> T shuffle(T value, unsigned from) {
  static_assert(sizeof(T) <= 32 && std::is_trivially_copyable_v<T>);
  T result;
  runtime->wait_warp(SHUFFLE, &value, from, &result, sizeof(T));
  return result;
}
inline unsigned vote(bool value) {
  unsigned bit = value, result = 0;
  runtime->wait_warp(VOTE, &bit, 0, &result, sizeof(result));
  return result;
}
inline void sync_warp() { runtime->wait_warp(SYNC, nullptr, 0, nullptr, 0); }

/* Calls a kernel with arguments as the driver passes them: the address of each. */
template <class... Arguments, size_t... At>
void call(void (*kernel)(Arguments...), void **arguments, std::index_sequence<At...>) {
  kernel(*static_cast<std::remove_const_t<Arguments> *>(arguments[At])...);
}
template <class... Arguments> void call(void (*kernel)(Arguments...), void **arguments) {
  call(kernel, arguments, std::index_sequence_for<Arguments...>());
}
} // namespace emulator

/* CubeCL's kernels define these two as `long long`. */
#define int64_t cuda_int64_t
#define uint64_t cuda_uint64_t

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
/* Before the instructions for the least and the greatest with NaN, which are not here. */
#define __CUDA_ARCH__ 700
#define threadIdx (emulator::runtime->thread)
#define blockIdx (emulator::runtime->block)
#define blockDim (emulator::runtime->block_size)
#define gridDim (emulator::runtime->grid_size)
#define warpSize 32
#define __syncthreads() emulator::runtime->wait_block()
#define __syncwarp(...) emulator::sync_warp()
#define __threadfence() ((void)0)
#define __activemask() 0xffffffffu

template <class T> T __shfl_sync(unsigned, T value, int lane) { return emulator::shuffle(value, lane & 31); }
template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulator::shuffle(value, (emulator::runtime->lane() ^ mask) & 31);
}
template <class T> T __shfl_up_sync(unsigned, T value, unsigned delta) {
  unsigned lane = emulator::runtime->lane();
  return emulator::shuffle(value, lane < delta ? lane : lane - delta);
}
template <class T> T __shfl_down_sync(unsigned, T value, unsigned delta) {
  unsigned lane = emulator::runtime->lane();
  return emulator::shuffle(value, lane + delta > 31 ? lane : lane + delta);
}
inline unsigned __ballot_sync(unsigned, bool value) { return emulator::vote(value); }
inline bool __any_sync(unsigned, bool value) { return emulator::vote(value) != 0; }
inline bool __all_sync(unsigned, bool value) { return emulator::vote(!value) == 0; }

template <class T> T max(T a, T b) { return a > b ? a : b; }
template <class T> T min(T a, T b) { return a < b ? a : b; }
template <> inline float max(float a, float b) { return fmaxf(a, b); }
template <> inline float min(float a, float b) { return fminf(a, b); }
inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(unsigned x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }

/* One thread of the host runs all of a card's, so that nothing comes between. */
template <class T> T atomicAdd(T *at, T value) { T old = *at; *at = old + value; return old; }
template <class T> T atomicExch(T *at, T value) { T old = *at; *at = value; return old; }
template <class T> T atomicMax(T *at, T value) { T old = *at; *at = max(old, value); return old; }
template <class T> T atomicMin(T *at, T value) { T old = *at; *at = min(old, value); return old; }
template <class T> T atomicOr(T *at, T value) { T old = *at; *at = old | value; return old; }
template <class T> T atomicAnd(T *at, T value) { T old = *at; *at = old & value; return old; }
template <class T> T atomicCAS(T *at, T expected, T value) {
  T old = *at;
  if (old == expected) *at = value;
  return old;
}

/* Where something lies in shared memory, as instructions with `.shared` take it. */
inline unsigned __cvta_generic_to_shared(const void *at) {
  return (unsigned)(static_cast<const char *>(at) - emulator::runtime->shared);
}

/* Brain floats, rounded to the nearest, ties to even. */
struct __nv_bfloat16 {
  uint16_t bits;
  __nv_bfloat16() = default;
  __nv_bfloat16(float value) {
    uint32_t all;
    memcpy(&all, &value, 4);
    bits = value != value ? 0x7fff : (all + 0x7fff + ((all >> 16) & 1)) >> 16;
  }
  __nv_bfloat16(double value) : __nv_bfloat16((float)value) {}
  __nv_bfloat16(int value) : __nv_bfloat16((float)value) {}
  __nv_bfloat16(unsigned value) : __nv_bfloat16((float)value) {}
  __nv_bfloat16(unsigned long long value) : __nv_bfloat16((float)value) {}
  operator float() const {
    uint32_t all = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &all, 4);
    return value;
  }
};
struct __nv_bfloat162 { __nv_bfloat16 x, y; };
#define BRAIN_OPERATOR(op) \
  inline __nv_bfloat16 operator op(__nv_bfloat16 a, __nv_bfloat16 b) { return __nv_bfloat16((float)a op (float)b); } \
  inline __nv_bfloat162 operator op(__nv_bfloat162 a, __nv_bfloat162 b) { return {a.x op b.x, a.y op b.y}; }
BRAIN_OPERATOR(+)
BRAIN_OPERATOR(-)
BRAIN_OPERATOR(*)
BRAIN_OPERATOR(/)

/* Tensor cores, through the interface of whole matrices. Every lane holds all of a matrix. */
namespace nvcuda::wmma {
struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
namespace precision { struct tf32; }
enum layout_t { mem_row_major, mem_col_major };
inline float __float_to_tf32(float value) {
  if (value != value) return value;
  uint32_t bits;
  memcpy(&bits, &value, 4);
  bits = (bits + 0x1000) & 0xffffe000u;
  memcpy(&value, &bits, 4);
  return value;
}
/* What tensor cores take of a factor that nobody rounded: its lower bits are not looked at. */
inline float cut_to_tf32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  bits &= 0xffffe000u;
  memcpy(&value, &bits, 4);
  return value;
}
template <class T> struct Storage { using type = T; };
template <> struct Storage<precision::tf32> { using type = float; };
template <class Use, int m, int n, int k, class T, class Layout = void> struct fragment {
  using Element = typename Storage<T>::type;
  static constexpr int rows = std::is_same_v<Use, matrix_b> ? k : m;
  static constexpr int columns = std::is_same_v<Use, matrix_a> ? k : n;
  static constexpr int num_elements = rows * columns;
  Element x[num_elements];
};
template <class Use, int m, int n, int k, class T, class Layout, class V>
void fill_fragment(fragment<Use, m, n, k, T, Layout> &matrix, V value) {
  for (auto &element : matrix.x) element = value;
}
template <class Matrix, class T> void load(Matrix &matrix, const T *from, unsigned stride, bool by_row) {
  emulator::sync_warp();
  for (int row = 0; row < Matrix::rows; row++)
    for (int column = 0; column < Matrix::columns; column++)
      matrix.x[row * Matrix::columns + column] = by_row ? from[row * stride + column] : from[column * stride + row];
  emulator::sync_warp();
}
template <class Use, int m, int n, int k, class T, class Layout, class S>
void load_matrix_sync(fragment<Use, m, n, k, T, Layout> &matrix, const S *from, unsigned stride) {
  load(matrix, from, stride, std::is_same_v<Layout, row_major>);
}
template <int m, int n, int k, class T, class S>
void load_matrix_sync(fragment<accumulator, m, n, k, T> &matrix, const S *from, unsigned stride, layout_t layout) {
  load(matrix, from, stride, layout == mem_row_major);
}
/* Each lane stores a part, so that what reads another's without waiting for it is found out. */
template <int m, int n, int k, class T, class S>
void store_matrix_sync(S *to, const fragment<accumulator, m, n, k, T> &matrix, unsigned stride, layout_t layout) {
  emulator::sync_warp();
  for (int at = emulator::runtime->lane(); at < m * n; at += 32) {
    int row = at / n, column = at % n;
    to[layout == mem_row_major ? row * stride + column : column * stride + row] = matrix.x[at];
  }
}
template <int m, int n, int k, class D, class A, class B, class C, class LayoutA, class LayoutB>
void mma_sync(fragment<accumulator, m, n, k, D> &out, const fragment<matrix_a, m, n, k, A, LayoutA> &left,
              const fragment<matrix_b, m, n, k, B, LayoutB> &right, const fragment<accumulator, m, n, k, C> &add) {
  static_assert(!std::is_same_v<A, float>, "tensor cores take no floats of 32 bits");
  float products[m * n];
  for (int row = 0; row < m; row++) {
    float sums[n] = {};
    for (int inner = 0; inner < k; inner++) {
      float factor = (float)left.x[row * k + inner];
      for (int column = 0; column < n; column++) sums[column] += factor * (float)right.x[inner * n + column];
    }
    for (int column = 0; column < n; column++) products[row * n + column] = sums[column];
  }
  for (int at = 0; at < m * n; at++) out.x[at] = add.x[at] + products[at];
}
} // namespace nvcuda::wmma

/* Instructions written as PTX: `asm("text" : outputs : inputs)` is rewritten to `emulator::ptx("text",
 * std::tie(outputs), std::make_tuple(inputs))` before compilation. */
namespace emulator {
inline float low(unsigned pair) { pair <<= 16; float value; memcpy(&value, &pair, 4); return value; }
inline float high(unsigned pair) { pair &= 0xffff0000u; float value; memcpy(&value, &pair, 4); return value; }
template <class T> unsigned word(T value) {
  static_assert(sizeof(value) == 4);
  unsigned word;
  memcpy(&word, &value, 4);
  return word;
}

/* `mma.m16n8k16` of brain floats and `mma.m16n8k8` of TF32, with the places of PTX's documentation: the left
 * factor's registers 0 and 2 are of row `lane / 4`, 1 and 3 of the row 8 behind, 2 and 3 of the second half of the
 * neighbours; the right's are of column `lane / 4`. */
template <bool brain, class Out, class In> void multiply(Out out, const In &in) {
  struct Factors { unsigned left[4], right[2]; } own = {
      {word(std::get<0>(in)), word(std::get<1>(in)), word(std::get<2>(in)), word(std::get<3>(in))},
      {word(std::get<4>(in)), word(std::get<5>(in))}}, all[32];
  runtime->wait_warp(GATHER, &own, 0, all, sizeof own);
  unsigned group = runtime->lane() / 4, within = runtime->lane() % 4;
  auto product = [](unsigned left, unsigned right) {
    if constexpr (brain) return low(left) * low(right) + high(left) * high(right);
    float a, b;
    memcpy(&a, &left, 4);
    memcpy(&b, &right, 4);
    return nvcuda::wmma::cut_to_tf32(a) * nvcuda::wmma::cut_to_tf32(b);
  };
  auto sum = [&](int second_row, int column, float add) {
    float sum = 0;
    for (int half = 0; half < 2; half++)
      for (int place = 0; place < 4; place++)
        sum += product(all[4 * group + place].left[2 * half + second_row], all[4 * column + place].right[half]);
    return add + sum;
  };
  std::get<0>(out) = sum(0, 2 * within, std::get<6>(in));
  std::get<1>(out) = sum(0, 2 * within + 1, std::get<7>(in));
  std::get<2>(out) = sum(1, 2 * within, std::get<8>(in));
  std::get<3>(out) = sum(1, 2 * within + 1, std::get<9>(in));
}

/* `ldmatrix`: lane `8 i + row` names row `row` of matrix `i`; lane `l` is given the pair `2 (l % 4)` of row
 * `l / 4` of each, or of its transpose. */
template <int count, bool transposed, class Out, class In> void load_matrices(Out out, const In &in) {
  unsigned own = std::get<0>(in), rows[32], lane = runtime->lane();
  runtime->wait_warp(GATHER, &own, 0, rows, sizeof own);
  auto element = [&](int matrix, int row, int column) {
    uint16_t value;
    memcpy(&value, runtime->shared + rows[8 * matrix + row] + 2 * column, 2);
    return value;
  };
  auto word = [&](int matrix) {
    int row = lane / 4, column = 2 * (lane % 4);
    unsigned first = transposed ? element(matrix, column, row) : element(matrix, row, column);
    unsigned second = transposed ? element(matrix, column + 1, row) : element(matrix, row, column + 1);
    return first | second << 16;
  };
  std::get<0>(out) = word(0);
  if constexpr (count > 1) std::get<1>(out) = word(1);
  if constexpr (count > 2) { std::get<2>(out) = word(2); std::get<3>(out) = word(3); }
}

constexpr bool begins(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

template <class... Out, class... In> void ptx(std::string_view text, std::tuple<Out &...> out, std::tuple<In...> in) {
  constexpr size_t outs = sizeof...(Out), ins = sizeof...(In);
  if constexpr (outs == 4 && ins == 10) {
    if (begins(text, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 ")) return multiply<true>(out, in);
    if (begins(text, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 ")) return multiply<false>(out, in);
  }
  if constexpr ((outs == 1 || outs == 2 || outs == 4) && ins == 1) {
    if (begins(text, "ldmatrix.sync.aligned.m8n8.x1.shared")) return load_matrices<outs, false>(out, in);
    if (begins(text, "ldmatrix.sync.aligned.m8n8.x2.shared")) return load_matrices<outs, false>(out, in);
    if (begins(text, "ldmatrix.sync.aligned.m8n8.x4.shared")) return load_matrices<outs, false>(out, in);
    if (begins(text, "ldmatrix.sync.aligned.m8n8.x1.trans")) return load_matrices<outs, true>(out, in);
    if (begins(text, "ldmatrix.sync.aligned.m8n8.x2.trans")) return load_matrices<outs, true>(out, in);
    if (begins(text, "ldmatrix.sync.aligned.m8n8.x4.trans")) return load_matrices<outs, true>(out, in);
  }
  if constexpr (outs == 1 && ins == 2) {
    if constexpr (std::is_pointer_v<std::tuple_element_t<0, std::tuple<In...>>>) {
      /* CubeCL takes what only instructions write to for constant. */
      using Element = std::remove_const_t<std::remove_pointer_t<std::tuple_element_t<0, std::tuple<In...>>>>;
      if (begins(text, "atom.relaxed.add.")) {
        std::get<0>(out) = atomicAdd(const_cast<Element *>(std::get<0>(in)), (Element)std::get<1>(in));
        return;
      }
    }
  }
  runtime->unknown(text.data());
}
} // namespace emulator
