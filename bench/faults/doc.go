// Package faults holds the fault run: sensors, decoders and the engine as built,
// a Kafka of three brokers and generated traffic, while everything that can fail
// does. Afterwards the archive has every message of the generator's ledger once,
// and every column but provenance is that of a run that nothing disturbed.
//
// The short form is part of the tests; `make test-faults` runs the long one. The
// schedule follows from a seed, which is printed.
package faults
