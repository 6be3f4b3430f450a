// What one call computes: products of activation codes with weights through one multiplier's table.
//
// Operand (position p of image b, group g, reduction index k) is the byte
//     x[b * image_stride + g * group_stride + position[p] + tap[k]]        (p * position_stride where `position` is null)
// so a convolution needs no im2col: `position` and `tap` say where its windows lie. Every pointer is checked by the caller.
#ifndef DSE_JOB_H
#define DSE_JOB_H

#include <stdint.h>

struct job {
    // table and weights
    const uint16_t *strips;   // (2^Bw, levels): columns less their smallest entry and dse_shift(level), modulo 2^16
    const int32_t *table;     // (levels, 2^Bw): the table itself; levels is a multiple of 8
    const int32_t *lowest;    // (2^Bw,): smallest entry of each column
    const int32_t *base;      // (G, K, N): smallest entry of each weight's column after its slope; null where `slope` is
    const int32_t *slope;     // (G, N): multiples of x taken off every entry (the weight's zero point), or null
    const int16_t *w;         // (G, K, N): weight codes
    char *rows;               // what dse_lay_out has written for all of them, or null
    int64_t levels, w_levels, groups, depth, columns;
    // activations
    const uint8_t *x;
    const int64_t *position;  // (positions,), or null
    const int64_t *tap;       // (K,)
    int64_t images, image_stride, group_stride, positions, position_stride;
    // result: element (b, p, g, n) at b * out_image + p * out_position + (g * N + n) * out_column
    const int32_t *offset;    // (G, N): added to every sum, modulo 2^32
    const float *scale;       // (G, N): real value of one unit; null: integers are wanted
    void *out;                // float where there is a scale, else int32, or int64 where `wide`
    int64_t out_image, out_position, out_column;
    int64_t wide;             // sums may leave int32: only the direct kernel takes these
    // blocking
    int64_t block;            // positions of a block, over all images
    int64_t table_bytes;      // of rows at a time: a part of the second-level cache
};

// Windows of a depthwise convolution: one input plane and one output plane for each group.
struct windows {
    int64_t rows, columns;           // of an output plane
    int64_t in_columns;              // bytes from one input row to the next
    int64_t kernel_rows, kernel_columns, row_stride, column_stride, row_dilation, column_dilation;
};

// A real image and the padded planes of codes it becomes.
struct planes {
    const float *x;
    int64_t channels, height, width, batch_stride, channel_stride, row_stride, column_stride;  // strides in elements
    int64_t left, right, top, bottom;
    float scale;
    int32_t zero, low, high;         // zero point; smallest and largest value; codes are values modulo 256
    uint8_t *codes;                  // (B, C, top + height + bottom, left + width + right)
};

// Output gradients as the rows that the positions of a layer's input meet, and the sums of slopes wanted of them. T is
// pieces * length. For position p of image b in group g piece i of the row is at
//     grad[b * image_stride + position[p] + g * group_stride + piece[i]]
// and the activation of reduction index k, and its sum, at
//     x_image * b + pixel[p] + (g * K + k) * plane.
struct slopes {
    const float *grad;
    const int64_t *position;  // (positions,)
    const int64_t *piece;     // (pieces,)
    int64_t images, positions, image_stride, group_stride, pieces, length;
    const uint8_t *x;         // activation codes
    const int64_t *pixel;     // (positions,)
    int64_t x_image, plane;
    const int16_t *w;         // (G, K, T): weight codes
    const float *slopes;      // (levels, w_levels)
    int64_t levels, w_levels, groups, depth;
    float *out;               // for activations where they are, for weights (G, K, T)
};

#endif
