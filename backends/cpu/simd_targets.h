#pragma once

// Which SIMD targets kernels are compiled for; include before Highway. AVX-512, AVX2, SSE4, NEON and a plain
// fallback serve every machine; the others would cost compile time and size for little.
#define FOVEA_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS FOVEA_DISABLED_TARGETS
#endif

/// Whether a target is of machines that may multiply words of two bf16 (AVX512-BF16): Highway's targets do not tell.
#define FOVEA_BF16_PAIRS (HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3)
