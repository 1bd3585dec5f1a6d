//go:build earlyack

package decode

const earlyAck = true
