package config

import (
	"flag"

	"x400flow/pipeline/monitor"
)

// Monitor are the flags that say how a command is watched.
type Monitor struct{ monitor.Options }

// Define adds the flags.
func (m *Monitor) Define(flags *flag.FlagSet) {
	flags.StringVar(&m.Listen, "listen", m.Listen, "TCP `address` to serve metrics on (/metrics, /healthz, /readyz), such as 127.0.0.1:9102; without it none are served")
	flags.BoolVar(&m.Pprof, "pprof", m.Pprof, "serve Go's profiles on -listen as well (/debug/pprof)")
}
