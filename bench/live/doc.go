// Package live measures sensors on an interface: the highest rate at which nothing
// is lost, beside tcpdump's on the same link in the same run, and whether memory
// stays flat while connections come and go.
//
//	make bench-live                    rates and a soak of ten minutes, about half an hour
//	go test ./bench/live               a soak of one minute, as in make test
//
// Two interfaces are joined in a network namespace; tcpreplay replays generated
// traffic into one, each time under other addresses, so that connections are never
// used twice, and the subject captures at the other. A subject is loss-free at a
// rate if the kernel dropped nothing and, where the subject says how much it read,
// it read all that was sent. Sender and subject share the machine's cores, so the
// figures are of the machine as a whole; what counts is how they compare.
package live
