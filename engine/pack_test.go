package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"
)

// A disk that is full is not the statement's fault: clients are to repeat it.
func TestBodyError(t *testing.T) {
	write := func(err error) error {
		return fmt.Errorf("x: %w", &fs.PathError{Op: "write", Path: "insert-1", Err: err})
	}
	for _, tt := range []struct {
		err  error
		code int
	}{
		{write(unix.ENOSPC), 243}, {write(unix.EDQUOT), 243}, {write(unix.EIO), 75},
		{errBodyTooLarge, 307}, {io.ErrUnexpectedEOF, 36},
	} {
		var e *exception
		if err := bodyError(tt.err); !errors.As(err, &e) || int(e.code) != tt.code {
			t.Errorf("%v: %v, want code %d", tt.err, err, tt.code)
		}
	}
}
