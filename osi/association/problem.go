package association

// Code is what a Problem of LayerAssociation is.
type Code uint8

// The codes.
const (
	OK             Code = iota
	ErrNotSession       // A TSDU does not begin with an SPDU.
	ErrTSDUCut          // A TSDU whose rest is missing.
	ErrTSDUSize         // A TSDU exceeds the limit.
	ErrSegment          // Segments of an SSDU do not fit together.
	ErrContext          // A presentation context that was not agreed.
	ErrResume           // The activity to be resumed is not known.
	ErrCheckpoint       // The checkpoint to resume from is not known.
	ErrEndless          // An activity ends that has not begun.
	ErrNotRTSE          // Data in an activity are not an RTTR.
	ErrNoActivity       // An RTTR outside of an activity.
	ErrUser             // User data are not what the connection carries.
	ErrUnsupported      // A PDU that is not decoded.
)

var codeTexts = [...]string{
	OK:             "no error",
	ErrNotSession:  "TSDU does not begin with an SPDU",
	ErrTSDUCut:     "rest of the TSDU is missing",
	ErrTSDUSize:    "TSDU exceeds the limit",
	ErrSegment:     "segments of the SSDU do not fit together",
	ErrContext:     "presentation context was not agreed",
	ErrResume:      "activity to be resumed is not known",
	ErrCheckpoint:  "checkpoint to resume from is not known",
	ErrEndless:     "activity ends that has not begun",
	ErrNotRTSE:     "data in an activity are not a transfer APDU",
	ErrNoActivity:  "transfer APDU outside of an activity",
	ErrUser:        "user data do not fit the application context",
	ErrUnsupported: "PDU is not decoded",
}

// String returns the code as a short English phrase.
func (c Code) String() string {
	if int(c) < len(codeTexts) {
		return codeTexts[c]
	}
	return "unknown problem"
}

// Error implements error.
func (c Code) Error() string { return "association: " + c.String() }

// maxEvents bounds the events of one call. Events with an APDU come on top:
// there is at most one in a TSDU.
const maxEvents = 1024

// emit queues an event and returns it to be filled in. It is valid until the
// next emit.
func (a *Association) emit(kind EventKind, dir uint8, at Place) *Event {
	a.events, a.owed = append(a.events, Event{}), true
	e := &a.events[len(a.events)-1]
	e.Kind, e.Dir, e.At, e.Reason, e.Inferred, e.Since = kind, dir, at, -1, a.facts.Inferred, a.from
	return e
}

// problem queues a Problem about octet at of v.
func (a *Association) problem(layer Layer, code uint8, text string, dir uint8, v view, at int) *Event {
	if a.NotX400() {
		a.spill = Event{}
		return &a.spill
	}
	a.facts.Problems++
	if a.problems >= a.cfg.MaxProblems || len(a.events) >= maxEvents {
		a.facts.ProblemsLeftOut++
		a.spill = Event{}
		return &a.spill
	}
	a.problems++
	e := a.emit(Problem, dir, v.place(min(max(at, 0), len(v.octets))))
	e.Layer, e.Code, e.text, e.Octets = layer, code, text, v.octets
	return e
}

func (a *Association) own(code Code, dir uint8, v view, at int) *Event {
	return a.problem(LayerAssociation, uint8(code), code.String(), dir, v, at)
}
