package reward_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/casefile"
	"gridwatch/server/reward"
)

// TestModeStaysWithTheDesk: what others read of a calculation is the same for
// any two modes that the scheme treats alike, names none, and leaves the
// frozen facts as they were.
func TestModeStaysWithTheDesk(t *testing.T) {
	t.Parallel()
	shown := map[bool]string{}
	for _, mode := range []casefile.Mode{casefile.Anonymous, casefile.ByCode, casefile.Contactable, casefile.RealName} {
		facts := reported(line("1", 5_000_000, "a1"))
		facts.IdentityMode = mode
		whole, before := calculate(t, national(t), facts), calculate(t, national(t), facts)
		r := whole.WithoutMode()
		if diff := cmp.Diff(before, whole); diff != "" {
			t.Errorf("%s: the desk's result is changed: %s", mode, diff)
		}
		for i, step := range r.Trace {
			if step.Code != reward.StepIdentity && step != whole.Trace[i] {
				t.Errorf("%s: got the step %+v, want %+v", mode, step, whole.Trace[i])
			}
		}
		if r.AmountFen != whole.AmountFen || len(r.Trace) != len(whole.Trace) {
			t.Errorf("%s: got %+v, want all but the mode kept", mode, r)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		all := string(text) + strings.Join(append(r.Text("en"), r.Text("zh-CN")...), "\n")
		for _, name := range []string{`:"` + string(mode) + `"`, `mode "` + strings.ReplaceAll(string(mode), "_", " "), "实名", "匿名", "凭码", "identityMode"} {
			if strings.Contains(all, name) {
				t.Errorf("%s: the result says %q: %s", mode, name, all)
			}
		}
		if before, ok := shown[r.Eligible]; ok && before != all {
			t.Errorf("%s: is told apart from another mode: %s", mode, cmp.Diff(before, all))
		}
		shown[r.Eligible] = all
	}
}
