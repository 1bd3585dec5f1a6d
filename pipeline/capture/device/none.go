//go:build !linux && !pcap

package device

import (
	"errors"
	"time"
)

func openLibpcap(Config) ([]Handle, error) {
	return nil, errors.New("capturing from interfaces needs AF_PACKET, that is, Linux, or libpcap: build with cgo and -tags pcap")
}

func restLibpcap([]Handle, time.Duration) {}
