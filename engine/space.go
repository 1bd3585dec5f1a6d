package engine

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// space watches the room on the archive's disk.
//
// libchdb 26.5 does not notice a write that finds no room: it goes on, makes the
// part visible and says that the insert succeeded, and what should be in the files
// is lost when they are read from the disk again. So it must never get there.
// Below a reserve the engine stops at once, whatever it is doing: what was not
// acknowledged is sent again, and what a merge wrote in vain is put aside by the
// next engine, which finds the merge's sources where they were. While there is
// little room, an engine answers queries and refuses what would write; with next to
// none it does not start.
type space struct {
	dir     string
	reserve uint64 // Octets.
	// low says that there was little room when the engine started.
	low bool
}

const (
	// maxReserve and reserveShare bound the reserve: it is that share of the disk,
	// but no more than so many octets.
	maxReserve   = 256 << 20
	reserveShare = 16
	// startShare is the share of the reserve without which an engine does not
	// start: it writes a little itself.
	startShare = 4
	// spaceInterval is short against the time that the reserve takes to fill.
	spaceInterval = 10 * time.Millisecond
)

func newSpace(dir string) (*space, error) {
	s := &space{dir: dir}
	free, total, err := s.look()
	if err != nil {
		return nil, err
	}
	s.reserve = min(maxReserve, total/reserveShare)
	if free < s.reserve/startShare {
		return nil, fmt.Errorf("%d MiB are left on the disk of %s: the archive can be opened when there are %d MiB, and written to when there are %d MiB",
			free>>20, dir, s.reserve/startShare>>20, (s.reserve+s.reserve/2)>>20)
	}
	s.low = free < s.reserve+s.reserve/4
	return s, nil
}

func (s *space) look() (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return 0, 0, fmt.Errorf("the archive's disk: %w", err)
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

// writable returns an exception where nothing may be written.
func (s *space) writable() error {
	if !s.low {
		return nil
	}
	return &exception{code: 243, text: fmt.Sprintf("Code: 243. DB::Exception: the archive's disk has less than %d MiB left: nothing is written until there are %d MiB. (NOT_ENOUGH_SPACE)",
		s.reserve>>20, (s.reserve+s.reserve/2)>>20)}
}

// check stops the engine where the reserve is touched. It is called before
// anything written is acknowledged, too.
func (s *space) check() {
	free, _, err := s.look()
	if err == nil && free >= s.reserve {
		return
	}
	logf("%d MiB are left on the archive's disk, which is not enough (%v): stopping at once, so that nothing is acknowledged that it did not take", free>>20, err)
	os.Exit(1)
}

// watch checks until there is room again, which it returns for an engine that had
// little at its start, or done is closed.
func (s *space) watch(done <-chan struct{}) (again bool) {
	t := time.NewTicker(spaceInterval)
	defer t.Stop()
	for {
		select {
		case <-done:
			return false
		case <-t.C:
		}
		if !s.low {
			s.check()
		} else if free, _, err := s.look(); err == nil && free >= s.reserve+s.reserve/2 {
			return true
		}
	}
}

// mergeSettings keep an engine that has little room from merging.
func (s *space) mergeSettings() string {
	if !s.low {
		return ""
	}
	return "<max_bytes_to_merge_at_max_space_in_pool>1</max_bytes_to_merge_at_max_space_in_pool>\n" +
		"<max_bytes_to_merge_at_min_space_in_pool>1</max_bytes_to_merge_at_min_space_in_pool>\n"
}
