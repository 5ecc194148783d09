// The sparse products: rows of an array, weighted and added up. REAL is float or double.

template <int V>
struct alignas(V * sizeof(REAL)) Part {
    REAL x[V];
};

template <int V>
__device__ void add(Part<V>& total, REAL weight, const Part<V>& part)
{
#pragma unroll
    for (int v = 0; v < V; ++v) total.x[v] += weight * part.x[v];
}

// total[i] = sum of weights[p] rows[indices[p]] over p from starts[i] to starts[i + 1]. A group of
// `width` threads works on one i, each on V neighbouring columns at a time. Without indices and
// weights the rows themselves are added up.
template <int V>
__device__ void sum_rows(const REAL* __restrict__ weights, const int* __restrict__ indices,
                         const int* __restrict__ starts, const REAL* __restrict__ rows,
                         REAL* __restrict__ total, int n, int k, int width)
{
    const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const int i = (int)(thread / width), lane = (int)(thread % width);
    if (i >= n) return;
    const int first = starts[i], stop = starts[i + 1];
    for (int column = V * lane; column < k; column += V * width) {
        const REAL* from = rows + column;
        Part<V> sum = {};
        int p = first;
        for (; p + 4 <= stop; p += 4) {  // four on their way at once
            Part<V> part[4];
            REAL weight[4];
#pragma unroll
            for (int q = 0; q < 4; ++q) {
                const long long row = indices ? indices[p + q] : p + q;
                weight[q] = weights ? weights[p + q] : REAL(1);
                part[q] = *reinterpret_cast<const Part<V>*>(from + row * k);
            }
#pragma unroll
            for (int q = 0; q < 4; ++q) add(sum, weight[q], part[q]);
        }
        for (; p < stop; ++p) {
            const long long row = indices ? indices[p] : p;
            const REAL weight = weights ? weights[p] : REAL(1);
            add(sum, weight, *reinterpret_cast<const Part<V>*>(from + row * k));
        }
        *reinterpret_cast<Part<V>*>(total + (long long)i * k + column) = sum;
    }
}

extern "C" __global__ void sum_rows_by_1(const REAL* weights, const int* indices, const int* starts,
                                         const REAL* rows, REAL* total, int n, int k, int width)
{
    sum_rows<1>(weights, indices, starts, rows, total, n, k, width);
}

extern "C" __global__ void sum_rows_by_2(const REAL* weights, const int* indices, const int* starts,
                                         const REAL* rows, REAL* total, int n, int k, int width)
{
    sum_rows<2>(weights, indices, starts, rows, total, n, k, width);
}

extern "C" __global__ void sum_rows_by_4(const REAL* weights, const int* indices, const int* starts,
                                         const REAL* rows, REAL* total, int n, int k, int width)
{
    sum_rows<4>(weights, indices, starts, rows, total, n, k, width);
}
