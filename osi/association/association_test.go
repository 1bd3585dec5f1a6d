package association

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"x400flow/osi/internal/captured"
)

// mpdu is an APDU as normal mode delivers it, and its octets within the EXTERNAL.
func mpdu(tb testing.TB) (external, apdu []byte) {
	external = captured.TruthAPDU(tb, "p22-pp88-to-rtx-reports.resp.01")
	// 28 82 LL LL, 02 01 05, a0 82 LL LL.
	return external, external[11:]
}

var parts = regexp.MustCompile(`<0:([0-9]+)\+?([a-z]*)>`)

func TestScenarios(t *testing.T) {
	external, apdu := mpdu(t)
	const bind = "connect c2s|bind-argument c2s b0023100|accept s2c|bind-result s2c b1023100"
	const released = "release s2c"
	tests := []struct {
		name string
		x410 bool
		play func(s *script, octets []byte)
		// After the bind, events separated by |; %s is the APDU, <0:9> its first nine
		// octets.
		want string
	}{
		{"in one piece", false, func(s *script, o []byte) { s.start(0, 1).data(0, o).end(0, 1).release() },
			"apdu c2s %s activity=020101 pieces=1 context=5|" + released},
		{"with checkpoints", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).data(0, o[100:200]).sync(0, 2).data(0, o[200:]).end(0, 3)
		}, "apdu c2s %s activity=020101 pieces=3 context=5 acknowledged"},
		{"from the server", false, func(s *script, o []byte) { s.start(1, 9).data(1, o[:1]).data(1, o[1:]).end(1, 1) },
			"apdu s2c %s activity=020109 pieces=2 context=5"},
		{"interrupted and resumed", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).data(0, o[100:150]).interrupt(0).resume(0, 2, 1, 1, "").data(0, o[100:]).end(0, 2)
		}, "unfinished c2s interrupted reason=5 <0:150> activity=020101 pieces=2 acknowledged suspended|apdu c2s %s activity=020102 pieces=3 context=5 interruptions=1"},
		{"resumed from an earlier checkpoint", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).data(0, o[100:150]).sync(0, 2).data(0, []byte("lost")).sync(0, 3).interrupt(0).
				resume(0, 2, 1, 1, "").data(0, o[100:]).end(0, 2)
		}, "unfinished c2s interrupted reason=5 <0:150+lost> activity=020101 pieces=3 acknowledged suspended|apdu c2s %s activity=020102 pieces=4 context=5 interruptions=1"},
		{"resumed from the beginning", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, []byte("lost")).sync(0, 1).interrupt(0).resume(0, 2, 1, 0, "").data(0, o).end(0, 1)
		}, "unfinished c2s interrupted reason=5 6c6f7374 activity=020101 pieces=1 acknowledged suspended|apdu c2s %s activity=020102 pieces=2 context=5 interruptions=1"},
		{"interrupted twice", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).interrupt(0).resume(0, 2, 1, 1, "").data(0, o[100:200]).sync(0, 2).interrupt(0).
				resume(0, 3, 2, 2, "").data(0, o[200:]).end(0, 3)
		}, "unfinished c2s interrupted reason=5 <0:100> activity=020101 pieces=1 acknowledged suspended|unfinished c2s interrupted reason=5 <0:200> activity=020102 pieces=2 interruptions=1 acknowledged suspended|apdu c2s %s activity=020103 pieces=3 context=5 interruptions=2"},
		{"another APDU between interruption and resumption", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).interrupt(0).start(0, 2).data(0, o).end(0, 1).resume(0, 3, 1, 1, "").data(0, o[100:]).end(0, 2)
		}, "unfinished c2s interrupted reason=5 <0:100> activity=020101 pieces=1 acknowledged suspended|apdu c2s %s activity=020102 pieces=1 context=5|apdu c2s %s activity=020103 pieces=2 context=5 interruptions=1"},
		{"resumed without a word of the interruption", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).data(0, o[100:150]).resume(0, 2, 1, 1, "").data(0, o[100:]).end(0, 2)
		}, "unfinished c2s interrupted <0:150> activity=020101 pieces=2 acknowledged suspended|apdu c2s %s activity=020102 pieces=3 context=5 interruptions=1"},
		{"resumed after nothing is known of", false, func(s *script, o []byte) { s.resume(0, 2, 1, 1, "").data(0, o[100:]).end(0, 2) },
			"problem c2s association: activity to be resumed is not known activity=020101|unfinished c2s first-part-unknown activity=020102 pieces=1"},
		{"resumed from a checkpoint that is not known", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).interrupt(0).resume(0, 2, 1, 7, "").data(0, o[100:]).end(0, 8)
		}, "unfinished c2s interrupted reason=5 <0:100> activity=020101 pieces=1 acknowledged suspended|problem c2s association: checkpoint to resume from is not known activity=020101|unfinished c2s first-part-unknown <0:100> activity=020102 pieces=2 interruptions=1"},
		{"discarded", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o).tsdu(0, "0100 39[32[05]]").tsdu(1, "0200 3a00").start(0, 2).data(0, o).end(0, 1)
		}, "unfinished c2s discarded reason=5 %s activity=020101 pieces=1|apdu c2s %s activity=020102 pieces=1 context=5"},
		{"user exception, then discarded", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).tsdu(1, "0200 30[32[01] c1[aabb]]").tsdu(0, "0100 39[32[00]]")
		}, "unfinished c2s discarded reason=1 <0:100> activity=020101 pieces=1"},
		{"provider exception, then interrupted", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).tsdu(1, "0200 00[31[aa]]").tsdu(0, "0100 1900")
		}, "unfinished c2s interrupted reason=0 <0:100> activity=020101 pieces=1 suspended"},
		{"aborted by the user", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).tsdu(1, "19[11[03] c1[a0(61(30(02(01) a0(64(80(00) be(28(06(5101) 02(03) a0(b6(80(06))))))))))]]")
		}, "unfinished c2s aborted <0:100> activity=020101 pieces=1 suspended|abort s2c user: user error reason=6"},
		{"aborted by RTSE", false, func(s *script, o []byte) {
			s.tsdu(0, "19[11[03] c1[a0(61(30(02(01) a0(64(80(00) be(28(06(5101) 02(03) a0(b6(80(03))))))))))]]")
		}, "abort c2s rtse: temporary problem reason=3"},
		{"aborted by ACSE", false, func(s *script, o []byte) {
			s.tsdu(1, "19[11[03] c1[a0(61(30(02(01) a0(64(80(01) 81(03))))))]]")
		}, "abort s2c acse: aborted by the provider reason=3"},
		{"aborted by presentation", false, func(s *script, o []byte) { s.tsdu(1, "19[11[03] c1[30(80(02) 81(0d))]]") },
			"abort s2c presentation: unexpected PPDU reason=2"},
		{"aborted by session", false, func(s *script, o []byte) { s.tsdu(1, "19[11[05] 31[aa]]") },
			"abort s2c session: protocol error reason=5"},
		{"connection ends in the middle", false, func(s *script, o []byte) { s.start(0, 1).data(0, o) },
			"unfinished c2s connection-ended %s activity=020101 pieces=1 suspended"},
		{"released in the middle", false, func(s *script, o []byte) { s.start(0, 1).data(0, o).release() },
			"unfinished c2s released %s activity=020101 pieces=1|" + released},
		{"release refused", false, func(s *script, o []byte) { s.tsdu(0, "0900").tsdu(1, "0800") }, "release s2c refused"},
		{"release whose answer is missing", false, func(s *script, o []byte) { s.tsdu(0, "0900") }, "release c2s"},
		{"an activity without data", false, func(s *script, o []byte) { s.start(0, 1).end(0, 1) },
			"unfinished c2s empty activity=020101 pieces=0"},
		{"an activity that has not begun ends", false, func(s *script, o []byte) { s.start(0, 1).data(0, o).end(0, 1).end(0, 1) },
			"apdu c2s %s activity=020101 pieces=1 context=5|problem c2s association: activity ends that has not begun"},
		{"another activity begins in the middle", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).start(0, 2).data(0, o).end(0, 1)
		}, "unfinished c2s superseded <0:100> activity=020101 pieces=1|apdu c2s %s activity=020102 pieces=1 context=5"},
		{"a transfer APDU outside of an activity", false, func(s *script, o []byte) { s.data(0, o).start(0, 1).data(0, o).end(0, 1) },
			"problem c2s association: transfer APDU outside of an activity|unfinished c2s octets-lost %s pieces=1|apdu c2s %s activity=020101 pieces=1 context=5"},
		{"data that are no transfer APDU", false, func(s *script, o []byte) {
			s.start(0, 1).tsdu(0, "0100 0100 61(30(02(03) a0(0201 05)))").data(0, o).end(0, 1)
		}, "problem c2s association: data in an activity are not a transfer APDU|unfinished c2s damaged activity=020101 pieces=1"},
		{"damaged user data", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).tsdu(0, "0100 0100 6105 3003").data(0, o[100:]).end(0, 1)
		}, "problem c2s presentation: presentation: length reaches beyond the enclosing element|unfinished c2s damaged <0:100> activity=020101 pieces=2"},
		{"damaged session", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).tsdu(0, "0100 0300").data(0, o[100:]).end(0, 1)
		}, "problem c2s session: session: unknown SPDU identifier|unfinished c2s damaged <0:100> activity=020101 pieces=2"},
		{"damaged transport", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).raw(0, []byte{2, 0x33, 0}).data(0, o[100:]).end(0, 1)
		},
			"problem c2s cotp: cotp: unknown TPDU code|unfinished c2s octets-lost <0:100> activity=020101 pieces=2"},
		// X.225 6.3.5: an SSDU in segments, each in a TSDU of its own.
		{"a segmented SSDU", false, func(s *script, o []byte) {
			b := captured.Hex(t, fmt.Sprintf("61(30(02(03) a0(04(%x))))", o))
			s.start(0, 1).tsdu(0, "0100 01[19[01]] %x", b[:50]).tsdu(0, "0100 01[19[00]] %x", b[50:51]).tsdu(0, "0100 01[19[02]] %x", b[51:]).end(0, 1)
		}, "apdu c2s %s activity=020101 pieces=1 context=5"},
		{"a segment that follows nothing", false, func(s *script, o []byte) {
			s.start(0, 1).tsdu(0, "0100 01[19[02]] aabb").end(0, 1)
		}, "problem c2s association: segments of the SSDU do not fit together|unfinished c2s damaged activity=020101 pieces=0"},
		{"segments whose last is missing", false, func(s *script, o []byte) {
			s.start(0, 1).tsdu(0, "0100 01[19[01]] aabb").data(0, o).end(0, 1)
		}, "problem c2s association: segments of the SSDU do not fit together|unfinished c2s damaged activity=020101 pieces=1"},
		// X.225 6.3.7.
		{"extended concatenation", false, func(s *script, o []byte) {
			s.tsdu(0, "0100 2d[29[020101]] 0100 61(30(02(03) a0(04(%x))))", o[:100]).
				tsdu(0, "0100 31[2a[31]] 0100 61(30(02(03) a0(04(%x))))", o[100:]).tsdu(0, "0100 31[2a[32]] 29[2a[33]]")
		}, "apdu c2s %s activity=020101 pieces=2 context=5"},
		// X.226 8.4.2 b: several values, several RTTR in one.
		{"several transfer APDUs in a value", false, func(s *script, o []byte) {
			s.start(0, 1).tsdu(0, "0100 0100 61(30(02(03) 81(04(%x) 04(%x))) 30(02(03) a0(24(04(%x) 04(%x)))))", o[:10], o[10:20], o[20:30], o[30:]).end(0, 1)
		}, "apdu c2s %s activity=020101 pieces=3 context=5"},
		// X.226 8.2.2: what was not accepted is not defined.
		{"a context that was never proposed", false, func(s *script, o []byte) {
			s.start(0, 1).tsdu(0, "0100 0100 61(30(02(07) a0(04(%x))))", o).end(0, 1)
		}, "problem c2s association: presentation context was not agreed reason=7|unfinished c2s damaged activity=020101 pieces=0"},
		{"turns", false, func(s *script, o []byte) { s.tsdu(1, "02[10[01] c1[61(30(02(03) a0(02(05))))]]").tsdu(0, "1500") },
			"turn-please s2c reason=5|turn-give c2s"},
		// RTSE does not use it, but its restart goes back to a checkpoint (X.225 7.25).
		{"resynchronized", false, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).data(0, []byte("lost")).tsdu(0, "0100 35[1b[00] 2a[32]]").data(0, o[100:]).end(0, 2)
		}, "apdu c2s %s activity=020101 pieces=3 context=5 acknowledged"},
		{"typed data", false, func(s *script, o []byte) { s.tsdu(0, "2100 aabb") }, "problem c2s association: PDU is not decoded"},

		{"X.410: in one piece", true, func(s *script, o []byte) { s.start(0, 1).data(0, o).end(0, 1).release() }, "apdu c2s %s activity=020101 pieces=1|" + released},
		{"X.410: interrupted and resumed", true, func(s *script, o []byte) {
			s.start(0, 1).data(0, o[:100]).sync(0, 1).data(0, o[100:150]).interrupt(0).resume(0, 2, 1, 1, "").data(0, o[100:]).end(0, 2)
		}, "unfinished c2s interrupted reason=5 <0:150> activity=020101 pieces=2 acknowledged suspended|apdu c2s %s activity=020102 pieces=3 interruptions=1"},
		{"X.410: a turn is asked for", true, func(s *script, o []byte) { s.tsdu(1, "02[c1[020107]]").tsdu(0, "1500") }, "turn-please s2c reason=7|turn-give c2s"},
		{"X.410: aborted", true, func(s *script, o []byte) { s.tsdu(1, "19[11[03] c1[31(80(04) 81(0780))]]") }, "abort s2c rtse: protocol error reason=4"},
		{"X.410: data outside of an activity", true, func(s *script, o []byte) { s.data(0, o) },
			"problem c2s association: transfer APDU outside of an activity|unfinished c2s octets-lost %s pieces=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{tb: t, x410: tt.x410}
			s.open("41")
			octets := external
			if tt.x410 {
				octets = apdu
			}
			tt.play(s, octets)
			name := func(octets []byte) string {
				return strings.TrimPrefix(told{Event: Event{Octets: octets, Reason: -1}}.String(), "none c2s ")
			}
			want := strings.ReplaceAll(tt.want, "%s", name(octets))
			want = parts.ReplaceAllStringFunc(want, func(s string) string {
				m := parts.FindStringSubmatch(s)
				n, _ := strconv.Atoi(m[1])
				return name(append(bytes.Clone(octets[:n]), m[2]...))
			})
			if tt.x410 {
				want = "connect c2s|bind-argument c2s b0023100|accept s2c|bind-result s2c 3100|" + want
			} else {
				want = bind + "|" + want
			}
			for _, lasting := range []bool{false, true} {
				a := New(Config{Lasting: lasting})
				got := append(feed(a, s.list), finish(a)...)
				if !slices.Equal(lines(got), strings.Split(want, "|")) {
					t.Errorf("lasting %t\ngot  %s\nwant %s", lasting, strings.Join(lines(got), "\n     "), strings.ReplaceAll(want, "|", "\n     "))
				}
				for _, e := range only(got, APDU) {
					if !bytes.Equal(e.Octets, octets) {
						t.Error("the APDU's octets are others")
					}
				}
				if a.Class() != ClassP1 {
					t.Errorf("class %v", a.Class())
				}
			}
		})
	}
}
