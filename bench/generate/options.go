package generate

import (
	"errors"
	"fmt"
	"time"
)

// Corpus is a distribution of content sizes.
type Corpus struct {
	Steps []CorpusStep
}

// CorpusStep is one range of a [Corpus] with its weight.
type CorpusStep struct {
	Weight   int
	Min, Max int // Octets of text in the content.
}

// The corpora that the project's benchmarks use.
var (
	// SmallCorpus gives MTS-APDUs of about one kilo-octet.
	SmallCorpus = Corpus{Steps: []CorpusStep{{Weight: 1, Min: 40, Max: 600}}}
	// OfficeCorpus is 70% of 1 to 4 kB, 25% of 10 to 50 kB, 5% of 200 kB.
	OfficeCorpus = Corpus{Steps: []CorpusStep{
		{Weight: 70, Min: 1000, Max: 4000},
		{Weight: 25, Min: 10_000, Max: 50_000},
		{Weight: 5, Min: 200_000, Max: 200_000},
	}}
)

// Options say what to generate. Rates are probabilities from 0 to 1.
type Options struct {
	Seed     uint64
	Messages int       // MTS-APDUs to originate: messages and probes; reports come on top.
	Start    time.Time // Time of the first packet; also the MTAs' clock.

	Domains        int // Management domains.
	MTAs           int // MTAs, spread over the domains.
	Concurrent     int // Associations open at the same time.
	PerAssociation int // APDUs that an association carries, on average.

	Corpus      Corpus
	HugeContent int // Octets of the text of one message's content; 0 for none such.

	MaxRecipients int
	MaxHops       int     // Associations that a message travels, from 1.
	ProbeRate     float64 // Of Messages.
	ReportRate    float64 // Of messages and probes that cause a report.
	X410Rate      float64 // Of associations, X.410-1984 mode.
	TwoWayRate    float64 // Of normal-mode associations, two-way alternate.
	RichRate      float64 // Of messages, those with many extensions and rare address attributes.

	// OddRate is of associations, those with rare but valid forms: a bind without the tags of
	// ROSE's BIND, presentation data values and EXTERNALs as octet strings, RTTR in segments,
	// extended user data, extended concatenation of SPDUs.
	OddRate float64

	IndefiniteRate  float64 // Of APDUs, those in indefinite lengths.
	NonMinimalRate  float64 // Of APDUs, those with lengths longer than they need be.
	ConstructedRate float64 // Of APDUs, those with constructed OCTET STRINGs.
	// ConstructedAllRate is of APDUs that also have constructed character and BIT STRINGs.
	ConstructedAllRate float64
	ShuffleRate        float64 // Of APDUs, those with SETs in another order.

	SegmentRate   float64 // Of associations, those that cut APDUs at checkpoints.
	InterruptRate float64 // Of segmented transfers, interrupted and resumed in the same association.
	NameOwn       bool    // These name their own session connection, as those in another one name the first.
	SameReference bool    // Session connections of an MTA within an hour have the same identifier, so that the ledger may not hold.
	RecoverRate   float64 // Of segmented transfers, broken off with the association and resumed in another.
	LinkFailRate  float64 // Of these, the first connection just falls silent.
	DiscardRate   float64 // Of segmented transfers, discarded and never sent again.
	CutRate       float64 // Of segmented transfers, broken off with the association for good.
	RepeatRate    float64 // Of transfers, the whole APDU again in a new activity.
	RefuseRate    float64 // Of associations, binds refused.
	AbortRate     float64 // Of associations, ended by an abort between transfers.
	OpenRate      float64 // Of associations, never closed.
	FinishRate    float64 // Of released associations, closed by FIN without DR. The others send DR first.

	IPv6Rate       float64 // Of MTAs.
	MSS            int     // Largest TCP payload of a segment.
	TimestampsRate float64 // Of connections, TCP timestamps option.
	WrapRate       float64 // Of connections, sequence numbers that wrap early.
	TinyRate       float64 // Of connections, segments of one to a few octets.
	DisorderRate   float64 // Of segments, moved behind some that follow in the same direction.
	LateRate       float64 // Of segments, captured late, perhaps after the acknowledgement of what they carry.
	DuplicateRate  float64 // Of segments.
	LossRate       float64 // Of segments with data: missing from the capture.
	SnapLen        int     // Frames are cut after so many octets; 0 for no cut.
	MidStreamRate  float64 // Of associations.
	OneWayRate     float64 // Of associations, those captured in one direction only.

	NoiseRate float64 // Of associations, those that are not X.400.

	// AccessRate is of associations, those of users with the MTS (P3) or a message
	// store (P7); what they submit is then relayed like other messages.
	AccessRate float64

	// EveryContent is of messages, those with one of the contents that between them have every
	// field of X.420 and STANAG 4406, one after the other. The ledger tells their octets only.
	EveryContent float64

	plain1984 bool // Every message as X.411 of 1984 has it, also in normal mode.
}

// DefaultOptions gives a mixture of all that is valid and wholly captured.
func DefaultOptions() Options {
	return Options{
		Seed: 1, Messages: 100, Start: time.Date(2024, 3, 5, 8, 0, 0, 0, time.UTC),
		Domains: 4, MTAs: 9, Concurrent: 6, PerAssociation: 8,
		Corpus: SmallCorpus, MaxRecipients: 10, MaxHops: 4,
		ProbeRate: 0.05, ReportRate: 0.2, X410Rate: 0.2, TwoWayRate: 0.1, RichRate: 0.2,
		IndefiniteRate: 0.2, NonMinimalRate: 0.05, ConstructedRate: 0.1, ShuffleRate: 0.1,
		SegmentRate: 0.5, InterruptRate: 0.05, RecoverRate: 0.03, DiscardRate: 0.02, CutRate: 0.02, RepeatRate: 0.02,
		RefuseRate: 0.02, AbortRate: 0.02, OpenRate: 0.01, FinishRate: 0.5,
		IPv6Rate: 0.2, MSS: 1460, TimestampsRate: 0.5, WrapRate: 0.02,
	}
}

// Validate reports options that cannot be followed.
func (o *Options) Validate() error {
	var errs []error
	for _, v := range []struct {
		name     string
		value    int
		min, max int
	}{
		{"Messages", o.Messages, 0, 1 << 40}, {"Domains", o.Domains, 1, 64}, {"MTAs", o.MTAs, 2, 200},
		{"Concurrent", o.Concurrent, 1, 4096}, {"PerAssociation", o.PerAssociation, 1, 1 << 20},
		{"MaxRecipients", o.MaxRecipients, 1, 1000}, {"MaxHops", o.MaxHops, 1, 16}, {"MSS", o.MSS, 1, 9000},
		{"HugeContent", o.HugeContent, 0, 1 << 30}, {"SnapLen", o.SnapLen, 0, 1 << 18},
	} {
		if v.value < v.min || v.value > v.max {
			errs = append(errs, fmt.Errorf("generate: %s %d is not in %d..%d", v.name, v.value, v.min, v.max))
		}
	}
	if len(o.Corpus.Steps) == 0 {
		errs = append(errs, errors.New("generate: the corpus is empty"))
	}
	return errors.Join(errs...)
}
