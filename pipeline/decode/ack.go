//go:build !earlyack

package decode

// earlyAck would acknowledge records before their rows are durable. The tag
// earlyack sets it, to show that the fault run finds what is lost then.
const earlyAck = false
