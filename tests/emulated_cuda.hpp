// A GPU of one block at a time, for kernels that are compiled as C++: every thread is a context of its
// own, and a warp goes on when all 32 have come to the same place. What the kernels use of CUDA is here.

#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__

struct Index {
    int x;
};
static Index threadIdx, blockIdx, blockDim, gridDim;
using std::sqrt;

struct Warp {
    unsigned long long words[32];
    int waiting = 0, alive = 0;
    long turn = 0;
};
static std::vector<Warp> warps;
static ucontext_t scheduler;
static std::vector<ucontext_t> contexts;
static std::vector<bool> ended;

static Warp& own_warp() { return warps[threadIdx.x / 32]; }

static void pass_on()
{
    const int mine = threadIdx.x;
    swapcontext(&contexts[mine], &scheduler);
    threadIdx.x = mine;
}

static void meet()
{
    Warp& warp = own_warp();
    const long turn = warp.turn;
    if (++warp.waiting == warp.alive) {
        warp.waiting = 0;
        ++warp.turn;
    }
    while (warp.turn == turn) pass_on();
}

static void __syncwarp() { meet(); }

template <class T>
static T __shfl_sync(unsigned, T value, int lane)
{
    Warp& warp = own_warp();
    std::memcpy(&warp.words[threadIdx.x % 32], &value, sizeof value);
    meet();
    T found;
    std::memcpy(&found, &warp.words[lane], sizeof found);
    meet();
    return found;
}

template <class T>
static T __shfl_xor_sync(unsigned everyone, T value, int distance)
{
    return __shfl_sync(everyone, value, (threadIdx.x % 32) ^ distance);
}

static unsigned __ballot_sync(unsigned, bool vote)
{
    Warp& warp = own_warp();
    warp.words[threadIdx.x % 32] = vote;
    meet();
    unsigned all = 0;
    for (int lane = 0; lane < 32; ++lane) all |= unsigned(warp.words[lane]) << lane;
    meet();
    return all;
}

static int __popc(unsigned word) { return __builtin_popcount(word); }
static int __ffs(unsigned word) { return __builtin_ffs(int(word)); }
static int __clz(unsigned word) { return word ? __builtin_clz(word) : 32; }

struct Call {
    virtual void run() = 0;
};
static Call* current;

template <class... A>
struct CallOf : Call {
    void (*kernel)(A...);
    void** arguments;
    template <size_t... I>
    void spread(std::index_sequence<I...>) { kernel(*static_cast<A*>(arguments[I])...); }
    void run() override { spread(std::index_sequence_for<A...>()); }
};

static void enter()
{
    current->run();
    const int mine = threadIdx.x;
    own_warp().alive--;
    ended[mine] = true;
    swapcontext(&contexts[mine], &scheduler);
}

template <class... A>
static void launch(void (*kernel)(A...), void** arguments, int blocks, int threads)
{
    CallOf<A...> call;
    call.kernel = kernel;
    call.arguments = arguments;
    current = &call;
    const size_t size = 1 << 16;
    std::vector<std::vector<char>> stacks(threads, std::vector<char>(size));
    gridDim.x = blocks;
    blockDim.x = threads;
    for (int block = 0; block < blocks; ++block) {
        blockIdx.x = block;
        contexts.assign(threads, ucontext_t());
        ended.assign(threads, false);
        warps.assign((threads + 31) / 32, Warp());
        for (int t = 0; t < threads; ++t) {
            warps[t / 32].alive++;
            getcontext(&contexts[t]);
            contexts[t].uc_stack.ss_sp = stacks[t].data();
            contexts[t].uc_stack.ss_size = size;
            contexts[t].uc_link = &scheduler;
            makecontext(&contexts[t], enter, 0);
        }
        for (int left = threads, idle = 0; left > 0;) {
            left = 0;
            long turns = 0;
            for (Warp& warp : warps) turns += warp.turn;
            for (int t = 0; t < threads; ++t) {
                if (ended[t]) continue;
                threadIdx.x = t;
                swapcontext(&scheduler, &contexts[t]);
                left += !ended[t];
            }
            for (Warp& warp : warps) turns -= warp.turn;
            idle = turns ? 0 : idle + 1;
            if (left > 0 && idle > 2) {
                std::fprintf(stderr, "a warp waits for lanes that have ended\n");
                std::abort();
            }
        }
    }
}

alignas(16) double shared_memory[1 << 15];

#define KERNEL(name)                                                                      \
    extern "C" void emulate_##name(void** arguments, int blocks, int threads)             \
    {                                                                                     \
        launch(name, arguments, blocks, threads);                                         \
    }
