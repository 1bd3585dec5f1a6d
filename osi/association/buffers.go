package association

// put keeps a buffer's memory for another transfer.
func (b *Buffers) put(octets []byte) {}
