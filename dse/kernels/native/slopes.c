// Sums of a table's slopes: the gradients of a layer's products. See job.h for what, slopes.inc.h for the loops.
//
// With permuted slopes T_k[x, t] = slopes[x, w[k, t]] the gradient of an activation is a dot product of two whole rows, its
// row of `grad` and the row of T_k that its code chooses. For the weights, rows of `grad` are added to those of a table of
// the same shape. Columns are taken in chunks of a piece and KB reduction indices together: a gradient is then read once for
// all of them, and their tables (0.75 MiB) lie in the second-level cache of most processors.
#include "job.h"
#include "vectors.h"

#include <string.h>

#define KB 4
#define CHUNK 192  // columns of a chunk, about

// Columns that are taken together: some whole pieces, or a part of one.
struct chunk { int64_t piece, pieces, start, length; int is_first; };

// A position, counted over all images and within its own, and where its image begins in the gradients and activations.
struct place { int64_t m, p, grad, x; };

static inline struct place place(const struct slopes *s, int64_t m) {
    const int64_t image = m / s->positions;
    return (struct place){m, m % s->positions, image * s->image_stride, image * s->x_image};
}

static inline void step(const struct slopes *s, struct place *at) {
    at->m++;
    if (++at->p == s->positions) at->p = 0, at->grad += s->image_stride, at->x += s->x_image;
}

// Short pieces are taken together, long ones in parts.
static int64_t chunks(const struct slopes *s) {
    if (s->length >= CHUNK) return s->pieces * ((s->length + CHUNK - 1) / CHUNK);
    return (s->pieces * s->length + CHUNK - 1) / CHUNK;
}

// Chunks have about the same size.
static struct chunk chunk_at(const struct slopes *s, int64_t index) {
    const int64_t count = chunks(s);
    if (s->length < CHUNK) {
        const int64_t piece = s->pieces * index / count;
        return (struct chunk){piece, s->pieces * (index + 1) / count - piece, 0, s->length, index == 0};
    }
    const int64_t parts = count / s->pieces, part = index % parts, start = s->length * part / parts;
    return (struct chunk){index / parts, 1, start, s->length * (part + 1) / parts - start, index == 0};
}

static int64_t weight_at(const struct slopes *s, int64_t g, int64_t k, struct chunk chunk) {
    return ((g * s->depth + k) * s->pieces + chunk.piece) * s->length + chunk.start;
}

// Slopes of the weights from `at` on, at every level: (levels, columns).
static void lay_out(const struct slopes *s, int64_t at, int64_t columns, float *rows) {
    for (int64_t v = 0; v < s->levels; v++, rows += columns)
        for (int64_t t = 0; t < columns; t++) rows[t] = s->slopes[v * s->w_levels + s->w[at + t]];
}

#define TARGET
#define NAME(f) f##_plain
#define VB 16
#include "slopes.inc.h"

#ifdef X86
#define TARGET __attribute__((target("avx2")))
#define NAME(f) f##_avx2
#define VB 32
#include "slopes.inc.h"

#define TARGET __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512dq")))
#define NAME(f) f##_avx512
#define VB 64
#include "slopes.inc.h"
#endif

typedef void (*activation_function)(const struct slopes *, int64_t, int64_t, struct chunk, int64_t, int64_t, float *);
typedef void (*weight_function)(const struct slopes *, int64_t, int64_t, struct chunk, float *);

// By the numbers that dse_levels counts.
static const struct { activation_function activations; weight_function weights; } INSTRUCTIONS[] = {
    {activation_slopes_plain, weight_slopes_plain},
#ifdef X86
    {activation_slopes_avx2, weight_slopes_avx2},
    {activation_slopes_avx512, weight_slopes_avx512},
    {activation_slopes_avx512, weight_slopes_avx512},
#endif
};

// Bytes of scratch that both functions need.
EXPORT int64_t dse_slope_bytes(const struct slopes *s) {
    int64_t columns = 0;
    for (int64_t i = 0; i < chunks(s); i++) {
        const struct chunk chunk = chunk_at(s, i);
        if (chunk.pieces * chunk.length > columns) columns = chunk.pieces * chunk.length;
    }
    return KB * s->levels * columns * (int64_t)sizeof(float);
}

// The sums for the activations of positions [first, last).
EXPORT void dse_activation_slopes(const struct slopes *s, int64_t level, int64_t first, int64_t last, char *memory) {
    for (int64_t g = 0; g < s->groups; g++)
        for (int64_t k = 0; k < s->depth; k += KB)
            for (int64_t i = 0; i < chunks(s); i++)
                INSTRUCTIONS[level].activations(s, g, k, chunk_at(s, i), first, last, (float *)memory);
}

// Units that dse_weight_slopes can be given ranges of: a few reduction indices of one group with one chunk each.
EXPORT int64_t dse_weight_units(const struct slopes *s) { return s->groups * ((s->depth + KB - 1) / KB) * chunks(s); }

// Add the sums for the weights of units [first, last) to `out`.
EXPORT void dse_weight_slopes(const struct slopes *s, int64_t level, int64_t first, int64_t last, char *memory) {
    const int64_t blocks = (s->depth + KB - 1) / KB;
    for (int64_t unit = first; unit < last; unit++) {
        const int64_t block = unit / chunks(s);
        INSTRUCTIONS[level].weights(s, block / blocks, block % blocks * KB, chunk_at(s, unit % chunks(s)), (float *)memory);
    }
}
