package vault

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"gridwatch/server/fault"
)

func mustCode(tb testing.TB, text string) Code {
	tb.Helper()
	c, err := ParseCode(text)
	if err != nil {
		tb.Fatalf("ParseCode(%q): %v", text, err)
	}
	return c
}

// TestCheckDigit holds published examples: 0794 is the standard's own, the
// others are those of the stdnum libraries.
func TestCheckDigit(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"07945", "794623", "002006673085", "65112243004304827", "0032", "45557738808", "47166",
		"46746786646531", "423280260", "3086551843863", "78463064456075552581616161662",
	} {
		if got, want := checkDigit(s[:len(s)-1]), s[len(s)-1]; got != want {
			t.Errorf("%s: got %c, want %c", s, got, want)
		}
	}
}

func TestEverySingleSlipIsSeen(t *testing.T) {
	t.Parallel()
	digits := strings.ReplaceAll(submitted(t, newKeyring(t, 1), "t1").Reveal(), " ", "")
	for i := range digits {
		for d := byte('0'); d <= '9'; d++ {
			if d == digits[i] {
				continue
			}
			if _, err := ParseCode(digits[:i] + string(d) + digits[i+1:]); err == nil {
				t.Errorf("digit %d as %c passes", i, d)
			}
		}
	}
}

func TestParseCodeTakesWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	const digits = "1234567890123456789012345"
	check := string(checkDigit(digits[:24]))
	good := digits[:24] + check
	tests := map[string]struct {
		text string
		ok   bool
	}{
		"plain":        {good, true},
		"groups":       {"12345 67890 12345 67890 1234" + check, true},
		"dashes":       {"12345-67890-12345-67890-1234" + check, true},
		"long dashes":  {"12345—67890–12345－67890‐1234" + check, true},
		"wide spaces":  {"\t12345　67890　12345　67890　1234" + check + "\r\n", true},
		"full width":   {"１２３４５６７８９０１２３４５６７８９０１２３４" + check, true},
		"empty":        {"", false},
		"short":        {good[1:], false},
		"long":         {good + "0", false},
		"letter":       {"l" + good[1:], false},
		"wide letter":  {"Ａ" + good[1:], false},
		"dot":          {good + ".", false},
		"other digits": {strings.Replace(good, "3", "٣", 1), false},
		"not UTF-8":    {good + "\xff", false},
		"swapped":      {"2134567890123456789012345"[:24] + check, false},
		"huge":         {strings.Repeat(" ", 1<<20) + good, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := ParseCode(tt.text)
			if !tt.ok {
				if fault.CodeOf(err) != "receipt.code_format" || fault.KindOf(err) != fault.Invalid {
					t.Errorf("got %v, want receipt.code_format", err)
				}
				return
			}
			if err != nil || strings.ReplaceAll(c.Reveal(), " ", "") != good {
				t.Errorf("got %v, want the code", err)
			}
		})
	}
}

// submitted returns the code of one fixed submission.
func submitted(tb testing.TB, k *Keyring, tenant string) Code {
	tb.Helper()
	key := mustKey(tb, "AbCdEfGhIjKlMnOpQrStUv")
	c, err := k.Code(k.NewestID(Receipt), key, key.Tag([]byte("body")), tenant)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestCodeIsDerivedAgain(t *testing.T) {
	t.Parallel()
	before, after := rotated(t, Receipt)
	first := submitted(t, before, "t1").Reveal()
	if !regexp.MustCompile(`^\d{5}( \d{5}){4}$`).MatchString(first) {
		t.Errorf("got %q, want five groups of five digits", first)
	}
	key := mustKey(t, "AbCdEfGhIjKlMnOpQrStUv")
	again, err := after.Code(before.NewestID(Receipt), key, key.Tag([]byte("body")), "t1")
	if err != nil || again.Reveal() != first {
		t.Errorf("under the recorded key after rotation: another code, %v", err)
	}
	if _, err := after.Code("ffffffff", key, key.Tag([]byte("body")), "t1"); !errors.Is(err, ErrNoKey) {
		t.Errorf("unknown key: got %v, want ErrNoKey", err)
	}
	others := map[string]Code{"other tenant": submitted(t, before, "t2"), "other keyring": submitted(t, newKeyring(t, 2), "t1"), "newest key": submitted(t, after, "t1")}
	for name, c := range others {
		if c.Reveal() == first {
			t.Errorf("%s: the same code", name)
		}
	}
}

// TestCodeDigitsAreEven counts the digits of 4,000 codes at each of the 24
// random places: chi-square with 9 degrees of freedom stays below 40
// (p < 0.00001) at every one.
func TestCodeDigitsAreEven(t *testing.T) {
	t.Parallel()
	const codes = 4000
	k, key := newKeyring(t, 1), mustKey(t, "AbCdEfGhIjKlMnOpQrStUv")
	var count [24][10]float64
	for i := range codes {
		c, err := k.Code(k.NewestID(Receipt), key, key.Tag(fmt.Append(nil, i)))
		if err != nil {
			t.Fatal(err)
		}
		for place, d := range c.digits()[:24] {
			count[place][d-'0']++
		}
	}
	for place := range count {
		chi := 0.0
		for _, n := range count[place] {
			chi += (n - codes/10) * (n - codes/10) / (codes / 10)
		}
		if chi > 40 {
			t.Errorf("place %d: chi-square %.1f", place, chi)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	for _, s := range []string{"", "0000000000000000000000005", "00000-00000-00000-00000-00005", "０0000 00000 00000 00000 00005", "1", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCode(text)
		if err != nil {
			if fault.CodeOf(err) != "receipt.code_format" {
				t.Errorf("got %v", err)
			}
			return
		}
		again, err := ParseCode(c.Reveal())
		if err != nil || again.Reveal() != c.Reveal() {
			t.Errorf("%q re-encodes to another code: %v", text, err)
		}
	})
}
