package decode

import (
	"strings"
	"testing"

	"x400flow/pipeline/record"
)

// TestBlind has heartbeats that tell of drops: each is a problem as well as a row
// of coverage, the same one in every reading.
func TestBlind(t *testing.T) {
	beat := func(source string, from int64, kernel, sensor uint64) []byte {
		b := record.Begin(nil, &record.Header{Kind: record.KindHeartbeat, Sensor: "tap", Epoch: 7})
		b = record.AppendSource(b, source)
		return record.AppendHeartbeat(b, &record.Heartbeat{From: from, To: from + 10e9, Packets: 5, DroppedKernel: kernel, DroppedSensor: sensor})
	}
	got := undisturbed(t, Config{Vouch: true}, [][]byte{
		beat("eth1", 100e9, 0, 0), beat("eth1", 110e9, 3, 0), beat("eth2", 110e9, 4, 2), beat("eth1", 110e9, 3, 0),
	})
	var all strings.Builder
	problems, coverage := 0, 0
	for key, row := range got {
		switch {
		case strings.HasPrefix(key, "problems_store"):
			problems++
		case strings.HasPrefix(key, "coverage_store"):
			coverage++
		}
		all.WriteString(key + ": " + row + "\n")
	}
	if problems != 3 || coverage != 3 {
		t.Errorf("%d problems, %d intervals", problems, coverage)
	}
	for _, want := range []string{
		"from 1970-01-01 00:01:50.000 UTC to 1970-01-01 00:02:00.000 UTC: 3 frames, dropped by the kernel",
		"from 1970-01-01 00:01:50.000 UTC to 1970-01-01 00:02:00.000 UTC: 4 frames, dropped by the kernel",
		"from 1970-01-01 00:01:50.000 UTC to 1970-01-01 00:02:00.000 UTC: 2 records, dropped by the sensor",
	} {
		if strings.Count(all.String(), want) != 1 {
			t.Errorf("not told once: %s\n%s", want, &all)
		}
	}
}
