package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a flag of octets, with the suffixes K, M and G for powers of 1024.
type Size uint64

func (s *Size) String() string {
	for _, u := range []struct {
		shift  uint
		suffix string
	}{{30, "G"}, {20, "M"}, {10, "K"}} {
		if v := uint64(*s); v != 0 && v%(1<<u.shift) == 0 {
			return strconv.FormatUint(v>>u.shift, 10) + u.suffix
		}
	}
	return strconv.FormatUint(uint64(*s), 10)
}

func (s *Size) Set(v string) error {
	digits, shift := v, 0
	switch {
	case strings.HasSuffix(v, "K"):
		digits, shift = v[:len(v)-1], 10
	case strings.HasSuffix(v, "M"):
		digits, shift = v[:len(v)-1], 20
	case strings.HasSuffix(v, "G"):
		digits, shift = v[:len(v)-1], 30
	}
	n, err := strconv.ParseUint(digits, 10, 64-shift)
	if err != nil {
		return fmt.Errorf("%q is no size such as 512M", v)
	}
	*s = Size(n << shift)
	return nil
}
