package casefile_test

import (
	"testing"

	"gridwatch/server/casefile"
)

// TestShownIsNeverTheDesksCopy: what others than the desk see of an item, and
// what a reporter sees of an attachment.
func TestShownIsNeverTheDesksCopy(t *testing.T) {
	t.Parallel()
	with := func(kinds ...casefile.CopyKind) (all []casefile.Copy) {
		for _, k := range kinds {
			all = append(all, casefile.Copy{Kind: k, Object: string(k)})
		}
		return all
	}
	for name, c := range map[string]struct {
		item            casefile.Evidence
		shown, attached casefile.CopyKind
	}{
		"photo":                 {casefile.Evidence{Kind: casefile.Photo, Copies: with(casefile.DisplayCopy)}, casefile.ReleasedCopy, casefile.DisplayCopy},
		"film":                  {casefile.Evidence{Kind: casefile.Video, Copies: with(casefile.VideoCopy)}, casefile.VideoCopy, casefile.VideoCopy},
		"film of sound alone":   {casefile.Evidence{Kind: casefile.Video, Copies: with(casefile.AudioCopy)}, casefile.AudioCopy, casefile.AudioCopy},
		"sound":                 {casefile.Evidence{Kind: casefile.Audio}, casefile.AudioCopy, casefile.AudioCopy},
		"document":              {casefile.Evidence{Kind: casefile.Document}, casefile.PagesCopy, casefile.PagesCopy},
		"of a kind to come yet": {casefile.Evidence{Kind: "other"}, casefile.ReleasedCopy, casefile.ReleasedCopy},
	} {
		if shown, attached := c.item.Shown(), c.item.Attached(); shown != c.shown || attached != c.attached {
			t.Errorf("%s: shown %s, attached %s, want %s, %s", name, shown, attached, c.shown, c.attached)
		}
	}
}

func TestDropTakesOneCopy(t *testing.T) {
	t.Parallel()
	kept := []casefile.Copy{{Kind: casefile.DisplayCopy, Object: "d"}, {Kind: casefile.ReleasedCopy, Object: "r"}}
	e := casefile.Evidence{Object: "original", Copies: kept}
	if c, ok := e.Drop(casefile.ReleasedCopy); !ok || c.Object != "r" || len(e.Copies) != 1 || kept[1].Object != "r" {
		t.Errorf("dropped %v, %v; %v stay, of %v", c, ok, e.Copies, kept)
	}
	if c, ok := e.Drop(casefile.ReleasedCopy); ok || c.Object != "" || len(e.Copies) != 1 {
		t.Errorf("dropped %v again, %v", c, ok)
	}
	for object, want := range map[string]bool{"original": true, "d": true, "r": false, "": false} {
		if got := e.Owns(object); got != want {
			t.Errorf("owns %q: %v", object, got)
		}
	}
}

// TestUpheldNeedsASignature: nothing rests on an inspection that is not signed,
// nor on what it found of another item.
func TestUpheldNeedsASignature(t *testing.T) {
	t.Parallel()
	findings := []casefile.ItemFinding{{Ref: "1", Finding: casefile.Unsubstantiated}, {Ref: "2", Finding: casefile.Partial}}
	signed := casefile.Visit{Head: casefile.Head{State: casefile.VisitSigned}, Findings: findings}
	draft := casefile.Visit{Findings: findings}
	for ref, want := range map[string]bool{"1": false, "2": true, "3": false} {
		if got := signed.Upheld(ref); got != want {
			t.Errorf("%s: got %v", ref, got)
		}
		if draft.Upheld(ref) {
			t.Errorf("%s: upheld without a signature", ref)
		}
	}
}
