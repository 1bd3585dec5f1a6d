//go:build !amd64

package digest

const twofold = false

func blocks(s, t *[8]uint32, p, q *byte, n int) { panic("digest: no blocks") }
