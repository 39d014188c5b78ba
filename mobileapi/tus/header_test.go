package tus

import (
	"maps"
	"strings"
	"testing"

	"gridwatch/server/fault"
)

// refusesWell wants every refusal to be a Fault that repeats nothing of what
// came, and is Invalid.
func refusesWell(t *testing.T, err error, sent string) {
	t.Helper()
	if err == nil {
		return
	}
	if fault.KindOf(err) != fault.Invalid || (len(sent) > 12 && strings.Contains(err.Error(), sent)) {
		t.Errorf("got %v for %q", err, sent)
	}
}

func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		"", "right cmlnaHQ=", "right cmlnaHQ=,filename SU1HLmpwZw==,filetype aW1hZ2UvanBlZw==", "is_confidential", "a ,b", "a,a", " a YQ== , b Yg==",
		"a YQ", "a Y Q==", ",", "a\tYQ==", "名 5ZCN", "a //79", strings.Repeat("k,", 17), strings.Repeat("x", 5000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := metadata(text)
		refusesWell(t, err, text)
		if err != nil {
			return
		}
		if len(got) > maxPairs {
			t.Errorf("got %d pairs", len(got))
		}
		again, err := metadata(text)
		if err != nil || !maps.Equal(got, again) {
			t.Errorf("got %v and then %v, %v", got, again, err)
		}
	})
}

func FuzzChecksum(f *testing.F) {
	for _, seed := range []string{
		"", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "sha256 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=", "md5 XrY7u+Ae7tCTyyK7j1rNww==",
		"sha1", "sha1 ", "sha1  Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
		"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sum, want, err := checksum(text)
		refusesWell(t, err, text)
		if err == nil && text != "" && len(want) != sum.Size() {
			t.Errorf("got %d bytes for a digest of %d", len(want), sum.Size())
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"0", "1", "4294967296", "9223372036854775807", "9223372036854775808", "-1", "+1", "01", "1e3", " 1", "0x10", "", "１"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := number("Upload-Length", text)
		refusesWell(t, err, text)
		if err == nil && (n < 0 || strings.Trim(text, "0123456789") != "") {
			t.Errorf("got %d from %q", n, text)
		}
	})
}
