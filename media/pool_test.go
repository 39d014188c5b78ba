package media

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// phone is a sender at a speed of its own, which ends when it is cut off.
type phone struct {
	speed int64 // bytes a second
	began time.Time

	once sync.Once
	gone chan struct{}
}

func newPhone(speed int64) *phone {
	return &phone{speed: speed, began: time.Now(), gone: make(chan struct{})}
}

func (p *phone) Progress() (int64, time.Duration) {
	waited := time.Since(p.began)
	return int64(waited.Seconds() * float64(p.speed)), waited
}

func (p *phone) Cut() { p.once.Do(func() { close(p.gone) }) }

func (p *phone) isGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// crowd is a pool of a few buffers, all of them lent to phones.
type crowd struct {
	t      *testing.T
	in     *Ingest
	phones []*phone
}

const patience = 5 * time.Second

func newCrowd(t *testing.T, speeds []int64, term func(n int) int64) *crowd {
	t.Helper()
	c := &crowd{t: t, in: New(nil, nil, Config{PartSize: minShare, Memory: len(speeds) * minShare, Patience: patience})}
	for n, speed := range speeds {
		p := newPhone(speed)
		c.phones = append(c.phones, p)
		w := c.in.Writer(nil, "", term(n), p)
		buf, err := w.Buffer(t.Context(), minShare)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-p.gone
			w.Return(buf)
			w.Close()
		}()
	}
	return c
}

// ask waits for one more buffer and returns how long that took.
func (c *crowd) ask() time.Duration {
	c.t.Helper()
	began := time.Now()
	w := c.in.Writer(nil, "", 1, newPhone(1<<20))
	defer w.Close()
	buf, err := w.Buffer(c.t.Context(), minShare)
	if err != nil {
		c.t.Fatal(err)
	}
	took := time.Since(began)
	w.Return(buf)
	return took
}

func (c *crowd) gone() []int {
	var out []int
	for n, p := range c.phones {
		if p.isGone() {
			out = append(out, n)
		}
	}
	return out
}

func (c *crowd) end() {
	for _, p := range c.phones {
		p.Cut()
	}
	synctest.Wait()
	if c.in.buffers.lent != 0 || len(c.in.buffers.loans) != 0 {
		c.t.Errorf("got %d bytes and %d loans left", c.in.buffers.lent, len(c.in.buffers.loans))
	}
	c.in.buffers.drain()
}

func always(int) int64 { return 1 }

// TestSlowSendersHeldAllMemory: who sent slowly kept what it had been lent for as
// long as it liked, and whoever came later waited for as long.
func TestSlowSendersHeldAllMemory(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		speeds []int64
		term   func(int) int64
		gone   []int
	}{
		"the slowest goes":                      {[]int64{9, 1, 5}, always, []int{1}},
		"who loses nothing goes first":          {[]int64{1, 9, 2}, func(n int) int64 { return int64(n % 2) }, []int{1}},
		"of forms alone the slowest":            {[]int64{7, 9, 2}, func(int) int64 { return 0 }, []int{2}},
		"one that does not send anything at it": {[]int64{3, 9, 0}, always, []int{2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, tt.speeds, tt.term)
				time.Sleep(time.Hour)
				synctest.Wait()
				if gone := c.gone(); gone != nil {
					t.Errorf("got %v cut off while nobody waited", gone)
				}
				if took := c.ask(); took != patience {
					t.Errorf("one waited %v, want %v", took, patience)
				}
				if gone := c.gone(); !slices.Equal(gone, tt.gone) {
					t.Errorf("got %v cut off, want %v", gone, tt.gone)
				}
				c.end()
			})
		})
	}
}

// A buffer that was just lent is not taken back: who gets one can always send
// something.
func TestEachSenderHasItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, []int64{1, 1}, always)
		time.Sleep(time.Second) // less than the patience
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if took := c.ask(); took > 2*patience {
					t.Errorf("one waited %v, want at most %v", took, 2*patience)
				}
			})
		}
		time.Sleep(patience - 2*time.Second)
		synctest.Wait()
		if gone := c.gone(); gone != nil {
			t.Errorf("got %v cut off before their turn was over", gone)
		}
		all.Wait()
		c.end()
	})
}

// Who is waited for by nobody's fault is not cut off: the store is slow, or the
// bytes lie on our own disk.
func TestSlowStoreCutsNobodyOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := New(nil, nil, Config{PartSize: minShare, Memory: minShare, Patience: patience})
		w := in.Writer(nil, "", 1, nil)
		buf, err := w.Buffer(t.Context(), minShare)
		if err != nil {
			t.Fatal(err)
		}
		p := newPhone(1)
		waits := in.Writer(nil, "", 1, p)
		got := make(chan []byte)
		go func() {
			buf, _ := waits.Buffer(t.Context(), minShare)
			got <- buf
		}()
		time.Sleep(time.Hour)
		w.Return(buf)
		waits.Return(<-got)
		if p.isGone() {
			t.Error("who waited was cut off")
		}
		w.Close()
		waits.Close()
		in.buffers.drain()
	})
}
