// Bit-exact sums of table entries for integer operands, on the CPU. See rows.inc.h for how, job.h for what.
//
// One thread computes one range of units; the caller splits the units among its threads. Nothing is allocated here and no
// state is kept. Sums are formed modulo 2^32 unless the job is `wide`: the caller proves that they fit.
#include "job.h"
#include "vectors.h"

#include <string.h>
#include <unistd.h>

// Rows of one reduction index: one line more than they need, so that the row of a frequent code does not lie in the same set
// of the first-level cache for every index.
#define ROW_BYTES(job, vector) ((job)->levels * (vector) + 64)

#define ENTRIES(i) (eight)*(const eight_anywhere *)(column[i].strip + x)
#define SLOPE(i) (column[i].base + column[i].slope * at)

#define REAL(p) (eight)(__builtin_convertvector((whole)(*(const four_anywhere *)(from + p * width) + offset), real) * scale)

struct column { const uint16_t *strip; uint16_t base, slope; };
struct scratch { char *rows; uint32_t *sums; int64_t *at; };

#define LANES 4    // columns of a depthwise kernel that one vector holds
#define LINE 1024  // columns of depthwise sums that are kept at a time

// A row of bytes: most are too short for a call to pay.
static inline void copy_row(uint8_t *restrict to, const uint8_t *restrict from, int64_t count) {
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) memcpy(to + i, from + i, 8);
    for (; i < count; i++) to[i] = from[i];
}

#define TARGET
#define NAME(f) f##_plain
#include "planes.inc.h"
#define NAME(f) f##_plain_16
#define VB 16
#define MR 4
#define DOT 0
#include "rows.inc.h"
#undef TARGET

#ifdef X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
#define NAME(f) f##_avx2
#include "planes.inc.h"
#define NAME(f) f##_avx2_16
#define VB 16
#define MR 4
#define DOT 0
#include "rows.inc.h"
#define NAME(f) f##_avx2_32
#define VB 32
#define MR 4
#define DOT 0
#include "rows.inc.h"
#undef TARGET

#define TARGET __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512dq")))
#define NAME(f) f##_avx512
#include "planes.inc.h"
#define NAME(f) f##_avx512_16
#define VB 16
#define MR 8
#define DOT 0
#include "rows.inc.h"
#define NAME(f) f##_avx512_32
#define VB 32
#define MR 8
#define DOT 0
#include "rows.inc.h"
#define NAME(f) f##_avx512_64
#define VB 64
#define MR 8
#define DOT 0
#include "rows.inc.h"
#undef TARGET

#define TARGET __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define NAME(f) f##_vnni_16
#define VB 16
#define MR 8
#define DOT 16
#include "rows.inc.h"
#define NAME(f) f##_vnni_32
#define VB 32
#define MR 8
#define DOT 32
#include "rows.inc.h"
#define NAME(f) f##_vnni_64
#define VB 64
#define MR 8
#define DOT 64
#include "rows.inc.h"
#undef TARGET
#endif

typedef void (*lay_out_function)(const struct job *, int64_t, int64_t, int64_t, int64_t, char *);
typedef void (*block_function)(const struct job *, int64_t, int64_t, int64_t, const char *, const struct scratch *);
typedef void (*quantize_function)(const struct planes *, int64_t, int64_t);
typedef void (*write_function)(const struct job *, int64_t, int64_t, int64_t, uint32_t, const uint32_t *, int64_t, int64_t);
typedef void (*depthwise_function)(const struct job *, const struct windows *, int64_t, uint32_t *);

// Functions of one instruction set; widths in columns of the narrow, middle and wide tile.
struct instructions {
    const char *name;
    block_function block[3];
    lay_out_function lay_out[3];
    uint32_t shift;  // what rows lack for each reduction index, where the instruction wants them signed
    quantize_function quantize;
    write_function write;
    depthwise_function depthwise;
};

static const struct instructions INSTRUCTIONS[] = {
    {"plain", {block_plain_16}, {lay_out_plain_16}, 0, quantize_plain, write_plain, depthwise_plain},
#ifdef X86
    {"avx2", {block_avx2_16, block_avx2_32}, {lay_out_avx2_16, lay_out_avx2_32}, 0,
     quantize_avx2, write_avx2, depthwise_avx2},
    {"avx512", {block_avx512_16, block_avx512_32, block_avx512_64},
     {lay_out_avx512_16, lay_out_avx512_32, lay_out_avx512_64}, 0, quantize_avx512, write_avx512, depthwise_avx512},
    {"avx512-vnni", {block_vnni_16, block_vnni_32, block_vnni_64},
     {lay_out_vnni_16, lay_out_vnni_32, lay_out_vnni_64}, 32768, quantize_avx512, write_avx512, depthwise_avx512},
#endif
};

// Number of instruction sets that this processor has; they are numbered from 0, each better than the one before.
EXPORT int64_t dse_levels(void) {
#ifdef X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2")) return 1;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl")
        || !__builtin_cpu_supports("avx512dq")) return 2;
    return __builtin_cpu_supports("avx512vnni") ? 4 : 3;
#else
    return 1;
#endif
}

// What a level wants taken off every entry of the strips, beside the smallest of each column.
EXPORT int64_t dse_shift(int64_t level) { return INSTRUCTIONS[level].shift; }

EXPORT const char *dse_level_name(int64_t level) { return INSTRUCTIONS[level].name; }

// Columns that are summed together. Widths go down from the widest that the level has, so that few columns are thrown away:
// 40 columns are 32 + 8.
struct tile { int64_t start, width; int kind; };

static struct tile next_tile(const struct instructions *with, int64_t columns, struct tile tile) {
    tile.start += tile.width;
    tile.kind = 0;
    for (int i = 2; i > 0; i--)
        if (with->block[i] && columns - tile.start > (4 << i)) { tile.kind = i; break; }
    tile.width = 8 << tile.kind;
    return tile;
}

static int64_t tiles(const struct instructions *with, int64_t columns) {
    int64_t count = 0;
    for (struct tile tile = {0}; tile.start + tile.width < columns; count++) tile = next_tile(with, columns, tile);
    return count;
}

static struct tile tile_at(const struct instructions *with, int64_t columns, int64_t index) {
    struct tile tile = {0};
    for (int64_t i = 0; i <= index; i++) tile = next_tile(with, columns, tile);
    return tile;
}

// Where the rows of a tile of a group begin among all that are laid out.
static int64_t rows_before(
    const struct job *job, const struct instructions *with, int64_t g, int64_t index, struct tile tile
) {
    const int64_t per_group = tiles(with, job->columns), last = per_group - 1;
    const struct tile end = tile_at(with, job->columns, last);
    const int64_t group_bytes = (end.start + end.width) * 2 * job->levels + 64 * per_group;
    return job->depth * (g * group_bytes + tile.start * 2 * job->levels + 64 * index);
}

// Where the operands of one position of all images begin.
static int64_t place(const struct job *job, int64_t m) {
    const int64_t image = m / job->positions, p = m % job->positions;
    return image * job->image_stride + (job->position ? job->position[p] : p * job->position_stride);
}

// The same for `count` positions from m on, with one division for all.
static void places(const struct job *job, int64_t m, int64_t count, int64_t *at) {
    int64_t p = m % job->positions, image = place(job, m) - (job->position ? job->position[p] : p * job->position_stride);
    for (int64_t i = 0; i < count; i++) {
        at[i] = image + (job->position ? job->position[p] : p * job->position_stride);
        if (++p == job->positions) p = 0, image += job->image_stride;
    }
}

static int64_t blocks(const struct job *job) {
    return (job->images * job->positions + job->block - 1) / job->block;
}

// Sizes of the structures that callers fill in, in the order of job.h.
EXPORT int64_t dse_struct_bytes(int64_t which) {
    const int64_t bytes[] = {sizeof(struct job), sizeof(struct windows), sizeof(struct planes), sizeof(struct slopes)};
    return bytes[which];
}

// Bytes of the second-level cache, 0 where the system does not tell.
EXPORT int64_t dse_cache_bytes(void) {
#ifdef _SC_LEVEL2_CACHE_SIZE
    const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return bytes > 0 ? bytes : 0;
#else
    return 0;
#endif
}

// Tiles of all groups, which dse_lay_out can be given ranges of.
EXPORT int64_t dse_tiles(const struct job *job, int64_t level) {
    return job->groups * tiles(&INSTRUCTIONS[level], job->columns);
}

// Units that dse_sum can be given ranges of.
EXPORT int64_t dse_units(const struct job *job, int64_t level) { return dse_tiles(job, level) * blocks(job); }

// Bytes that the rows of all weights take.
EXPORT int64_t dse_row_bytes(const struct job *job, int64_t level) {
    return rows_before(job, &INSTRUCTIONS[level], job->groups, 0, (struct tile){0});
}

// Lay out the rows of tiles [first, last), counted over all groups, into job->rows, which is 64-byte aligned.
EXPORT void dse_lay_out(const struct job *job, int64_t level, int64_t first, int64_t last) {
    const struct instructions *with = &INSTRUCTIONS[level];
    const int64_t per_group = tiles(with, job->columns);
    for (int64_t i = first; i < last; i++) {
        const struct tile tile = tile_at(with, job->columns, i % per_group);
        char *rows = job->rows + rows_before(job, with, i / per_group, i % per_group, tile);
        with->lay_out[tile.kind](job, i / per_group, tile.start, 0, job->depth, rows);
    }
}

static int64_t table_bytes(const struct job *job) {
    const int64_t wanted = (job->table_bytes + 63) / 64 * 64;
    return ROW_BYTES(job, 64) > wanted ? ROW_BYTES(job, 64) : wanted;
}

// Bytes of scratch that dse_sum needs.
EXPORT int64_t dse_scratch_bytes(const struct job *job) {
    return table_bytes(job) + (job->block + 8) * (4 * 32 + 8);
}

static void write_block(
    const struct job *job, const struct instructions *with, int64_t channel, int64_t columns, int64_t width, int64_t start,
    int64_t count, const uint32_t *sums
) {
    while (count > 0) {  // image by image
        const int64_t image = start / job->positions, p = start % job->positions;
        const int64_t run = job->positions - p < count ? job->positions - p : count;
        const int64_t out = image * job->out_image + p * job->out_position + channel * job->out_column;
        with->write(job, channel, columns, width, with->shift * (uint32_t)job->depth, sums, run, out);
        start += run, count -= run, sums += run * width;
    }
}

// Compute units [first, last): tiles of columns of one group, for one block of positions each. `memory` is 64-byte aligned.
EXPORT void dse_sum(const struct job *job, int64_t level, int64_t first, int64_t last, char *memory) {
    const struct instructions *with = &INSTRUCTIONS[level];
    const int64_t per_group = tiles(with, job->columns), count = blocks(job), total = job->images * job->positions;
    struct scratch scratch;
    scratch.rows = memory;
    scratch.sums = (uint32_t *)(memory + table_bytes(job));
    scratch.at = (int64_t *)(scratch.sums + (job->block + 8) * 32);
    for (int64_t unit = first; unit < last; unit++) {
        const int64_t start = unit % count * job->block, g = unit / count / per_group, index = unit / count % per_group;
        const int64_t length = total - start < job->block ? total - start : job->block;
        const struct tile tile = tile_at(with, job->columns, index);
        const char *rows = job->rows ? job->rows + rows_before(job, with, g, index, tile) : 0;
        places(job, start, length, scratch.at);
        for (int64_t i = length; i % 8; i++) scratch.at[i] = scratch.at[length - 1];
        with->block[tile.kind](job, g, tile.start, length, rows, &scratch);
        const int64_t columns = job->columns - tile.start < tile.width ? job->columns - tile.start : tile.width;
        write_block(job, with, g * job->columns + tile.start, columns, tile.width, start, length, scratch.sums);
    }
}

// Sums of positions [first, last) entry by entry: for few positions, any entries, and sums that leave int32.
EXPORT void dse_sum_directly(const struct job *job, int64_t first, int64_t last) {
    for (int64_t m = first; m < last; m++) {
        const int64_t image = m / job->positions, p = m % job->positions, at = place(job, m);
        for (int64_t g = 0; g < job->groups; g++) {
            const uint8_t *x = job->x + g * job->group_stride + at;
            for (int64_t n = 0; n < job->columns; n++) {
                const int64_t channel = g * job->columns + n;
                const int64_t slope = job->slope ? job->slope[channel] : 0;
                const int16_t *w = job->w + g * job->depth * job->columns + n;
                int64_t sum = job->wide ? 0 : job->offset[channel];
                for (int64_t k = 0; k < job->depth; k++) {
                    const int64_t code = x[job->tap[k]];
                    sum += job->table[code * job->w_levels + w[k * job->columns]] - slope * code;
                }
                const int64_t out = image * job->out_image + p * job->out_position + channel * job->out_column;
                if (job->wide) ((int64_t *)job->out)[out] = sum;
                else if (job->scale) ((float *)job->out)[out] = (float)(int32_t)sum * job->scale[channel];
                else ((int32_t *)job->out)[out] = (int32_t)sum;
            }
        }
    }
}

// Smallest and largest entry of the column of every weight after its slope: (G, K, N) each. Returns the widest span.
EXPORT int64_t dse_spans(const struct job *job, int32_t *lowest) {
    int64_t widest = 0;
    for (int64_t i = 0; i < job->groups * job->depth * job->columns; i++) {
        const int64_t n = i / (job->depth * job->columns) * job->columns + i % job->columns;
        int64_t low = INT64_MAX, high = INT64_MIN;
        for (int64_t x = 0; x < job->levels; x++) {
            const int64_t entry = job->table[x * job->w_levels + job->w[i]] - (int64_t)job->slope[n] * x;
            low = entry < low ? entry : low;
            high = entry > high ? entry : high;
        }
        lowest[i] = (int32_t)low;
        widest = high - low > widest ? high - low : widest;
    }
    return widest;
}

// Bytes of scratch that dse_depthwise needs: products, and the sums of a line before and after they are gathered.
EXPORT int64_t dse_depthwise_bytes(const struct job *job, const struct windows *windows) {
    const int64_t line = windows->in_columns > LINE ? windows->in_columns : LINE;
    return 4 * (LANES * windows->kernel_rows * job->levels + (LANES + 1) * line);
}

// Depthwise planes [first, last); `memory` is 64-byte aligned.
EXPORT void dse_depthwise(
    const struct job *job, const struct windows *windows, int64_t level, int64_t first, int64_t last, char *memory
) {
    for (int64_t g = first; g < last; g++) INSTRUCTIONS[level].depthwise(job, windows, g, (uint32_t *)memory);
}

// Images [first, last).
EXPORT void dse_quantize(const struct planes *planes, int64_t level, int64_t first, int64_t last) {
    INSTRUCTIONS[level].quantize(planes, first, last);
}
