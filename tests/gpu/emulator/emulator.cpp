/* Runs kernels for CUDA on the processor: stands for NVRTC and for the part of the driver that loads and launches
 * (fake_driver.c is the rest). A kernel is compiled by the host's compiler with device.h in front of it. The threads
 * of a block are coroutines, the blocks of a grid run one after another. For x86-64 Linux. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "device.h"

using emulator::Kind;
using emulator::Place;
using emulator::Runtime;

namespace {
[[noreturn]] void fail(const std::string &why) {
  fprintf(stderr, "emulated CUDA: %s\n", why.c_str());
  abort();
}

/* Coroutines. */
constexpr size_t STACK = 1 << 18, SHARED = 232448, LANES = 32, THREADS = 1024;

extern "C" void emulator_switch(void **from, void *to);
asm(R"(
.globl emulator_switch
.hidden emulator_switch
emulator_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
)");

enum State { READY, AT_BLOCK, AT_WARP, DONE };

struct Thread {
  State state;
  void *stack; /* where it goes on */
  Place place;
  Kind kind;
  unsigned from, bytes;
  unsigned char value[32];
  void *result;
};

Thread threads[THREADS];
char *stacks;
void *scheduler;
unsigned current;
void (*entry)(void **);
void **arguments;
long launches, blocks, partial;
alignas(1024) char shared[SHARED];
Runtime runtime;

void yield() { emulator_switch(&threads[current].stack, scheduler); }

void wait_block() {
  threads[current].state = AT_BLOCK;
  yield();
}
void wait_warp(Kind kind, const void *value, unsigned from, void *result, unsigned bytes) {
  Thread &thread = threads[current];
  thread.state = AT_WARP;
  thread.kind = kind;
  thread.from = from;
  thread.bytes = bytes;
  thread.result = result;
  if (value) memcpy(thread.value, value, bytes);
  yield();
}
unsigned lane() { return current % LANES; }
void unknown(const char *instruction) { fail(std::string("no such instruction here: ") + instruction); }

void run() {
  entry(arguments);
  threads[current].state = DONE;
  yield();
  fail("a thread went on behind its end");
}

void resume(unsigned at) {
  current = at;
  runtime.thread = threads[at].place;
  emulator_switch(&scheduler, threads[at].stack);
}

/* Ends what the waiting lanes of a warp do together. Lanes that wait elsewhere or have ended take no part: a card
 * may well see more of them together, or fewer. */
void release_warp(unsigned first, unsigned end) {
  unsigned vote = 0;
  Kind kind = emulator::SYNC;
  bool found = false, all = true, ended = false;
  for (unsigned at = first; at < end; at++) {
    Thread &thread = threads[at];
    if (thread.state == DONE) { ended = true; continue; }
    if (thread.state != AT_WARP || (found && thread.kind != kind)) { all = false; continue; }
    kind = thread.kind;
    found = true;
    if (kind == emulator::VOTE && thread.value[0]) vote |= 1u << (at - first);
  }
  partial += !all;
  for (unsigned at = first; at < end; at++) {
    Thread &thread = threads[at];
    if (thread.state != AT_WARP || thread.kind != kind) continue;
    if (kind == emulator::VOTE) memcpy(thread.result, &vote, sizeof(vote));
    if (kind == emulator::GATHER) {
      if (!all || ended || end - first != LANES) fail("tensor cores want all lanes of a warp");
      for (unsigned lane = 0; lane < LANES; lane++)
        memcpy((char *)thread.result + lane * thread.bytes, threads[first + lane].value, thread.bytes);
    }
    if (kind == emulator::SHUFFLE) {
      unsigned source = first + thread.from;
      const Thread &other = threads[source];
      if (source >= end || other.state != AT_WARP || other.kind != kind || other.bytes != thread.bytes)
        fail("a shuffle reads a lane that takes no part in it");
      memcpy(thread.result, other.value, thread.bytes);
    }
  }
  for (unsigned at = first; at < end; at++)
    if (threads[at].state == AT_WARP && threads[at].kind == kind) threads[at].state = READY;
}

/* A block, every other one backwards, so that what nobody waited for is missed in one order or the other. */
void run_block(unsigned count) {
  const bool backwards = blocks % 2;
  const unsigned warps = (count + LANES - 1) / LANES;
  for (unsigned at = 0; at < count; at++) {
    void **top = (void **)(stacks + (at + 1) * STACK - 64);
    *--top = nullptr; /* the return address of `run`, and its alignment */
    *--top = (void *)run;
    for (int registers = 0; registers < 6; registers++) *--top = nullptr;
    threads[at].stack = top;
    threads[at].state = READY;
    threads[at].kind = emulator::SYNC;
  }
  for (;;) {
    unsigned waiting = 0;
    for (unsigned warp = 0; warp < warps; warp++) {
      unsigned first = (backwards ? warps - 1 - warp : warp) * LANES;
      unsigned end = std::min<unsigned>(first + LANES, count);
      for (bool again = true; again;) {
        again = false;
        for (unsigned lane = 0; lane < end - first; lane++) {
          unsigned at = backwards ? end - 1 - lane : first + lane;
          if (threads[at].state == READY) resume(at);
        }
        for (unsigned at = first; at < end; at++) again |= threads[at].state == AT_WARP;
        if (again) release_warp(first, end);
      }
      for (unsigned at = first; at < end; at++) waiting += threads[at].state == AT_BLOCK;
    }
    if (!waiting) return;
    for (unsigned at = 0; at < count; at++)
      if (threads[at].state == AT_BLOCK) threads[at].state = READY;
  }
}

/* Kernels. */
std::mutex device;

struct Kernel {
  void (*entry)(void **);
};

std::string directory() {
  const char *cache = getenv("CUDA_EMULATOR_CACHE");
  if (!cache) fail("CUDA_EMULATOR_CACHE names no directory for compiled kernels");
  return cache;
}

/* What stands between a parenthesis and its partner. */
std::string within(const std::string &text, size_t &at) {
  size_t start = ++at;
  for (int depth = 1; depth > 0; at++) {
    if (at >= text.size()) fail("a parenthesis has no partner");
    if (text[at] == '"') { for (at++; text[at] != '"'; at++) at += text[at] == '\\'; continue; }
    depth += (text[at] == '(') - (text[at] == ')');
  }
  return text.substr(start, at - 1 - start);
}

/* The operands of one section of an `asm`: what stands in parentheses behind each constraint. */
std::string operands(const std::string &section) {
  std::string all;
  for (size_t at = 0; (at = section.find('(', at)) != std::string::npos;)
    all += (all.empty() ? "" : ", ") + within(section, at);
  return all;
}

/* `asm volatile("text" : outputs : inputs : clobbers)` as a call. */
std::string without_assembly(const std::string &source) {
  std::string result;
  size_t done = 0;
  static const std::regex start("\\basm\\s*(volatile)?\\s*\\(");
  for (std::sregex_iterator found(source.begin(), source.end(), start), end; found != end; ++found) {
    size_t from = found->position(), at = from + found->length() - 1;
    if (from < done) continue;
    std::string inside = within(source, at);
    std::vector<std::string> sections{""};
    for (size_t place = 0; place < inside.size(); place++) {
      if (inside[place] == '"') {
        size_t open = place;
        for (place++; inside[place] != '"'; place++) place += inside[place] == '\\';
        sections.back() += inside.substr(open, place + 1 - open);
      } else if (inside[place] == ':' && inside[place + 1] != ':' && inside[place - 1] != ':') {
        sections.emplace_back();
      } else {
        sections.back() += inside[place];
      }
    }
    sections.resize(std::max<size_t>(sections.size(), 3));
    result += source.substr(done, from - done);
    result += "emulator::ptx(" + sections[0] + ", std::tie(" + operands(sections[1]) + "), std::make_tuple(" +
              operands(sections[2]) + "))";
    done = at;
  }
  return result + source.substr(done);
}

std::string for_the_host(std::string source) {
  static const std::regex shared("extern __shared__ __align__\\(\\d+\\) char (\\w+)\\[\\];");
  source = std::regex_replace(source, shared, "char *const $1 = emulator::runtime->shared;");
  source = without_assembly(source);
  static const std::regex name("__global__\\s+void[^;{]*?(\\w+)\\s*\\((?!\\d)");
  std::smatch found;
  if (!std::regex_search(source, found, name)) fail("a source without a kernel:\n" + source);
  return source + "\nextern \"C\" void emulator_bind(emulator::Runtime *runtime) { emulator::runtime = runtime; }\n" +
         "extern \"C\" void emulator_call(void **arguments) { emulator::call(" + found[1].str() + ", arguments); }\n";
}

Kernel *load(const std::string &source) {
  std::string include = getenv("CUDA_EMULATOR_SOURCE") ? getenv("CUDA_EMULATOR_SOURCE") : "";
  if (include.empty()) fail("CUDA_EMULATOR_SOURCE names no directory with device.h");
  std::ifstream file(include + "/device.h");
  std::string header((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string text = for_the_host(source);
  std::string command = "c++ -std=c++20 -O1 -march=native -ffp-contract=fast -fno-strict-aliasing -w -shared -fPIC -I'" +
                        include + "/include' -include '" + include + "/device.h'";
  char name[64];
  snprintf(name, sizeof name, "/%016zx%016zx", std::hash<std::string>()(text), std::hash<std::string>()(header + command));
  std::string base = directory() + name, library = base + ".so";
  std::lock_guard<std::mutex> alone(device);
  if (access(library.c_str(), R_OK)) {
    std::string fresh = base + "." + std::to_string(getpid());
    std::ofstream(fresh + ".cpp") << text;
    command += " -o '" + fresh + ".so' '" + fresh + ".cpp' 1>&2";
    if (system(command.c_str())) fail("the host's compiler refuses " + fresh + ".cpp");
    for (std::string end : {".cpp", ".so"})
      if (rename((fresh + end).c_str(), (base + end).c_str())) fail("cannot name " + base + end + ": " + strerror(errno));
  }
  void *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) fail(dlerror());
  ((void (*)(Runtime *))dlsym(handle, "emulator_bind"))(&runtime);
  return new Kernel{(void (*)(void **))dlsym(handle, "emulator_call")};
}

std::map<void *, std::string> programs;

void launch(const Kernel *kernel, Place grid, Place block, unsigned bytes, void **given) {
  std::lock_guard<std::mutex> alone(device);
  unsigned count = block.x * block.y * block.z;
  if (count > THREADS || bytes > SHARED) fail("a block of more than 1,024 threads or 227 KiB of shared memory");
  if (!stacks) {
    stacks = (char *)mmap(nullptr, THREADS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED) fail("no memory for stacks");
  }
  runtime = {{}, {}, block, grid, shared, wait_block, wait_warp, lane, unknown};
  entry = kernel->entry;
  arguments = given;
  for (unsigned at = 0; at < count; at++)
    threads[at].place = {at % block.x, at / block.x % block.y, at / block.x / block.y};
  launches++;
  for (runtime.block.z = 0; runtime.block.z < grid.z; runtime.block.z++)
    for (runtime.block.y = 0; runtime.block.y < grid.y; runtime.block.y++)
      for (runtime.block.x = 0; runtime.block.x < grid.x; runtime.block.x++) {
        /* Shared memory holds anything when a block begins. */
        memset(shared, 0xff, bytes);
        blocks++;
        run_block(count);
      }
}

struct Report {
  ~Report() {
    if (getenv("CUDA_EMULATOR_REPORT"))
      fprintf(stderr, "emulated CUDA: %ld launches, %ld blocks, %ld operations of a part of a warp\n", launches, blocks, partial);
  }
} report;
} // namespace

extern "C" {
int cuModuleLoadData(void **module, const void *image) {
  *module = load((const char *)image);
  return 0;
}
int cuModuleGetFunction(void **function, void *module, const char *) {
  *function = module;
  return 0;
}
int cuModuleUnload(void *) { return 0; }
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned bytes, void *, void **given, void **) {
  launch((const Kernel *)function, {gx, gy, gz}, {bx, by, bz}, bytes, given);
  return 0;
}

/* NVRTC: what it compiles is the source itself. */
int nvrtcVersion(int *major, int *minor) { *major = 13; *minor = 0; return 0; }
const char *nvrtcGetErrorString(int) { return "emulated"; }
int nvrtcCreateProgram(void **program, const char *source, const char *, int, const char *const *, const char *const *) {
  *program = malloc(1);
  std::lock_guard<std::mutex> alone(device);
  programs[*program] = source;
  return 0;
}
int nvrtcCompileProgram(void *, int, const char *const *) { return 0; }
int nvrtcGetProgramLogSize(void *, size_t *size) { *size = 1; return 0; }
int nvrtcGetProgramLog(void *, char *log) { *log = 0; return 0; }
int nvrtcGetPTXSize(void *program, size_t *size) {
  std::lock_guard<std::mutex> alone(device);
  *size = programs[program].size() + 1;
  return 0;
}
int nvrtcGetPTX(void *program, char *text) {
  std::lock_guard<std::mutex> alone(device);
  strcpy(text, programs[program].c_str());
  return 0;
}
int nvrtcDestroyProgram(void **program) {
  std::lock_guard<std::mutex> alone(device);
  programs.erase(*program);
  free(*program);
  *program = nullptr;
  return 0;
}
}
