package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const hush = "canary-hush"

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := Read([]string{"PATH=/bin", "GRID_TEST_MONGO_URI=x"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.RequestDeadline != 10*time.Second || c.Drain != 20*time.Second || c.FCM != "off" || c.MongoURI.Reveal() != "" {
		t.Errorf("got %+v", c)
	}
}

func TestEverythingSet(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(hush+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read([]string{
		"GRID_MONGO_URI_FILE=" + file, "GRID_S3_URL=https://store:9000", "GRID_S3_ACCESS_KEY=a=b", "GRID_S3_SECRET_KEY_FILE=" + file,
		"GRID_LISTEN=0.0.0.0:8443", "GRID_TRUSTED_PROXIES=10.0.0.0/24,10.1.0.7/32", "GRID_LOG_LEVEL=warn",
		"GRID_FCM=on", "GRID_FCM_PROJECT=p", "GRID_FCM_ENDPOINT=http://127.0.0.1:9099",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.MongoURI.Reveal() != hush || c.S3SecretKey.Reveal() != hush || c.S3AccessKey.Reveal() != "a=b" || c.LogLevel != slog.LevelWarn {
		t.Errorf("got %q, %q, %q, %v", c.MongoURI.Reveal(), c.S3SecretKey.Reveal(), c.S3AccessKey.Reveal(), c.LogLevel)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.1.0.7/32")}
	if diff := cmp.Diff(want, c.TrustedProxies, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// A secret stays one however a Config is printed.
func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	c, err := Read([]string{"GRID_MONGO_URI=" + hush})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, c, c.MongoURI)
	}
	text, err := json.Marshal(any(c))
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.LogAttrs(t.Context(), slog.LevelInfo, "x", slog.Any("config", c), slog.Any("uri", c.MongoURI))
	if strings.Contains(out.String(), hush) || strings.Contains(out.String(), fmt.Sprintf("%x", hush)) {
		t.Errorf("got the secret in %s", out.String())
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		environ []string
		want    []string // parts of the text
	}{
		"off loopback in clear":         {[]string{"GRID_LISTEN=0.0.0.0:8080"}, []string{"GRID_LISTEN is off loopback"}},
		"every address in clear":        {[]string{"GRID_LISTEN=:8080"}, []string{"GRID_LISTEN is off loopback"}},
		"a name in clear":               {[]string{"GRID_LISTEN=grid.example:8080"}, []string{"GRID_LISTEN is off loopback"}},
		"not an address":                {[]string{"GRID_OPS_LISTEN=8081"}, []string{"GRID_OPS_LISTEN is host:port"}},
		"one address twice":             {[]string{"GRID_OPS_LISTEN=127.0.0.1:8080"}, []string{"another address"}},
		"certificate without key":       {[]string{"GRID_TLS_CERT=x"}, []string{"come together"}},
		"drain too short":               {[]string{"GRID_DRAIN=10s"}, []string{"GRID_DRAIN is longer"}},
		"no deadline":                   {[]string{"GRID_REQUEST_DEADLINE=0s"}, []string{"GRID_REQUEST_DEADLINE is more"}},
		"upload shorter than request":   {[]string{"GRID_UPLOAD_DEADLINE=5s"}, []string{"GRID_UPLOAD_DEADLINE"}},
		"store without keys":            {[]string{"GRID_S3_URL=http://127.0.0.1:9000"}, []string{"GRID_S3_ACCESS_KEY and"}},
		"store with keys in it":         {[]string{"GRID_S3_URL=http://u:" + hush + "@h", "GRID_S3_ACCESS_KEY=a", "GRID_S3_SECRET_KEY=b"}, []string{"without credentials"}},
		"store that is a file":          {[]string{"GRID_S3_URL=file:///x", "GRID_S3_ACCESS_KEY=a", "GRID_S3_SECRET_KEY=b"}, []string{"GRID_S3_URL"}},
		"a lock that is none":           {[]string{"GRID_S3_LOCK=off"}, []string{"GRID_S3_LOCK"}},
		"push neither on nor off":       {[]string{"GRID_FCM=yes"}, []string{"on or off"}},
		"push without project":          {[]string{"GRID_FCM=on"}, []string{"GRID_FCM_PROJECT", "GRID_FCM_CREDENTIALS"}},
		"stand-in elsewhere":            {[]string{"GRID_FCM_ENDPOINT=http://10.0.0.1:80"}, []string{"GRID_FCM_ENDPOINT"}},
		"stand-in that looks like home": {[]string{"GRID_FCM_ENDPOINT=http://127.0.0.1.evil.example:80"}, []string{"GRID_FCM_ENDPOINT"}},
		"gateway in clear":              {[]string{"GRID_CONTACT_GATEWAY_URL=http://gateway.example/"}, []string{"GRID_CONTACT_GATEWAY_URL is https"}},
		"gateway with a password":       {[]string{"GRID_CONTACT_GATEWAY_URL=https://u:" + hush + "@gateway.example/"}, []string{"GRID_CONTACT_GATEWAY_URL is https"}},
		"gateway without a port":        {[]string{"GRID_CONTACT_GATEWAY_URL=http://127.0.0.1/"}, []string{"GRID_CONTACT_GATEWAY_URL is https"}},
		"not a duration":                {[]string{"GRID_DRAIN=" + hush}, []string{"GRID_DRAIN is not of the form"}},
		"not a network":                 {[]string{"GRID_TRUSTED_PROXIES=10.0.0.1"}, []string{"GRID_TRUSTED_PROXIES is not of the form"}},
		"not a level":                   {[]string{"GRID_LOG_LEVEL=loud"}, []string{"GRID_LOG_LEVEL"}},
		"secret twice":                  {[]string{"GRID_MONGO_URI=" + hush, "GRID_MONGO_URI_FILE=/x"}, []string{"both set"}},
		"secret file missing":           {[]string{"GRID_MONGO_URI_FILE=/does/not/exist"}, []string{"GRID_MONGO_URI_FILE"}},
		"no secret, no file":            {[]string{"GRID_LISTEN_FILE=/x"}, []string{"GRID_LISTEN_FILE is not a setting"}},
		"misspelt":                      {[]string{"GRID_LISTNE=:1"}, []string{"GRID_LISTNE is not a setting"}},
		"all at once":                   {[]string{"GRID_FCM=yes", "GRID_DRAIN=1s", "GRID_LISTEN=:80"}, []string{"GRID_FCM", "GRID_DRAIN", "GRID_LISTEN"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(tt.environ)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), hush) {
				t.Errorf("got the value in %q", err)
			}
		})
	}
}

func TestUnset(t *testing.T) {
	t.Setenv("GRID_MONGO_URI", hush)
	if err := Unset(); err != nil {
		t.Fatal(err)
	}
	if _, ok := os.LookupEnv("GRID_MONGO_URI"); ok {
		t.Error("got the secret still in the environment")
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	for _, row := range Table() {
		if !strings.HasPrefix(row.Name, "GRID_") || row.Meaning == "" || strings.Contains(row.Meaning, "|") {
			t.Errorf("got %+v", row)
		}
	}
}
