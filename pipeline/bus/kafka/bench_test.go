package kafka

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"x400flow/pipeline/bus"
)

// BenchmarkBus sends and receives records of 60 KiB through a real broker.
func BenchmarkBus(b *testing.B) {
	for _, compression := range []string{"none", "lz4", "zstd"} {
		for _, records := range []int{1, 32} {
			c := topic(b, 4)
			p := producer(b, ProducerConfig{Config: c, Compression: compression})
			// Half noise, half the same: about what mail is to a compressor.
			const octets = 60 << 10
			rng := rand.New(rand.NewPCG(5, 6))
			body := make([]byte, octets)
			for i := 0; i < octets/2; i++ {
				body[i] = byte(rng.Uint32())
			}
			sent := 0
			b.Run(fmt.Sprintf("send/%s/%d", compression, records), func(b *testing.B) {
				b.SetBytes(int64(records * octets))
				b.ReportAllocs()
				for b.Loop() {
					var batch []bus.Message
					for n := range records {
						m := numbered(byte(n+1), uint64(n))
						m.Record.B = append(m.Record.B, body...)
						batch = append(batch, m)
					}
					p.sendAll(b, batch)
					sent += records
				}
			})
			if records == 1 {
				continue
			}
			b.Run("receive/"+compression, func(b *testing.B) {
				b.SetBytes(octets)
				b.ReportAllocs()
				k := consumer(b, c, fmt.Sprint("g", b.N))
				left := 0
				for b.Loop() {
					if left == 0 {
						b.StopTimer()
						end(b, k)
						k = consumer(b, c, fmt.Sprint("g", b.N, sent))
						left = sent
						sent--
						b.StartTimer()
					}
					d, err := k.Receive(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					d.Record.Release()
					d.Ack()
					left--
				}
				end(b, k)
			})
		}
	}
}
