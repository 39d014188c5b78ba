package copies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gridwatch/media/sandbox"
)

// jobs is how the folders of jobs begin: only those are removed at the start.
const jobs = "gridwatch-job-"

// safe refuses a folder whose files could be read off a disk.
func safe(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	if fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	// A device of dm-crypt says so in its id.
	id, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/dm/uuid", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err == nil && strings.HasPrefix(string(id), "CRYPT-") {
		return nil
	}
	return errors.New("the scratch folder lies neither in memory (tmpfs) nor on an encrypted disk (dm-crypt)")
}

// prepare makes the scratch folder of this user and removes what a killed
// process left in it. Processes of one machine need a folder each: a lock on
// it keeps a second one out.
func (m *Maker) prepare() error {
	m.scratch = filepath.Join(m.scratch, fmt.Sprintf("gridwatch-%d", os.Geteuid()))
	if err := os.Mkdir(m.scratch, 0o711); err != nil && !errors.Is(err, os.ErrExist) { //nolint:gosec // G301: the user of jobs goes through it
		return fmt.Errorf("scratch folder: %w", err)
	}
	info, err := os.Lstat(m.scratch)
	if err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("the scratch folder %s belongs to somebody else", m.scratch)
	}
	return m.clean()
}

// clean removes the folders of jobs whose process is gone.
func (m *Maker) clean() error {
	found, err := filepath.Glob(filepath.Join(m.scratch, jobs+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range found {
		if lock, err := claim(dir); err == nil {
			errs = append(errs, os.RemoveAll(dir), lock.Close())
		}
	}
	return errors.Join(errs...)
}

// job is one file in work. Its folder is locked while its process lives.
type job struct {
	m    *Maker
	dir  string
	lock *os.File
	o    Options
	keep func(context.Context, Copy) error
}

// in is the name of the file, whatever it was called by its sender.
const in = "in"

// open writes a file into a folder of its own.
func (m *Maker) open(ctx context.Context, r io.Reader, o Options, keep func(context.Context, Copy) error) (*job, error) {
	dir, err := os.MkdirTemp(m.scratch, jobs)
	if err != nil {
		return nil, noRoom(err)
	}
	j := &job{m: m, dir: dir, o: o, keep: keep}
	if j.lock, err = claim(dir); err != nil {
		j.close()
		return nil, noRoom(err)
	}
	if err := j.fill(ctx, r); err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

func (j *job) close() {
	_ = os.RemoveAll(j.dir) // what is left is removed at the next start
	if j.lock != nil {
		_ = j.lock.Close()
	}
}

// fill writes the file, within its limit and what the folder can hold.
func (j *job) fill(ctx context.Context, r io.Reader) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(j.dir, &fs); err != nil {
		return noRoom(err)
	}
	most := min(j.o.Limits.Bytes, int64(fs.Blocks)*fs.Bsize/2) //nolint:gosec // G115: the other half is for the copies
	f, err := os.OpenFile(filepath.Join(j.dir, in), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o400)
	if err != nil {
		return noRoom(err)
	}
	n, err := io.Copy(f, io.LimitReader(reading{ctx, r}, most+1))
	switch {
	case errors.Is(err, unix.ENOSPC):
		err = ErrNoRoom
	case err == nil && n > most:
		err = ErrTooLarge
	case err == nil:
		if _, err = f.Seek(0, io.SeekStart); err == nil {
			err = j.m.scanned(ctx, f)
		}
	}
	return errors.Join(err, f.Close(), sandbox.Own(filepath.Join(j.dir, in)), sandbox.Own(j.dir))
}

// noRoom is an error of the folder, which says nothing of the file.
func noRoom(err error) error { return fmt.Errorf("%w: %w", ErrNoRoom, err) }

// spare is how many bytes are free in a folder that is not full.
const spare = 1 << 20

// full returns ErrNoRoom where the folder is full, and ErrEffort if that is the
// job's own doing: then it is so whenever it is tried.
func (j *job) full() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(j.dir, &fs); err != nil {
		return noRoom(err)
	}
	own := int64(0)
	files, err := os.ReadDir(j.dir)
	if err != nil {
		return noRoom(err)
	}
	for _, file := range files {
		if info, err := file.Info(); err == nil {
			own += info.Size()
		}
	}
	return crowded(int64(fs.Blocks)*fs.Bsize, int64(fs.Bavail)*fs.Bsize, own) //nolint:gosec // G115: no disk has so many bytes
}

func crowded(size, free, own int64) error {
	switch {
	case free >= spare:
		return nil
	case own > (size-free)/2:
		return ErrEffort
	default:
		return ErrNoRoom
	}
}

// reading ends with its context.
type reading struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

// Read implements io.Reader.
func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// give hands out a file that a program wrote. The program may have put
// anything in its place: only a plain file is opened.
func (j *job) give(ctx context.Context, name string, c Copy) error {
	f, err := j.result(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	c.Size, c.Body = info.Size(), f
	return j.keep(ctx, c)
}

func (j *job) result(name string) (*os.File, error) {
	fd, err := unix.Open(filepath.Join(j.dir, name), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, ErrBroken
	}
	f := os.NewFile(uintptr(fd), name)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		_ = f.Close()
		return nil, ErrBroken
	}
	return f, nil
}

// read returns a file that a program wrote, of a bounded size.
func (j *job) read(name string) ([]byte, error) {
	f, err := j.result(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxPicture))
}

// maxPicture bounds a picture that is read whole, and those that programs make:
// as many bytes as the policy lets one be sent with.
const maxPicture = 64 << 20

// claim locks the folder of a job; it fails while another process holds it.
func claim(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
