// What a netlist computes wrong and how often its signals are 1: the inner loop of a search over netlists.
//
// Pair p = x * 2^w_bits + w of operand codes is bit p % 64 of word p / 64. A block of pairs is taken at a time, so that the
// words of all signals lie in the second-level cache, and a netlist that exceeds its bound is given up at once.
#include <stdint.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))  // so that it is compiled for the processor of its caller
#define WORDS 64  // of a block

// Compiled twice, and the version that suits the processor is chosen when the library is loaded.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

struct netlist {
    const uint8_t *kinds;   // (gates,): not, and, or, xor, nand, nor, xnor
    const int32_t *inputs;  // (gates, 2)
    const int32_t *outputs; // (bits,), at most 31
    int64_t gates, bits, x_bits, w_bits, is_signed;
    const int32_t *exact;   // (2^x_bits, 2^w_bits): the products wanted
    const int32_t *x_weight;  // (2^x_bits,): how much a code counts in the error
    const int32_t *w_weight;  // (2^w_bits,): likewise
    int64_t bound;          // largest weighted sum of |error| allowed
    uint8_t *active;        // (gates,): written: whether any output needs the gate
    int64_t *ones;          // (gates,): written: pairs where the gate's output is 1, where it is active
    uint64_t *memory;       // (2 + x_bits + w_bits + gates, WORDS)
};

// A bit of each pair's number, for 64 pairs.
static const uint64_t PATTERN[6] = {
    0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0, 0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000,
};

INLINE uint64_t input_word(int64_t position, int64_t word) {
    return position < 6 ? PATTERN[position] : -(uint64_t)(word >> (position - 6) & 1);
}

INLINE void mark_active(const struct netlist *n, int64_t first) {
    for (int64_t i = 0; i < n->gates; i++) n->active[i] = 0;
    for (int64_t i = 0; i < n->bits; i++)
        if (n->outputs[i] >= first) n->active[n->outputs[i] - first] = 1;
    for (int64_t i = n->gates - 1; i >= 0; i--)
        for (int j = 0; n->active[i] && j < 2; j++)
            if (n->inputs[2 * i + j] >= first) n->active[n->inputs[2 * i + j] - first] = 1;
}

INLINE void gate(int kind, const uint64_t *restrict a, const uint64_t *restrict b, uint64_t *restrict out) {
    switch (kind) {
        case 0: for (int i = 0; i < WORDS; i++) out[i] = ~a[i]; break;
        case 1: for (int i = 0; i < WORDS; i++) out[i] = a[i] & b[i]; break;
        case 2: for (int i = 0; i < WORDS; i++) out[i] = a[i] | b[i]; break;
        case 3: for (int i = 0; i < WORDS; i++) out[i] = a[i] ^ b[i]; break;
        case 4: for (int i = 0; i < WORDS; i++) out[i] = ~(a[i] & b[i]); break;
        case 5: for (int i = 0; i < WORDS; i++) out[i] = ~(a[i] | b[i]); break;
        default: for (int i = 0; i < WORDS; i++) out[i] = ~(a[i] ^ b[i]); break;
    }
}

// Eight bits as eight bytes of 0 or 1.
INLINE uint64_t spread(uint64_t byte) {
    const uint64_t copies = byte * 0x0101010101010101 & 0x8040201008040201;
    return (copies + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101;
}

// The weighted sum of |error| over the `pairs` pairs of a word of the block, whose first is `start`.
INLINE int64_t error_sum(const struct netlist *n, int64_t word, int64_t start, int64_t pairs) {
    const int64_t run = pairs < (int64_t)1 << n->w_bits ? pairs : (int64_t)1 << n->w_bits;  // pairs of one x
    uint64_t bytes[4][8] = {{0}};  // of the products
    for (int64_t o = 0; o < n->bits; o++) {
        const uint64_t bits = n->memory[n->outputs[o] * WORDS + word];
        for (int i = 0; i < 8; i++) bytes[o / 8][i] |= spread(bits >> 8 * i & 255) << o % 8;
    }
    const uint8_t *byte[4];
    for (int k = 0; k < 4; k++) byte[k] = (const uint8_t *)bytes[k];
    const int64_t top = n->is_signed ? (int64_t)1 << (n->bits - 1) : 0;
    int32_t distance[64];
    for (int64_t i = 0; i < pairs; i++) {
        const uint32_t code = byte[0][i] | byte[1][i] << 8 | byte[2][i] << 16 | (uint32_t)byte[3][i] << 24;
        const int32_t product = (int32_t)((code ^ top) - top);
        distance[i] = abs(product - n->exact[start + i]);
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < pairs; i += run) {
        const int32_t *weight = n->w_weight + ((start + i) & (((int64_t)1 << n->w_bits) - 1));
        int64_t part = 0;
        for (int64_t j = 0; j < run; j++) part += (int64_t)distance[i + j] * weight[j];
        sum += part * n->x_weight[(start + i) >> n->w_bits];
    }
    return sum;
}

// Compute all active gates for the words of a block from `start` on.
INLINE void compute(const struct netlist *n, int64_t first, int64_t start) {
    for (int64_t bit = 0; bit < n->x_bits + n->w_bits; bit++) {
        const int64_t signal = 2 + (bit < n->w_bits ? n->x_bits + bit : bit - n->w_bits);
        for (int64_t i = 0; i < WORDS; i++) n->memory[signal * WORDS + i] = input_word(bit, start + i);
    }
    for (int64_t i = 0; i < n->gates; i++)
        if (n->active[i]) {
            const int32_t *input = n->inputs + 2 * i;
            uint64_t *out = n->memory + (first + i) * WORDS;
            gate(n->kinds[i], n->memory + input[0] * WORDS, n->memory + input[1] * WORDS, out);
        }
}

// Return the weighted sum of |error|, or -1 as soon as it exceeds the bound.
EXPORT CLONES int64_t dse_netlist_error(const struct netlist *n) {
    const int64_t first = 2 + n->x_bits + n->w_bits, pairs = (int64_t)1 << (n->x_bits + n->w_bits);
    const int64_t words = (pairs + 63) / 64, in_word = pairs < 64 ? pairs : 64;
    int64_t error = 0;
    mark_active(n, first);
    for (int64_t i = 0; i < WORDS; i++) n->memory[i] = 0, n->memory[WORDS + i] = ~(uint64_t)0;
    for (int64_t end = words; end > 0; end -= WORDS) {  // large operands first: there errors are largest
        const int64_t start = end < WORDS ? 0 : end - WORDS;
        compute(n, first, start);
        for (int64_t i = end - start - 1; i >= 0; i--) {
            error += error_sum(n, i, (start + i) * 64, in_word);
            if (error > n->bound) return -1;
        }
    }
    return error;
}

// Count the pairs where each active gate is 1.
EXPORT CLONES void dse_netlist_ones(const struct netlist *n) {
    const int64_t first = 2 + n->x_bits + n->w_bits, pairs = (int64_t)1 << (n->x_bits + n->w_bits);
    const int64_t words = (pairs + 63) / 64, count = words < WORDS ? words : WORDS;
    const uint64_t used = pairs < 64 ? ((uint64_t)1 << pairs) - 1 : ~(uint64_t)0;
    mark_active(n, first);
    for (int64_t i = 0; i < WORDS; i++) n->memory[i] = 0, n->memory[WORDS + i] = ~(uint64_t)0;
    for (int64_t i = 0; i < n->gates; i++) n->ones[i] = 0;
    for (int64_t start = 0; start < words; start += count) {
        compute(n, first, start);
        for (int64_t i = 0; i < n->gates; i++)
            for (int64_t j = 0; n->active[i] && j < count; j++)
                n->ones[i] += __builtin_popcountll(n->memory[(first + i) * WORDS + j] & used);
    }
}
