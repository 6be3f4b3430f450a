// Sums of a table's slopes, for one instruction set. Included once for each, with
//     NAME(f)    the function's name in this variant
//     TARGET     its target attribute
//     VB         bytes of a vector

typedef float NAME(reals) __attribute__((vector_size(VB), may_alias, aligned(4)));

// Add to `sums` the products of a row of gradients with the table rows that KB codes choose.
TARGET static inline void NAME(dots)(
    const float *restrict grad, struct chunk chunk, const int64_t *restrict piece, const float **restrict row,
    float *restrict sums
) {
    const NAME(reals) zero = {0};
    NAME(reals) all[KB];
    for (int i = 0; i < KB; i++) all[i] = zero;
    for (int64_t j = 0; j < chunk.pieces; j++) {
        const float *from = grad + piece[j];
        int64_t t = 0;
        for (; t + VB / 4 <= chunk.length; t += VB / 4) {
            const NAME(reals) g = *(const NAME(reals) *)(from + t);
#pragma GCC unroll 4
            for (int i = 0; i < KB; i++) all[i] += g * *(const NAME(reals) *)(row[i] + t);
        }
        for (; t < chunk.length; t++)
            for (int i = 0; i < KB; i++) sums[i] += from[t] * row[i][t];
        for (int i = 0; i < KB; i++) row[i] += chunk.length;
    }
    // four sums of four lanes each: transposed and added, they are one vector of four sums
    real quarter[KB];
    for (int i = 0; i < KB; i++) {
        const real *part = (const real *)&all[i];
        quarter[i] = part[0];
        for (int j = 1; j < VB / 16; j++) quarter[i] += part[j];
    }
    const eight a = LOW32(quarter[0], quarter[1]), b = HIGH32(quarter[0], quarter[1]);
    const eight c = LOW32(quarter[2], quarter[3]), d = HIGH32(quarter[2], quarter[3]);
    const real total = ((real)LOW64(a, c) + (real)HIGH64(a, c)) + ((real)LOW64(b, d) + (real)HIGH64(b, d));
    for (int i = 0; i < KB; i++) sums[i] += total[i];
}

// Add a row of gradients to the table rows that KB codes choose.
TARGET static inline void NAME(scatter)(
    const float *restrict grad, struct chunk chunk, const int64_t *restrict piece, float **restrict row
) {
    for (int64_t j = 0; j < chunk.pieces; j++) {
        const float *from = grad + piece[j];
        int64_t t = 0;
        for (; t + VB / 4 <= chunk.length; t += VB / 4) {
            const NAME(reals) g = *(const NAME(reals) *)(from + t);
#pragma GCC unroll 4
            for (int i = 0; i < KB; i++) *(NAME(reals) *)(row[i] + t) += g;
        }
        for (; t < chunk.length; t++)
            for (int i = 0; i < KB; i++) row[i][t] += from[t];
        for (int i = 0; i < KB; i++) row[i] += chunk.length;
    }
}

// Sums for the activations of positions [first, last), of one chunk of columns and KB reduction indices from k on.
TARGET static void NAME(activation_slopes)(
    const struct slopes *s, int64_t g, int64_t k, struct chunk chunk, int64_t first, int64_t last, float *rows
) {
    const int64_t columns = chunk.pieces * chunk.length, size = s->levels * columns;
    const int64_t kept = s->depth - k < KB ? s->depth - k : KB;
    for (int64_t i = 0; i < kept; i++) lay_out(s, weight_at(s, g, k + i, chunk), columns, rows + i * size);
    const float *grad = s->grad + g * s->group_stride + chunk.start;
    for (struct place at = place(s, first); at.m < last; step(s, &at)) {
        const int64_t operand = at.x + s->pixel[at.p] + (g * s->depth + k) * s->plane;
        const float *row[KB];
        float sums[KB];
        for (int64_t i = 0; i < KB; i++) {
            row[i] = rows + (i < kept ? i * size + s->x[operand + i * s->plane] * columns : 0);
            sums[i] = !chunk.is_first && i < kept ? s->out[operand + i * s->plane] : 0;
        }
        NAME(dots)(grad + at.grad + s->position[at.p], chunk, s->piece + chunk.piece, row, sums);
        for (int64_t i = 0; i < kept; i++) s->out[operand + i * s->plane] = sums[i];
    }
}

// Sums for the weights of one chunk of columns and KB reduction indices from k on. The gradients of all positions that have a
// code are summed first, so that a slope is used once for each code.
TARGET static void NAME(weight_slopes)(const struct slopes *s, int64_t g, int64_t k, struct chunk chunk, float *rows) {
    const int64_t columns = chunk.pieces * chunk.length, size = s->levels * columns;
    const int64_t kept = s->depth - k < KB ? s->depth - k : KB;
    const float *grad = s->grad + g * s->group_stride + chunk.start;
    memset(rows, 0, KB * size * sizeof *rows);
    for (struct place at = place(s, 0); at.m < s->images * s->positions; step(s, &at)) {
        const uint8_t *x = s->x + at.x + s->pixel[at.p] + (g * s->depth + k) * s->plane;
        float *row[KB];
        for (int64_t i = 0; i < KB; i++) row[i] = rows + i * size + (i < kept ? x[i * s->plane] * columns : 0);
        NAME(scatter)(grad + at.grad + s->position[at.p], chunk, s->piece + chunk.piece, row);
    }
    for (int64_t i = 0; i < kept; i++) {
        const int64_t w = weight_at(s, g, k + i, chunk);
        for (int64_t v = 0; v < s->levels; v++) {
            const float *sum = rows + i * size + v * columns, *slopes = s->slopes + v * s->w_levels;
            for (int64_t t = 0; t < columns; t++) s->out[w + t] += sum[t] * slopes[s->w[w + t]];
        }
    }
}

#undef NAME
#undef VB
#undef TARGET
