package casefile_test

import (
	"testing"

	"gridwatch/server/casefile"
)

func TestTied(t *testing.T) {
	t.Parallel()
	const village, grid = "220182100201", "220182100201001"
	for name, c := range map[string]struct {
		tie     casefile.Tie
		subject casefile.Subject
		want    bool
	}{
		"a grid of the village":      {casefile.Tie{Area: village}, casefile.Subject{Area: grid}, true},
		"a grid of the township":     {casefile.Tie{Area: "220182100000"}, casefile.Subject{Area: grid}, true},
		"another village":            {casefile.Tie{Area: "220182100202"}, casefile.Subject{Area: grid}, false},
		"the county as a whole":      {casefile.Tie{Area: village}, casefile.Subject{Area: "220182000000"}, false},
		"the firm":                   {casefile.Tie{Firm: "演示化工厂"}, casefile.Subject{Party: "演示化工厂"}, true},
		"a yard of the firm":         {casefile.Tie{Firm: "演示化工厂"}, casefile.Subject{Party: "榆树市 演示 化工厂（东院）"}, true},
		"the firm by its short name": {casefile.Tie{Firm: "榆树市演示化工厂"}, casefile.Subject{Party: "演示化工厂"}, true},
		"by number, in full width":   {casefile.Tie{Firm: "91220182ma0000000x"}, casefile.Subject{Party: "９１２２０１８２ＭＡ０００００００Ｘ"}, true},
		"the ends of full width":     {casefile.Tie{Firm: "!demo~"}, casefile.Subject{Party: "！ＤＥＭＯ～"}, true},
		"beyond full width":          {casefile.Tie{Firm: "\u007f"}, casefile.Subject{Party: "｟"}, false},
		"before full width":          {casefile.Tie{Firm: " demo"}, casefile.Subject{Party: "\uff00"}, false},
		"another firm":               {casefile.Tie{Firm: "演示化工厂"}, casefile.Subject{Party: "演示木材厂"}, false},
		"a record without a party":   {casefile.Tie{Firm: "演示化工厂"}, casefile.Subject{Area: grid}, false},
		"no tie":                     {casefile.Tie{}, casefile.Subject{Area: grid, Party: "演示化工厂"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := casefile.Person{Ties: []casefile.Tie{c.tie}}
			if got := p.Tied(c.subject); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got := (casefile.Actor{Ties: p.Ties}).Tied(c.subject); got != c.want {
				t.Errorf("actor: got %v, want %v", got, c.want)
			}
		})
	}
}
