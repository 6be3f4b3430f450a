// The lookup loop that every simulator starts with: one lookup and one addition per product. Compiled by bench_kernels.py
// with -O3 -march=native, and kept scalar: vectorised by gather instructions it is not faster on the machines tried.
#include <stdint.h>

__attribute__((optimize("no-tree-vectorize"))) void scalar_loop(
    const uint8_t *x, const int16_t *w, const int32_t *lut, int32_t *out, int64_t first, int64_t last, int64_t groups,
    int64_t depth, int64_t columns, int64_t w_levels
) {
    for (int64_t m = first; m < last; m++)
        for (int64_t g = 0; g < groups; g++)
            for (int64_t n = 0; n < columns; n++) {
                const uint8_t *row = x + (m * groups + g) * depth;
                const int16_t *column = w + (g * columns + n) * depth;
                int32_t sum = 0;
                for (int64_t k = 0; k < depth; k++) sum += lut[row[k] * w_levels + column[k]];
                out[(m * groups + g) * columns + n] = sum;
            }
}
