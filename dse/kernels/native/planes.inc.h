// What is done plane by plane, for one instruction set: the same plain loops, vectorised by the compiler. Included with
//     NAME(f)    the function's name in this variant
//     TARGET     its target attribute

// Codes of real values `step` apart; see dse.nn.quantizers.ActivationQuantizer.codes for the definition.
TARGET static inline void NAME(codes)(
    const struct planes *p, const float *restrict x, int64_t step, int64_t count, uint8_t *restrict codes
) {
    const float scale = p->scale, zero = (float)p->zero, low = (float)p->low, high = (float)p->high;
    const float round = 12582912.0f;  // 1.5 * 2^23: adding it leaves no fraction bits, and rounds half to even
    for (int64_t j = 0; j < count; j++) {
        const float real = x[j * step] / scale;
        float v = real > -1e6f ? real : -1e6f;  // also where it is no number
        v = v < 1e6f ? v : 1e6f;
        v = (v + round) - round + zero;
        v = v > low ? v : low;
        v = v < high ? v : high;
        codes[j] = (uint8_t)(int32_t)(real == real ? v : 0.0f);  // what torch makes of no number
    }
}

// Quantise and pad images [first, last). Rows are short: where a plane lies in one piece it is quantised whole, a few KiB at
// a time, and its rows are copied to their places.
TARGET static void NAME(quantize)(const struct planes *p, int64_t first, int64_t last) {
    enum { PIECE = 4096 };
    uint8_t piece[PIECE];
    const int64_t width = p->width, columns = p->left + width + p->right;
    const int64_t plane = (p->top + p->height + p->bottom) * columns;
    const int64_t rows = p->column_stride == 1 && p->row_stride == width && width <= PIECE ? PIECE / width : 1;
    const uint8_t zero = (uint8_t)p->zero;
    for (int64_t image = first; image < last; image++)
        for (int64_t c = 0; c < p->channels; c++) {
            uint8_t *out = p->codes + (image * p->channels + c) * plane;
            const float *x = p->x + image * p->batch_stride + c * p->channel_stride;
            if (plane > p->height * width) memset(out, zero, (size_t)plane);
            out += p->top * columns + p->left;
            for (int64_t i = 0; i < p->height; i += rows) {
                const int64_t count = p->height - i < rows ? p->height - i : rows;
                if (rows == 1 || columns == width) {  // straight to its place
                    if (p->column_stride == 1) NAME(codes)(p, x + i * p->row_stride, 1, count * width, out + i * columns);
                    else NAME(codes)(p, x + i * p->row_stride, p->column_stride, width, out + i * columns);
                    continue;
                }
                NAME(codes)(p, x + i * width, 1, count * width, piece);
                for (int64_t r = 0; r < count; r++) copy_row(out + (i + r) * columns, piece + r * width, width);
            }
        }
}

// Real values of the sums of one tile in planes: out_position is 1. Four positions of four columns are turned at a time.
TARGET static void NAME(write_planes)(
    const struct job *job, int64_t channel, int64_t columns, int64_t width, uint32_t shift,
    const uint32_t *restrict sums, int64_t count, float *restrict to
) {
    const int64_t fours = count / 4 * 4, next = job->out_column;
    int64_t n = 0;
    for (; n + 4 <= columns; n += 4) {
        four offset;
        real scale;
        memcpy(&offset, job->offset + channel + n, sizeof offset);
        memcpy(&scale, job->scale + channel + n, sizeof scale);
        offset += shift;
        float *line = to + n * next;
        for (int64_t p = 0; p < fours; p += 4, line += 4) {
            const uint32_t *from = sums + p * width + n;
            const eight r0 = REAL(0), r1 = REAL(1), r2 = REAL(2), r3 = REAL(3);
            const eight s0 = LOW32(r0, r1), s1 = HIGH32(r0, r1), s2 = LOW32(r2, r3), s3 = HIGH32(r2, r3);
            *(eight_anywhere *)line = LOW64(s0, s2), *(eight_anywhere *)(line + next) = HIGH64(s0, s2);
            *(eight_anywhere *)(line + 2 * next) = LOW64(s1, s3), *(eight_anywhere *)(line + 3 * next) = HIGH64(s1, s3);
        }
    }
    for (int64_t i = 0; i < columns; i++)  // what is left: the last positions of all columns, all positions of the last ones
        for (int64_t p = i < n ? fours : 0; p < count; p++) {
            const uint32_t sum = sums[p * width + i] + (uint32_t)job->offset[channel + i] + shift;
            to[p + i * next] = (float)(int32_t)sum * job->scale[channel + i];
        }
}

// Write the sums of one tile, (count, width) in scratch, to where they belong. Positions p .. p + count lie in one image.
TARGET static void NAME(write)(
    const struct job *job, int64_t channel, int64_t columns, int64_t width, uint32_t shift,
    const uint32_t *restrict sums, int64_t count, int64_t out
) {
    if (job->scale && job->out_position == 1) {
        NAME(write_planes)(job, channel, columns, width, shift, sums, count, (float *)job->out + out);
        return;
    }
    if (!job->scale && job->out_column == 1) {  // the same as below, in a form that vectorises
        const int32_t *restrict offset = job->offset + channel;
        for (int64_t p = 0; p < count; p++) {
            uint32_t *restrict to = (uint32_t *)job->out + out + p * job->out_position;
            for (int64_t n = 0; n < columns; n++) to[n] = sums[p * width + n] + (uint32_t)offset[n] + shift;
        }
        return;
    }
    for (int64_t p = 0; p < count; p++)
        for (int64_t n = 0; n < columns; n++) {
            const int32_t sum = (int32_t)(sums[p * width + n] + (uint32_t)job->offset[channel + n] + shift);
            const int64_t to = out + p * job->out_position + n * job->out_column;
            if (job->scale) ((float *)job->out)[to] = (float)sum * job->scale[channel + n];
            else ((int32_t *)job->out)[to] = sum;
        }
}

// Depthwise windows. All products of one input code with one row of the kernel stand side by side, so that a single vector
// add takes them all; the sums of each input column are then gathered diagonally.
typedef uint32_t NAME(lanes) __attribute__((vector_size(4 * LANES), may_alias));

// For each kernel row, every input code's products with the row's weights: (kernel_rows, levels, LANES).
TARGET static void NAME(row_products)(const struct job *job, const struct windows *w, int64_t g, uint32_t *products) {
    const uint32_t slope = job->slope ? (uint32_t)job->slope[g] : 0;
    memset(products, 0, (size_t)(w->kernel_rows * job->levels * LANES) * sizeof *products);
    for (int64_t i = 0; i < w->kernel_rows; i++)
        for (int64_t j = 0; j < w->kernel_columns; j++) {
            const int32_t *entry = job->table + job->w[g * job->depth + i * w->kernel_columns + j];
            for (int64_t x = 0; x < job->levels; x++)
                products[(i * job->levels + x) * LANES + j] = (uint32_t)entry[x * job->w_levels] - slope * (uint32_t)x;
        }
}

// Sum over the kernel's rows for every input column: (columns, LANES).
TARGET static void NAME(column_sums)(
    const NAME(lanes) *restrict products, int64_t levels, const uint8_t *restrict row, int64_t next, int64_t kernel_rows,
    int64_t columns, NAME(lanes) *restrict line
) {
    if (kernel_rows == 3) {
        const NAME(lanes) *second = products + levels, *third = second + levels;
        for (int64_t j = 0; j < columns; j++)
            line[j] = products[row[j]] + second[row[j + next]] + third[row[j + 2 * next]];
        return;
    }
    for (int64_t j = 0; j < columns; j++) line[j] = products[row[j]];
    for (int64_t i = 1; i < kernel_rows; i++)
        for (int64_t j = 0; j < columns; j++) line[j] += products[i * levels + row[j + i * next]];
}

// Gather the sums of each window: window c takes lane j of input column c * stride + j * dilation.
TARGET static void NAME(diagonal_sums)(
    const uint32_t *restrict line, int64_t stride, int64_t dilation, int64_t kernel_columns, int64_t count,
    uint32_t *restrict sums
) {
    stride *= LANES, dilation *= LANES;
    if (kernel_columns == 3) {
        const uint32_t *second = line + dilation + 1, *third = line + 2 * dilation + 2;
        for (int64_t c = 0; c < count; c++) sums[c] = line[c * stride] + second[c * stride] + third[c * stride];
        return;
    }
    for (int64_t c = 0; c < count; c++) sums[c] = line[c * stride];
    for (int64_t j = 1; j < kernel_columns; j++)
        for (int64_t c = 0; c < count; c++) sums[c] += line[c * stride + j * dilation + j];
}

// Rows of a plane lie one after the other: with unit strides many are taken at once, as one long row whose windows across
// the seams are thrown away. Loops as short as a row of a small image cost more than what they do.
TARGET static void NAME(depthwise)(const struct job *job, const struct windows *w, int64_t g, uint32_t *scratch) {
    const int64_t at_once = w->row_stride == 1 && w->column_stride == 1 && w->in_columns < LINE ? LINE / w->in_columns : 1;
    uint32_t *products = scratch, *line = products + w->kernel_rows * job->levels * LANES;
    uint32_t *sums = line + at_once * w->in_columns * LANES;
    NAME(row_products)(job, w, g, products);
    for (int64_t image = 0; image < job->images; image++) {
        const uint8_t *plane = job->x + image * job->image_stride + g * job->group_stride;
        for (int64_t r = 0; r < w->rows; r += at_once) {
            const int64_t rows = w->rows - r < at_once ? w->rows - r : at_once;
            NAME(column_sums)(
                (const NAME(lanes) *)products, job->levels, plane + r * w->row_stride * w->in_columns,
                w->row_dilation * w->in_columns, w->kernel_rows, rows * w->in_columns, (NAME(lanes) *)line
            );
            NAME(diagonal_sums)(
                line, w->column_stride, w->column_dilation, w->kernel_columns, (rows - 1) * w->in_columns + w->columns, sums
            );
            for (int64_t i = 0; i < rows; i++) {
                const int64_t out = image * job->out_image + (r + i) * w->columns * job->out_position + g * job->out_column;
                NAME(write)(job, g, 1, 1, 0, sums + i * w->in_columns, w->columns, out);
            }
        }
    }
}
#undef NAME
