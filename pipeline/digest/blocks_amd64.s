#include "textflag.h"

// The constants of the 64 rounds (FIPS 180-4 4.2.2), two in each line.
DATA rounds<>+0(SB)/8, $0x71374491428a2f98
DATA rounds<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA rounds<>+16(SB)/8, $0x59f111f13956c25b
DATA rounds<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA rounds<>+32(SB)/8, $0x12835b01d807aa98
DATA rounds<>+40(SB)/8, $0x550c7dc3243185be
DATA rounds<>+48(SB)/8, $0x80deb1fe72be5d74
DATA rounds<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA rounds<>+64(SB)/8, $0xefbe4786e49b69c1
DATA rounds<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA rounds<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA rounds<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA rounds<>+96(SB)/8, $0xa831c66d983e5152
DATA rounds<>+104(SB)/8, $0xbf597fc7b00327c8
DATA rounds<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA rounds<>+120(SB)/8, $0x1429296706ca6351
DATA rounds<>+128(SB)/8, $0x2e1b213827b70a85
DATA rounds<>+136(SB)/8, $0x53380d134d2c6dfc
DATA rounds<>+144(SB)/8, $0x766a0abb650a7354
DATA rounds<>+152(SB)/8, $0x92722c8581c2c92e
DATA rounds<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA rounds<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA rounds<>+176(SB)/8, $0xd6990624d192e819
DATA rounds<>+184(SB)/8, $0x106aa070f40e3585
DATA rounds<>+192(SB)/8, $0x1e376c0819a4c116
DATA rounds<>+200(SB)/8, $0x34b0bcb52748774c
DATA rounds<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA rounds<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA rounds<>+224(SB)/8, $0x78a5636f748f82ee
DATA rounds<>+232(SB)/8, $0x8cc7020884c87814
DATA rounds<>+240(SB)/8, $0xa4506ceb90befffa
DATA rounds<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL rounds<>(SB), RODATA|NOPTR, $256

// Words of the message are big-endian.
DATA flip<>+0(SB)/8, $0x0405060700010203
DATA flip<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL flip<>(SB), RODATA|NOPTR, $16

// LOAD reads a block.
#define LOAD(p, w0, w1, w2, w3) \
	MOVOU  0(p), w0  \
	MOVOU  16(p), w1 \
	MOVOU  32(p), w2 \
	MOVOU  48(p), w3 \
	PSHUFB X15, w0   \
	PSHUFB X15, w1   \
	PSHUFB X15, w2   \
	PSHUFB X15, w3

// ROUNDS does the four rounds from 4k with the words w. SHA256RNDS2 wants words and constants
// in X0; renamed by the CPU, it does not make the two digests wait for each other.
#define ROUNDS(k, w, abef, cdgh) \
	MOVOU       (k*16)(AX), X0 \
	PADDD       w, X0          \
	SHA256RNDS2 X0, abef, cdgh \
	PSHUFD      $0x0e, X0, X0  \
	SHA256RNDS2 X0, cdgh, abef

// SCHEDULE makes w0 the four words that follow those of w3.
#define SCHEDULE(w0, w1, w2, w3, t) \
	SHA256MSG1 w1, w0    \
	MOVO       w3, t     \
	PALIGNR    $4, w2, t \
	PADDD      t, w0     \
	SHA256MSG2 w3, w0

// TURN is four rounds of both digests, and words for those that come 16 later.
#define TURN(k, p0, p1, p2, p3, q0, q1, q2, q3) \
	ROUNDS(k, p0, X2, X3)        \
	SCHEDULE(p0, p1, p2, p3, X1) \
	ROUNDS(k, q0, X8, X9)        \
	SCHEDULE(q0, q1, q2, q3, X14)

// LAST is four of the last 16 rounds.
#define LAST(k, p, q) \
	ROUNDS(k, p, X2, X3) \
	ROUNDS(k, q, X8, X9)

// func blocks(s, t *[8]uint32, p, q *byte, n int)
// The first digest has X2 to X7, the second X8 to X13.
TEXT ·blocks(SB), NOSPLIT, $64-40
	MOVQ  s+0(FP), DI
	MOVQ  t+8(FP), R8
	MOVQ  p+16(FP), SI
	MOVQ  q+24(FP), R9
	MOVQ  n+32(FP), CX
	LEAQ  rounds<>(SB), AX
	MOVOU flip<>(SB), X15
	MOVOU 0(DI), X2
	MOVOU 16(DI), X3
	MOVOU 0(R8), X8
	MOVOU 16(R8), X9

loop:
	MOVOU X2, 0(SP)
	MOVOU X3, 16(SP)
	MOVOU X8, 32(SP)
	MOVOU X9, 48(SP)
	LOAD(SI, X4, X5, X6, X7)
	LOAD(R9, X10, X11, X12, X13)
	TURN(0, X4, X5, X6, X7, X10, X11, X12, X13)
	TURN(1, X5, X6, X7, X4, X11, X12, X13, X10)
	TURN(2, X6, X7, X4, X5, X12, X13, X10, X11)
	TURN(3, X7, X4, X5, X6, X13, X10, X11, X12)
	TURN(4, X4, X5, X6, X7, X10, X11, X12, X13)
	TURN(5, X5, X6, X7, X4, X11, X12, X13, X10)
	TURN(6, X6, X7, X4, X5, X12, X13, X10, X11)
	TURN(7, X7, X4, X5, X6, X13, X10, X11, X12)
	TURN(8, X4, X5, X6, X7, X10, X11, X12, X13)
	TURN(9, X5, X6, X7, X4, X11, X12, X13, X10)
	TURN(10, X6, X7, X4, X5, X12, X13, X10, X11)
	TURN(11, X7, X4, X5, X6, X13, X10, X11, X12)
	LAST(12, X4, X10)
	LAST(13, X5, X11)
	LAST(14, X6, X12)
	LAST(15, X7, X13)
	MOVOU 0(SP), X0
	MOVOU 16(SP), X1
	PADDD X0, X2
	PADDD X1, X3
	MOVOU 32(SP), X0
	MOVOU 48(SP), X1
	PADDD X0, X8
	PADDD X1, X9
	ADDQ  $64, SI
	ADDQ  $64, R9
	SUBQ  $1, CX
	JNZ   loop

	MOVOU X2, 0(DI)
	MOVOU X3, 16(DI)
	MOVOU X8, 0(R8)
	MOVOU X9, 16(R8)
	RET
