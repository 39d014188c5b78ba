package workflow

import (
	"testing"
	"time"

	"gridwatch/media/probe"
	"gridwatch/server/casefile"
)

func TestDoubts(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC) // noon in China
	limits := DoubtLimits{AccuracyM: 100, FarM: 500, ApartM: 300, SkewS: 300, Editors: []string{"Photoshop"}}
	at := func(lon, lat, accuracy float64) *casefile.Place {
		return &casefile.Place{Lon: lon, Lat: lat, AccuracyM: accuracy}
	}
	right := circumstances{
		received: received, begun: received.Add(-time.Hour), position: at(126.5, 44.8, 20), target: true, inGrid: true, distance: 40,
	}
	shot := func(at time.Time, known bool) probe.Facts {
		return probe.Facts{Taken: &at, OffsetKnown: known, Position: &probe.Position{Lon: 126.5, Lat: 44.8}, Software: "Camera 1.0"}
	}
	clear, unknown, doubt := casefile.NoDoubt, casefile.NotKnown, casefile.InDoubt
	tests := map[string]struct {
		facts  probe.Facts
		change func(*circumstances)
		rule   casefile.DoubtRule
		want   casefile.DoubtVerdict
	}{
		"accuracy absent":   {change: func(c *circumstances) { c.position.AccuracyM = 0 }, rule: casefile.DoubtAccuracy, want: doubt},
		"accuracy bad":      {change: func(c *circumstances) { c.position.AccuracyM = 101 }, rule: casefile.DoubtAccuracy, want: doubt},
		"accuracy at limit": {change: func(c *circumstances) { c.position.AccuracyM = 100 }, rule: casefile.DoubtAccuracy, want: clear},
		"no position":       {change: func(c *circumstances) { c.position = nil }, rule: casefile.DoubtAccuracy, want: unknown},
		"mock":              {change: func(c *circumstances) { c.mock = true }, rule: casefile.DoubtMock, want: doubt},
		"not mock":          {rule: casefile.DoubtMock, want: clear},
		"outside the grid":  {change: func(c *circumstances) { c.inGrid = false }, rule: casefile.DoubtPlace, want: doubt},
		"far":               {change: func(c *circumstances) { c.distance = 501 }, rule: casefile.DoubtPlace, want: doubt},
		"no target":         {change: func(c *circumstances) { c.target = false }, rule: casefile.DoubtPlace, want: unknown},
		"taken elsewhere":   {facts: probe.Facts{Position: &probe.Position{Lon: 126.51, Lat: 44.8}}, rule: casefile.DoubtApart, want: doubt},
		"taken here":        {facts: probe.Facts{Position: &probe.Position{Lon: 126.5001, Lat: 44.8}}, rule: casefile.DoubtApart, want: clear},
		"no EXIF place":     {rule: casefile.DoubtApart, want: unknown},
		"before the task":   {facts: shot(received.Add(-2*time.Hour), true), rule: casefile.DoubtBefore, want: doubt},
		"after it":          {facts: shot(received.Add(-time.Minute), true), rule: casefile.DoubtBefore, want: clear},
		"local time":        {facts: shot(time.Date(2026, 3, 2, 11, 59, 0, 0, time.UTC), false), rule: casefile.DoubtBefore, want: clear},
		"from the future":   {facts: shot(received.Add(time.Hour), true), rule: casefile.DoubtAfter, want: doubt},
		"within the skew":   {facts: shot(received.Add(time.Minute), true), rule: casefile.DoubtAfter, want: clear},
		"saved a day ago": {
			facts:  shot(received.Add(-time.Hour), true),
			change: func(c *circumstances) { c.clock = &Clock{Now: received, ElapsedMS: 24 * 3600 * 1000} },
			rule:   casefile.DoubtAfter, want: doubt,
		},
		"clock off":      {change: func(c *circumstances) { c.clock = &Clock{Now: received.Add(-301 * time.Second)} }, rule: casefile.DoubtSkew, want: doubt},
		"clock right":    {change: func(c *circumstances) { c.clock = &Clock{Now: received.Add(300 * time.Second)} }, rule: casefile.DoubtSkew, want: clear},
		"clock not told": {rule: casefile.DoubtSkew, want: unknown},
		"edited":         {facts: probe.Facts{Software: "Adobe photoshop 25"}, rule: casefile.DoubtSoftware, want: doubt},
		"by the camera":  {facts: probe.Facts{Software: "Camera 1.0"}, rule: casefile.DoubtSoftware, want: clear},
		"not said":       {rule: casefile.DoubtSoftware, want: unknown},
	}
	for name, tt := range tests {
		c := right
		place := *right.position
		c.position = &place
		if tt.change != nil {
			tt.change(&c)
		}
		for _, d := range doubts(tt.facts, c, limits) {
			if d.Rule == tt.rule && d.Verdict != tt.want {
				t.Errorf("%s: got %s with %v, want %s", name, d.Verdict, d.Inputs, tt.want)
			}
		}
	}
	for _, d := range doubts(shot(received.Add(-time.Minute), true), right, DoubtLimits{}) {
		if d.Verdict == casefile.InDoubt {
			t.Errorf("got a doubt about %s without limits, of what is right", d.Rule)
		}
	}
}
