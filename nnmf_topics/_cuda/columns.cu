// What is done with every column of codes by itself: a warp works on one. Columns lie in memory as
// rows (n, k); lane i has the topics i, i + 32, i + 64, ... REAL is float or double.

#define EVERYONE 0xffffffffu

__device__ int warp_number() { return (blockIdx.x * blockDim.x + threadIdx.x) / 32; }
__device__ int warp_count() { return gridDim.x * blockDim.x / 32; }
__device__ unsigned lanes_before(int lane) { return (1u << lane) - 1; }
__device__ REAL not_negative(REAL x) { return x <= 0 ? REAL(0) : x; }  // and nothing stays nothing

// Sweeps of coordinate descent on <s, gram s> / 2 - <rhs, s> over s >= 0, from a start. A lane
// keeps C topics: their codes, and rhs - gram s. Topics that do not move cost nothing: the next to
// move is found by a vote.
template <int C>
__device__ void descend(const REAL* __restrict__ gram, const REAL* __restrict__ rhs,
                        const REAL* __restrict__ start, REAL* __restrict__ codes, int n, int k,
                        int sweeps)
{
    const int lane = threadIdx.x % 32;
    REAL inverse[C];
#pragma unroll
    for (int c = 0; c < C; ++c) {
        const int topic = 32 * c + lane;
        const REAL square = topic < k ? gram[topic * k + topic] : REAL(0);
        const REAL inverted = 1 / square;
        const bool finite = inverted - inverted == 0;
        inverse[c] = square > 0 && finite ? inverted : REAL(0);
    }
    for (int column = warp_number(); column < n; column += warp_count()) {
        const long long place = (long long)column * k;
        REAL s[C], left[C];
#pragma unroll
        for (int c = 0; c < C; ++c) {
            const int topic = 32 * c + lane;
            s[c] = topic < k ? start[place + topic] : REAL(0);
            left[c] = topic < k ? rhs[place + topic] : REAL(0);
        }
        // The first round, from zero, brings in the start; then as many rounds as there are sweeps.
        for (int round = 0; round <= sweeps; ++round) {
#pragma unroll
            for (int c = 0; c < C; ++c) {
                for (int from = 0; from < 32;) {
                    const REAL moved = round ? not_negative(s[c] + left[c] * inverse[c]) : s[c];
                    const REAL step = round ? moved - s[c] : moved;
                    const unsigned moves = __ballot_sync(EVERYONE, step != 0) >> from;
                    if (moves == 0) break;
                    from += __ffs(moves) - 1;
                    if (lane == from) s[c] = moved;
                    const REAL change = __shfl_sync(EVERYONE, step, from);
                    const REAL* row = gram + (32 * c + from) * k;
#pragma unroll
                    for (int d = 0; d < C; ++d) {
                        const int topic = 32 * d + lane;
                        if (topic < k) left[d] -= change * row[topic];
                    }
                    if (++from == 32) break;
                }
            }
        }
#pragma unroll
        for (int c = 0; c < C; ++c) {
            const int topic = 32 * c + lane;
            if (topic < k) codes[place + topic] = s[c];
        }
    }
}

#define DESCEND(C)                                                                               \
    extern "C" __global__ void descend_##C(const REAL* gram, const REAL* rhs, const REAL* start, \
                                           REAL* codes, int n, int k, int sweeps)                \
    {                                                                                            \
        descend<C>(gram, rhs, start, codes, n, k, sweeps);                                       \
    }

DESCEND(1)
DESCEND(2)
DESCEND(4)
DESCEND(8)
DESCEND(16)
DESCEND(32)

// The system of one column's support, and room for it: a lower triangle row by row, a right-hand
// side that becomes the solution, and the topics.
struct System {
    REAL* triangle;
    REAL* u;
    int* topics;
};

__device__ System system_at(void* memory, int most)
{
    REAL* triangle = static_cast<REAL*>(memory);
    REAL* u = triangle + (long long)most * (most + 1) / 2;
    return {triangle, u, reinterpret_cast<int*>(u + most)};
}

// Bit c of a lane's word says whether topic 32 c + lane is in the support.
__device__ unsigned read_support(const unsigned char* support, int k)
{
    unsigned mine = 0;
    for (int topic = threadIdx.x % 32, c = 0; topic < k; topic += 32, ++c)
        mine |= unsigned(support[topic] != 0) << c;
    return mine;
}

__device__ int size_of(unsigned mine, int k)
{
    int size = 0;
    for (int c = 0; 32 * c < k; ++c) size += __popc(__ballot_sync(EVERYONE, mine >> c & 1));
    return size;
}

// List the topics of a support and their right-hand sides; returns how many there are.
__device__ int list_topics(System system, unsigned mine, const REAL* rhs, int k)
{
    const int lane = threadIdx.x % 32;
    int size = 0;
    __syncwarp();
    for (int c = 0; 32 * c < k; ++c) {
        const bool inside = mine >> c & 1;
        const unsigned all = __ballot_sync(EVERYONE, inside);
        if (inside) {
            const int rank = size + __popc(all & lanes_before(lane)), topic = 32 * c + lane;
            system.topics[rank] = topic;
            system.u[rank] = rhs[topic];
        }
        size += __popc(all);
    }
    __syncwarp();
    return size;
}

// Where row i of a triangle begins.
__device__ int row_of(int i) { return i * (i + 1) / 2; }

// Solve gram[P, P] u = rhs[P] by L D L^T: below the diagonal the triangle becomes L D, and on it the
// inverse of D. The lanes are four rows of eight.
__device__ void solve(System system, const REAL* __restrict__ gram, int size, int k)
{
    const int lane = threadIdx.x % 32, across = lane % 8, down = lane / 8;
    REAL *M = system.triangle, *u = system.u;
    for (int i = down; i < size; i += 4) {
        const REAL* row = gram + system.topics[i] * k;
        for (int j = across; j <= i; j += 8) M[row_of(i) + j] = row[system.topics[j]];
    }
    __syncwarp();
    for (int j = 0; j < size; ++j) {
        const REAL inverse = 1 / M[row_of(j) + j], known = u[j];
        for (int i = j + 1 + down; i < size; i += 4) {
            REAL* row = M + row_of(i);
            const REAL share = row[j] * inverse;
            if (across == 0) u[i] -= share * known;
            int m = j + 1 + across, below = row_of(m) + j;  // below: entry (m, j)
            for (; m <= i; m += 8) {
                row[m] -= share * M[below];
                below += 8 * m + 36;
            }
        }
        __syncwarp();
        if (lane == 0) M[row_of(j) + j] = inverse;
    }
    __syncwarp();
    for (int i = size - 1; i >= 0; --i) {
        const REAL* row = M + row_of(i);
        const REAL solved = u[i] * row[i];
        __syncwarp();
        if (lane == 0) u[i] = solved;
        for (int j = lane; j < i; j += 32) u[j] -= row[j] * solved;
        __syncwarp();
    }
}

// Write a column of codes, zero off the support; only positive ones where asked for.
__device__ void write(System system, unsigned mine, int k, bool positive, REAL* codes)
{
    const int lane = threadIdx.x % 32;
    int size = 0;
    for (int c = 0; 32 * c < k; ++c) {
        const bool inside = mine >> c & 1;
        const unsigned all = __ballot_sync(EVERYONE, inside);
        REAL code = 0;
        if (inside) code = system.u[size + __popc(all & lanes_before(lane))];
        if (positive && !(code > 0)) code = 0;
        if (32 * c + lane < k) codes[32 * c + lane] = code;
        size += __popc(all);
    }
}

// Solve the columns whose supports have more than `fewest` and at most `most` topics.
__device__ void solve_each(System system, const REAL* gram, const unsigned char* support,
                           const REAL* rhs, REAL* codes, int n, int k, int fewest, int most)
{
    for (int column = warp_number(); column < n; column += warp_count()) {
        const long long place = (long long)column * k;
        const unsigned mine = read_support(support + place, k);
        const int size = size_of(mine, k);
        if (size <= fewest || size > most) continue;
        list_topics(system, mine, rhs + place, k);
        solve(system, gram, size, k);
        write(system, mine, k, false, codes + place);
    }
}

__device__ REAL largest(REAL x)
{
    for (int distance = 16; distance > 0; distance /= 2) {
        const REAL other = __shfl_xor_sync(EVERYONE, x, distance);
        x = other > x ? other : x;
    }
    return x;
}

// Which topics of a column are on the wrong side: codes of the support that are not positive
// beyond rounding, and topics off it whose slope is negative beyond it.
__device__ unsigned wrong_topics(System system, const REAL* __restrict__ gram,
                                 const REAL* __restrict__ lengths, const REAL* __restrict__ rhs,
                                 unsigned mine, int size, int k, REAL tolerance)
{
    const int lane = threadIdx.x % 32;
    unsigned wrong = 0;
    int before = 0;
    for (int c = 0; 32 * c < k; ++c) {
        const int topic = 32 * c + lane;
        const bool inside = mine >> c & 1;
        const unsigned all = __ballot_sync(EVERYONE, inside);
        if (topic < k) {
            const REAL length = lengths[topic];
            if (inside) {
                const REAL code = system.u[before + __popc(all & lanes_before(lane))];
                wrong |= unsigned(2 * length * code <= tolerance) << c;
            } else {
                REAL slope = -rhs[topic];
                for (int i = 0; i < size; ++i)
                    slope += system.u[i] * gram[system.topics[i] * k + topic];
                wrong |= unsigned(slope < -tolerance * length) << c;
            }
        }
        before += __popc(all);
    }
    return wrong;
}

// The last topic of all lanes' words: its bit in the word of its lane, nothing in the others.
__device__ unsigned last_topic(unsigned wrong, int k)
{
    for (int c = (k - 1) / 32; c >= 0; --c) {
        const unsigned all = __ballot_sync(EVERYONE, wrong >> c & 1);
        if (all) return threadIdx.x % 32 == 31 - __clz(all) ? 1u << c : 0u;
    }
    return 0;
}

// Block principal pivoting of the columns that are open, until nothing is wrong. A column whose
// support outgrows `most` topics stays open, with the support that it has come to; one that takes
// more rounds than there are is left with 2.
__device__ void pivot_each(System system, const REAL* gram, const REAL* lengths, const REAL* rhs,
                           unsigned char* support, REAL* codes, unsigned char* open, int n, int k,
                           int most, REAL epsilon, int rounds, int most_patience)
{
    const int lane = threadIdx.x % 32;
    for (int column = warp_number(); column < n; column += warp_count()) {
        if (open[column] != 1) continue;
        const long long place = (long long)column * k;
        const REAL* mine_rhs = rhs + place;
        unsigned mine = read_support(support + place, k);
        REAL tolerance = 0;
        for (int topic = lane; topic < k; topic += 32) {
            const REAL x = mine_rhs[topic], size = x < 0 ? -x : x;
            const REAL share = size / lengths[topic];
            tolerance = share > tolerance ? share : tolerance;
        }
        tolerance = epsilon * largest(tolerance);
        int fewest = k + 1, patience = most_patience, size = size_of(mine, k), state = 2;
        for (int round = 0; round <= rounds && state == 2; ++round) {
            if (size > most) {
                state = 1;
                break;
            }
            list_topics(system, mine, mine_rhs, k);
            solve(system, gram, size, k);
            const unsigned wrong =
                wrong_topics(system, gram, lengths, mine_rhs, mine, size, k, tolerance);
            const int count = size_of(wrong, k);
            if (count == 0) {
                state = 0;
            } else if (round < rounds) {
                const bool single = count >= fewest && patience == 0;
                patience = count < fewest ? most_patience : patience > 0 ? patience - 1 : 0;
                fewest = count < fewest ? count : fewest;
                mine ^= single ? last_topic(wrong, k) : wrong;
                size = size_of(mine, k);
            }
        }
        if (state != 1) write(system, mine, k, true, codes + place);
        for (int topic = lane, c = 0; topic < k; topic += 32, ++c)
            support[place + topic] = mine >> c & 1;
        if (lane == 0) open[column] = state;
        __syncwarp();
    }
}

// Every warp has its system in the shared memory of its block, or in memory that is given to it.
extern __shared__ double shared_memory[];

__device__ System own_system(unsigned char* memory, int bytes, int most)
{
    unsigned char* all = memory ? memory : reinterpret_cast<unsigned char*>(shared_memory);
    const int number = memory ? warp_number() : threadIdx.x / 32;
    return system_at(all + (long long)number * bytes, most);
}

extern "C" __global__ void solve_columns(const REAL* gram, const unsigned char* support,
                                         const REAL* rhs, REAL* codes, int n, int k, int fewest,
                                         int most, unsigned char* memory, int bytes)
{
    if (memory)
        solve_each(own_system(memory, bytes, most), gram, support, rhs, codes, n, k, fewest, most);
    else
        solve_each(own_system(nullptr, bytes, most), gram, support, rhs, codes, n, k, fewest, most);
}

extern "C" __global__ void pivot_columns(const REAL* gram, const REAL* lengths, const REAL* rhs,
                                         unsigned char* support, REAL* codes, unsigned char* open,
                                         int n, int k, int most, REAL epsilon, int rounds,
                                         int patience, unsigned char* memory, int bytes)
{
    if (memory)
        pivot_each(own_system(memory, bytes, most), gram, lengths, rhs, support, codes, open, n, k,
                   most, epsilon, rounds, patience);
    else
        pivot_each(own_system(nullptr, bytes, most), gram, lengths, rhs, support, codes, open, n, k,
                   most, epsilon, rounds, patience);
}
