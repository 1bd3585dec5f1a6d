package oracle

import (
	"fmt"
	"strconv"
	"strings"

	"x400flow/bench/ledger"
)

// contextNames are the application contexts of X.419 Annexes A to C.
var contextNames = map[string]string{
	"2.6.0.1.0": "mts-access", "2.6.0.1.1": "mts-forced-access", "2.6.0.1.2": "mts-reliable-access",
	"2.6.0.1.3": "mts-forced-reliable-access", "2.6.0.1.4": "ms-access", "2.6.0.1.5": "ms-reliable-access",
	"2.6.0.1.6": "mts-transfer", "2.6.0.1.7": "mts-access-94", "2.6.0.1.8": "mts-forced-access-94",
	"2.6.0.1.9": "mts-reliable-access-94", "2.6.0.1.10": "mts-forced-reliable-access-94",
	"2.6.0.1.11": "ms-access-94", "2.6.0.1.12": "ms-reliable-access-94",
}

// msBindErrors is BindProblem (X.413).
var msBindErrors = map[string]string{"0": "authentication-error", "1": "unacceptable-security-context"}

// protocol is the X.400 protocol of an association.
func protocol(as *ledger.Association) string {
	switch name := contextNames[as.ApplicationContext]; {
	case strings.HasPrefix(name, "ms-"):
		return "p7"
	case name != "" && name != "mts-transfer":
		return "p3"
	}
	return "p1"
}

// addOperation adds what the archive must say of an operation, and of the message
// that it carries, to the tables.
func addOperation(tables map[string]map[string]facts, o *ledger.Operation, as *ledger.Association, ends map[int]string, got map[string]map[string]facts) {
	directions := map[ledger.Direction]string{ledger.ToServer: "client-to-server", ledger.ToClient: "server-to-client"}
	f := facts{}
	f.set("direction", directions[o.Direction])
	f.set("tcp_sequence", number(o.Seq))
	f.set("protocol", o.Protocol)
	f.set("name", o.Name)
	f.set("invoke_id", strconv.Itoa(o.InvokeID))
	f.set("invoked", "1")
	f.set("outcome", o.Outcome)
	f.set("error", o.Error)
	f.set("mts_id", o.Identifier)
	if c := o.Carried; c != nil {
		k := key(c.SHA256, c.Seq)
		f.set("carried", k)
		m := facts{}
		m.set("association", ends[o.Association])
		addSighting(tables, k, m, &ledger.Sighting{Association: o.Association, Connection: o.Connection, Direction: c.Direction, Seq: c.Seq,
			SHA256: c.SHA256, Size: c.Size, Kind: c.Kind, APDU: c.APDU, Transfer: "single"}, as, got["messages"][k])
		m.setInstant("submission_time", c.Submitted)
		m.setInstant("delivery_time", c.Delivered)
		if (c.Kind == ledger.KindDelivery || c.Kind == ledger.KindFetch) && len(c.Trace) == 0 {
			// A delivery without trace information has its submission time there.
			m.setInstant("origin_time", c.Submitted)
			for table := range tables {
				for at, child := range tables[table] {
					if table != "messages" && table != "operations" && table != "problems" && strings.HasPrefix(at+" ", k+" ") {
						child.setInstant("origin_time", c.Submitted)
					}
				}
			}
		}
		for i := range c.Recipients {
			r := tables["recipients"][fmt.Sprint(k, " ", i+1)]
			switch {
			case c.Kind != ledger.KindDelivery && c.Kind != ledger.KindFetch:
			case i == 0:
				r.setInstant("delivery_time", c.Delivered)
				r.set("converted_eits", strings.Join(c.Converted, ","))
			default:
				r.set("other_recipient", "1")
			}
		}
	}
	tables["operations"][fmt.Sprintf("%s %s %d", ends[o.Association], f["direction"], o.Seq)] = f
}
