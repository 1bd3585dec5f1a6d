package digest

import "github.com/klauspost/cpuid/v2"

// twofold says that the CPU has what blocks needs.
var twofold = cpuid.CPU.Supports(cpuid.SHA, cpuid.SSSE3, cpuid.SSE2)

// blocks takes n blocks, at least one, from each of p and q into the states s and t. A state's
// words are F, E, B, A, H, G, D and C, which is how the instructions want them.
//
//go:noescape
func blocks(s, t *[8]uint32, p, q *byte, n int)
