// Package packets keeps frames as they were captured, in rotating pcapng files, and
// cuts the packets of one connection out of such files and of other captures.
//
// What is kept is raw: it holds other people's mail and any credentials that were on
// the wire, which rows and records do not. So the folder is for its owner alone
// (0700), and files go by size and age.
//
// Beside each finished file stands an index of the same name with .flows: a line a
// connection, with its place in time and in the file. It only saves reading: a file
// without one, as the one that is being written, is read whole. A file that was not
// finished, because the program was killed, is cut short within its last packet at
// worst, which readers of pcapng take for the end.
//
// A full disk stops the keeping and nothing else: frames are left out and counted,
// the file is cut back to its last whole packet, and it is tried again every few
// seconds.
package packets

import (
	"encoding/binary"

	"x400flow/pipeline/capture"
)

// Extensions of the files.
const (
	extension      = ".pcapng"
	indexExtension = ".flows"
	prefix         = "x400-"
)

// iface is an interface of a pcapng file.
type iface struct {
	name string
	link capture.LinkType
}

// blockHeaders is what surrounds a packet's octets in an enhanced packet block.
const blockHeaders = 32

// header returns the section header and the interfaces with which a file begins.
func header(ifaces []iface) []byte {
	b := block(nil, 0x0a0d0d0a, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, 0x1a2b3c4d)
		b = binary.LittleEndian.AppendUint32(b, 1) // Version 1.0.
		return binary.LittleEndian.AppendUint64(b, 1<<64-1)
	})
	for _, i := range ifaces {
		b = block(b, 1, func(b []byte) []byte {
			b = binary.LittleEndian.AppendUint16(b, uint16(i.link))
			b = append(b, 0, 0, 0, 0, 0, 0)
			b = option(b, 2, []byte(i.name)) // if_name
			b = option(b, 9, []byte{9})      // if_tsresol: nanoseconds
			return option(b, 0, nil)
		})
	}
	return b
}

func block(b []byte, kind uint32, body func([]byte) []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = body(append(b, 0, 0, 0, 0))
	size := uint32(len(b) - at + 4)
	binary.LittleEndian.PutUint32(b[at+4:], size)
	return binary.LittleEndian.AppendUint32(b, size)
}

func option(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...), len(value))
}

func pad(b []byte, n int) []byte { return append(b, make([]byte, -n&3)...) }

// appendPacket appends a frame as an enhanced packet block.
func appendPacket(b []byte, number int, f *capture.Frame) []byte {
	size := uint32(blockHeaders + (len(f.Data)+3)&^3)
	for _, v := range [...]uint32{6, size, uint32(number), uint32(uint64(f.Time) >> 32), uint32(f.Time), uint32(len(f.Data)), uint32(f.Length)} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(b, f.Data...)
	for range -len(f.Data) & 3 {
		b = append(b, 0)
	}
	return binary.LittleEndian.AppendUint32(b, size)
}
