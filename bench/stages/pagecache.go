package stages

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// asFromDisk brings a file into the page cache as reading it from a disk does, in the
// large folios of read-ahead. What was just written lies there page by page, and
// read(2) then takes about twice the time.
func asFromDisk(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	// Pages that are not on the disk yet would stay.
	if err := f.Sync(); err != nil {
		return err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err = io.Copy(io.Discard, f)
	return err
}
