package custody

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gridwatch/server/vault"
)

func TestResultOf(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		id   vault.Identity
		err  error
		want vault.Result
	}{
		"a name":          {vault.Identity{Name: "demo reporter"}, nil, vault.ResultOpened},
		"a dummy":         {vault.Identity{Relation: vault.RelationNone}, nil, vault.ResultUnreadable},
		"blanks":          {vault.Identity{Name: " \t"}, nil, vault.ResultUnreadable},
		"unreadable":      {vault.Identity{}, vault.ErrUnreadable, vault.ResultUnreadable},
		"swapped":         {vault.Identity{}, fmt.Errorf("open: %w", vault.ErrSwapped), vault.ResultSwapped},
		"another report":  {vault.Identity{}, vault.ErrBinding, vault.ResultBinding},
		"expired":         {vault.Identity{}, vault.ErrExpired, ""},
		"forged":          {vault.Identity{}, vault.ErrSignature, ""},
		"foreign request": {vault.Identity{}, vault.ErrForeign, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := resultOf(tt.id, tt.err)
			if got != tt.want || (tt.want == "") != (err != nil) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if tt.want == "" && !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	id := vault.Identity{Name: "演示\x1b[2J", PayeeAccount: "0000"}
	for _, asJSON := range []bool{false, true} {
		var opened, called, swapped bytes.Buffer
		if err := errors.Join(show(Env{Stdout: &opened}, asJSON, "reward_payment", vault.ResultOpened, id),
			show(Env{Stdout: &called}, asJSON, "call_back", vault.ResultOpened, id),
			show(Env{Stdout: &swapped}, asJSON, "reward_payment", vault.ResultSwapped, id)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(opened.String(), "演示\uFFFD[2J") || !strings.Contains(opened.String(), "0000") {
			t.Errorf("got %q, want name and account, without the escape", opened.String())
		}
		if !strings.Contains(called.String(), "演示") || strings.Contains(called.String(), "0000") {
			t.Errorf("got %q for a call back, want the name and nothing of who is paid", called.String())
		}
		if strings.Contains(swapped.String(), "演示") || strings.Contains(swapped.String(), "0000") {
			t.Errorf("got %q for an envelope that was swapped", swapped.String())
		}
	}
}
