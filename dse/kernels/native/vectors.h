// Vectors of 16 bytes and their halves interleaved, in the compilers' own terms.
#ifndef DSE_VECTORS_H
#define DSE_VECTORS_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__) || defined(__i386__)
#define X86 1
#endif

#if defined(__clang__)
#define SHUFFLE(type, a, b, ...) (eight)__builtin_shufflevector((type)(a), (type)(b), __VA_ARGS__)
#else
#define SHUFFLE(type, a, b, ...) (eight)__builtin_shuffle((type)(a), (type)(b), (type){__VA_ARGS__})
#endif

// Interleave the lower or upper halves of two vectors in units of 16, 32 or 64 bits. Each unit has a vector type of its own,
// because compilers find the one instruction that does it only then.
typedef uint16_t eight __attribute__((vector_size(16), may_alias));
typedef uint16_t eight_anywhere __attribute__((vector_size(16), may_alias, aligned(2)));
typedef uint32_t four __attribute__((vector_size(16)));
typedef uint32_t four_anywhere __attribute__((vector_size(16), may_alias, aligned(4)));
typedef int32_t whole __attribute__((vector_size(16)));
typedef float real __attribute__((vector_size(16)));
typedef uint64_t two __attribute__((vector_size(16)));
#define LOW16(a, b) SHUFFLE(eight, a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH16(a, b) SHUFFLE(eight, a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define LOW32(a, b) SHUFFLE(four, a, b, 0, 4, 1, 5)
#define HIGH32(a, b) SHUFFLE(four, a, b, 2, 6, 3, 7)
#define LOW64(a, b) SHUFFLE(two, a, b, 0, 2)
#define HIGH64(a, b) SHUFFLE(two, a, b, 1, 3)

#endif
