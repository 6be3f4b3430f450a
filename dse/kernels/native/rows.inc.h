// Sums of table rows, for one instruction set and one vector width. Included once for each, with
//     NAME(f)    the function's name in this variant
//     TARGET     its target attribute
//     VB         bytes of a vector: VB / 2 columns are summed at a time
//     MR         positions whose sums stay in registers together
//     DOT        0: widening by shift and add; 16, 32, 64: by the dot-product instruction of that many bytes
//
// For each reduction index k the table's columns are laid out as rows, T_k[x, n] = lut[x, w[k, n]] - base[k, n], 16 bits an
// entry. Then out[m, :] = sum_k T_k[x[m, k], :] + sum_k base[k, :]: whole rows are added, no entry is looked up alone.
// With its smallest entry taken off, every column fits 16 bits whose entries span at most 65,535, as those of 8 x 8 products
// do. Sums are kept modulo 2^32; the caller has proven that the true ones fit int32. Rows of a DOT variant are lower by
// another 32,768, because the instruction takes its operands as signed.
//
// Two neighbouring 16-bit columns share a 32-bit lane and are widened without being separated: with v = odd * 2^16 + even,
// all += v and odd += v >> 16 give sum(odd), and sum(even) = all - (sum(odd) << 16) modulo 2^32.

typedef uint32_t NAME(wide) __attribute__((vector_size(VB), may_alias));

// Write the rows of one reduction index: (levels, VB / 2) from its VB / 2 columns, eight columns and eight levels at a time.
TARGET static void NAME(transpose)(const struct column *column, int sloped, int64_t levels, char *rows) {
    for (int64_t lane = 0; lane < VB / 2; lane += 8, column += 8)
        for (int64_t x = 0; x < levels; x += 8) {
            eight r0 = ENTRIES(0), r1 = ENTRIES(1), r2 = ENTRIES(2), r3 = ENTRIES(3);
            eight r4 = ENTRIES(4), r5 = ENTRIES(5), r6 = ENTRIES(6), r7 = ENTRIES(7);
            if (sloped) {
                const eight at = (eight){0, 1, 2, 3, 4, 5, 6, 7} + (uint16_t)x;
                r0 -= SLOPE(0), r1 -= SLOPE(1), r2 -= SLOPE(2), r3 -= SLOPE(3);
                r4 -= SLOPE(4), r5 -= SLOPE(5), r6 -= SLOPE(6), r7 -= SLOPE(7);
            }
            // interleave units of 16, then 32, then 64 bits: eight columns become eight rows
            const eight s0 = LOW16(r0, r1), s1 = HIGH16(r0, r1), s2 = LOW16(r2, r3), s3 = HIGH16(r2, r3);
            const eight s4 = LOW16(r4, r5), s5 = HIGH16(r4, r5), s6 = LOW16(r6, r7), s7 = HIGH16(r6, r7);
            const eight t0 = LOW32(s0, s2), t1 = HIGH32(s0, s2), t2 = LOW32(s1, s3), t3 = HIGH32(s1, s3);
            const eight t4 = LOW32(s4, s6), t5 = HIGH32(s4, s6), t6 = LOW32(s5, s7), t7 = HIGH32(s5, s7);
            char *row = rows + x * VB + 2 * lane;
            *(eight *)row = LOW64(t0, t4), *(eight *)(row + VB) = HIGH64(t0, t4);
            *(eight *)(row + 2 * VB) = LOW64(t1, t5), *(eight *)(row + 3 * VB) = HIGH64(t1, t5);
            *(eight *)(row + 4 * VB) = LOW64(t2, t6), *(eight *)(row + 5 * VB) = HIGH64(t2, t6);
            *(eight *)(row + 6 * VB) = LOW64(t3, t7), *(eight *)(row + 7 * VB) = HIGH64(t3, t7);
        }
}

// Add the rows of `depth` reduction indices to the sums of `count` positions (a multiple of MR), (count, VB / 2) 32-bit.
TARGET static void NAME(add_rows)(
    const char *restrict rows, int64_t row_bytes, const uint8_t *restrict x, const int64_t *restrict at, int64_t count,
    const int64_t *restrict tap, int64_t depth, uint32_t *restrict sums, int first, int last
) {
    for (int64_t m = 0; m < count; m += MR) {
        const uint8_t *p[MR];
        const NAME(wide) zero = {0};
        NAME(wide) all[MR], odd[MR];
        NAME(wide) *sum = (NAME(wide) *)(sums + m * (VB / 2));
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            p[r] = x + at[m + r];
            all[r] = odd[r] = zero;
            if (!first) all[r] = sum[2 * r], odd[r] = sum[2 * r + 1];
        }
        const char *table = rows;
#pragma GCC unroll 4  // the loop itself costs a tenth otherwise
        for (int64_t k = 0; k < depth; k++, table += row_bytes) {
            const int64_t o = tap[k];
#pragma GCC unroll 8
            for (int r = 0; r < MR; r++) {
                const NAME(wide) v = *(const NAME(wide) *)(table + (int64_t)p[r][o] * VB);
#if DOT == 64
                all[r] = (NAME(wide))_mm512_dpwssd_epi32((__m512i)all[r], (__m512i)v, _mm512_set1_epi32(1));
                odd[r] = (NAME(wide))_mm512_dpwssd_epi32((__m512i)odd[r], (__m512i)v, _mm512_set1_epi32(1 << 16));
#elif DOT == 32
                all[r] = (NAME(wide))_mm256_dpwssd_epi32((__m256i)all[r], (__m256i)v, _mm256_set1_epi32(1));
                odd[r] = (NAME(wide))_mm256_dpwssd_epi32((__m256i)odd[r], (__m256i)v, _mm256_set1_epi32(1 << 16));
#elif DOT == 16
                all[r] = (NAME(wide))_mm_dpwssd_epi32((__m128i)all[r], (__m128i)v, _mm_set1_epi32(1));
                odd[r] = (NAME(wide))_mm_dpwssd_epi32((__m128i)odd[r], (__m128i)v, _mm_set1_epi32(1 << 16));
#else
                all[r] += v;
                odd[r] += v >> 16;
#endif
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            if (last && !DOT) all[r] -= odd[r] << 16;
            sum[2 * r] = all[r];
            sum[2 * r + 1] = odd[r];
        }
    }
}

// Where the columns of one tile lie for reduction index k. The two columns that share a 32-bit lane are VB / 4 apart, so
// that the sums come out in order: first all lower halves, then all upper ones.
static void NAME(columns)(const struct job *job, int64_t g, int64_t k, int64_t tile, struct column *column) {
    const int64_t row = (g * job->depth + k) * job->columns;
    for (int64_t lane = 0; lane < VB / 2; lane++) {
        int64_t n = tile + lane / 2 + (lane % 2) * (VB / 4);
        if (n >= job->columns) n = job->columns - 1;  // the rest of the last tile is computed and thrown away
        const int64_t code = job->w[row + n];
        column[lane].strip = job->strips + code * job->levels;
        if (job->slope) {
            column[lane].slope = (uint16_t)job->slope[g * job->columns + n];
            column[lane].base = (uint16_t)(job->base[row + n] - job->lowest[code]);  // the strip has its own taken off
        }
    }
}

// Lay out the rows of one tile for reduction indices [k, k + depth).
static void NAME(lay_out)(const struct job *job, int64_t g, int64_t tile, int64_t k, int64_t depth, char *rows) {
    struct column column[VB / 2] = {{0}};
    for (int64_t i = 0; i < depth; i++) {
        NAME(columns)(job, g, k + i, tile, column);
        NAME(transpose)(column, job->slope != 0, job->levels, rows + i * ROW_BYTES(job, VB));
    }
}

// One tile of columns for one block of positions: `count` of them, at `at` (padded to a multiple of MR). `rows` are the
// tile's if they have been laid out before, else null.
static void NAME(block)(
    const struct job *job, int64_t g, int64_t tile, int64_t count, const char *rows, const struct scratch *scratch
) {
    const int64_t row_bytes = ROW_BYTES(job, VB);
    int64_t step = job->table_bytes / row_bytes;
    if (step < 1) step = 1;
    for (int64_t k = 0; k < job->depth; k += step) {
        const int64_t depth = job->depth - k < step ? job->depth - k : step;
        if (!rows) NAME(lay_out)(job, g, tile, k, depth, scratch->rows);
        NAME(add_rows)(
            rows ? rows + k * row_bytes : scratch->rows, row_bytes, job->x + g * job->group_stride, scratch->at,
            (count + MR - 1) / MR * MR, job->tap + k, depth, scratch->sums, k == 0, k + depth == job->depth
        );
    }
}

#undef NAME
#undef VB
#undef MR
#undef DOT
